"""What a turn costs, and what the page says when there is nothing left."""

from typing import Any

import pytest

from tests.browser.conftest import Tab
from tests.support.people import key
from tests.support.upstreams import Script, answer

pytestmark = pytest.mark.browser

POD = "What is a pod?"
HELLO = Script(answer("Hello."))
ASKS = ["info", "authorized", "streaming_query"]
WITHOUT_LOOKING: dict[str, Any] = {
    "authentication": {"by": "api_keys"},
    "authorization": {"default_roles": ["asks"], "roles": {"asks": ASKS}},
    "api_keys": [key("asks")],
}


def quota(**fields: Any) -> dict[str, Any]:
    """Return the settings of a quota that a turn reserves ten tokens of."""
    taken = {"name": "daily", "initial_tokens": 30, "period_s": 86_400} | fields
    # Instructions would cost as well.
    alone = {"quotas": {"reserve_tokens": 10}, "system_prompt": ""}
    return {"token_quotas": [taken], **alone}


@pytest.fixture
def scripts() -> tuple[Script, ...]:
    return (HELLO,)


@pytest.mark.parametrize("settings", [quota()])
def test_what_is_left_is_told_before_and_after_a_turn(live_tab: Tab) -> None:
    live_tab.wait_for_text("#quotas", "daily: 30 tokens left, renews ")

    live_tab.ask(POD)
    live_tab.wait_for("end")

    # Four tokens for the question, and two for the answer.
    live_tab.wait_for_text("#quotas", "daily: 24 tokens left, renews ")


@pytest.mark.parametrize("settings", [quota() | WITHOUT_LOOKING])
def test_a_turn_tells_what_is_left_to_who_may_not_look(live_tab: Tab) -> None:
    live_tab.sign_in("asks")
    before = live_tab.shows("#quotas")

    live_tab.ask(POD)
    live_tab.wait_for("end")

    assert not before
    assert live_tab.text("#quotas") == "daily: 24 tokens left"
    assert not any("403" in each for each in live_tab.complaints)


@pytest.mark.parametrize("settings", [quota(initial_tokens=14)])
def test_a_quota_that_is_used_up_is_told_with_when_to_come_back(live_tab: Tab) -> None:
    live_tab.ask(POD)
    live_tab.wait_for("end")

    live_tab.ask(POD)
    live_tab.wait_for("error")

    card = live_tab.text(".error-card")
    assert "The quota is used up." in card
    assert "daily" in card
    assert "Come back in " in card
    assert live_tab.page.is_enabled("#send")


@pytest.mark.parametrize("settings", [{"turns_per_minute_limit": 1}])
def test_too_many_turns_are_told_with_when_to_come_back(live_tab: Tab) -> None:
    live_tab.ask(POD)
    live_tab.wait_for("end")

    live_tab.ask(POD)
    live_tab.wait_for("error")

    card = live_tab.text(".error-card")
    assert "Too many turns in a short time." in card
    assert "The service asks to wait" in card
