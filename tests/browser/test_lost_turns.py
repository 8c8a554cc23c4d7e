"""Connections that are lost again and again, and turns that the service does not know any more."""

import json
from typing import Any

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import Tab
from tests.support.upstreams import NEVER, Script, opening_chunk, says

pytestmark = pytest.mark.browser

POD = "What is a pod?"
FOLLOWED = "**/v1/streaming_query/*?*"
WITHOUT_END = Script((opening_chunk(), says("It is "), NEVER))


@pytest.fixture
def scripts() -> tuple[Script, ...]:
    return (WITHOUT_END,)


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"retry_ms": 100}


def forget_turns(tab: Tab) -> None:
    """Let the service be one that was killed and started again."""
    detail = {"response": "There is no such turn.", "cause": "It is no longer kept."}
    body = json.dumps({"detail": detail, "code": "turn_unknown"})

    def refuse(route: Route) -> None:
        route.fulfill(status=404, body=body)

    tab.page.route(FOLLOWED, refuse)


def ask(tab: Tab) -> None:
    """Ask something that is never answered to its end."""
    tab.ask(POD)
    tab.wait_for_text("#answer", "It is")


def test_a_turn_that_is_forgotten_in_the_middle_is_called_lost(live_tab: Tab) -> None:
    ask(live_tab)
    forget_turns(live_tab)

    live_tab.page.click("#cut")
    live_tab.wait_for("error")

    card = live_tab.text(".error-card")
    assert "no longer has this turn" in card
    assert "turn_unknown" in card
    assert live_tab.text("#answer") == "It is "
    assert live_tab.text(".truncated") == "Partial answer"
    after = "(chip) => getComputedStyle(chip, '::after').content"
    assert live_tab.page.locator("#current-state").evaluate(after) == '", lost"'


def test_a_turn_whose_end_is_not_known_is_not_said_to_run(live_tab: Tab) -> None:
    ask(live_tab)
    forget_turns(live_tab)

    live_tab.page.reload()

    live_tab.wait_for_text(".remark", "How this turn ends is not known here yet.")
    assert live_tab.page.locator(".feedback").count() == 0
    assert live_tab.turn("turn") == "idle"


def test_tries_in_vain_are_one_line(live_tab: Tab) -> None:
    ask(live_tab)
    tries: list[Route] = []

    def lose(route: Route) -> None:
        tries.append(route)
        route.abort()

    live_tab.page.route(FOLLOWED, lose, times=3)
    live_tab.page.click("#cut")
    live_tab.wait_for_text(".remark", "Resumed after event")

    remarks = live_tab.page.locator(".remark").all_text_contents()
    assert len(tries) == 3
    assert len(remarks) == 2
    assert "try 4 of 10" in remarks[0]
