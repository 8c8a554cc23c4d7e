"""What the page shows when it is loaded anew: the conversation that was open, to whose it is."""

import json
from typing import Any

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import Held, Tab
from tests.browser.test_conversations_page import LIST, TOGGLE, converse
from tests.browser.test_signing_in import sign_out
from tests.support.people import ADMIN, ALICE, BOB, keys
from tests.support.upstreams import NEVER, Script, ScriptedUpstream, answer, opening_chunk, says

pytestmark = pytest.mark.browser

POD = "What is a pod?"
HELLO = Script(answer("Hello."))
WITHOUT_END = Script((opening_chunk(), says("It is "), NEVER))


@pytest.fixture
def scripts() -> tuple[Script, ...]:
    return (HELLO,)


def asked(tab: Tab) -> str:
    """Ask a question, and return the conversation."""
    with tab.page.expect_response("**/v1/streaming_query**") as answered:
        tab.ask(POD)
    tab.wait_for("end")
    return answered.value.headers["x-conversation-id"]


def is_empty(tab: Tab) -> bool:
    """Return whether the page shows no conversation, and says nothing of one."""
    return tab.shows("#welcome") and tab.page.locator(".turn, .error-card").count() == 0


def test_a_reload_shows_the_conversation_that_was_open(
    live_tab: Tab, upstream: ScriptedUpstream
) -> None:
    asked(live_tab)

    live_tab.page.reload()
    live_tab.wait_for_text("#answer", "Hello.")
    shown = live_tab.page.locator(".question").all_text_contents()
    live_tab.ask("And a node?")
    live_tab.wait_for("end")

    first, second = [plan.conversation.conversation_id for plan in upstream.plans]
    assert shown == [POD]
    assert second == first
    assert live_tab.complaints == []


@pytest.mark.parametrize("scripts", [(WITHOUT_END,)])
def test_a_reload_in_the_middle_of_an_answer_follows_it(live_tab: Tab) -> None:
    live_tab.ask(POD)
    live_tab.wait_for_text("#answer", "It is")

    live_tab.page.reload()
    live_tab.wait_for("running")
    live_tab.wait_for_text("#answer", "It is")
    live_tab.page.click("#stop")

    live_tab.wait_for("interrupted")
    assert live_tab.page.locator(".question").all_text_contents() == [POD]


def test_whoever_has_begun_anew_finds_an_empty_page(live_tab: Tab) -> None:
    asked(live_tab)
    live_tab.page.click("#new-conversation")

    live_tab.page.reload()
    live_tab.page.wait_for_selector("#conversations-list > li", state="attached")

    assert is_empty(live_tab)


def test_a_conversation_that_is_gone_leaves_an_empty_page(live_tab: Tab) -> None:
    conversation = asked(live_tab)
    assert live_tab.page.request.delete(f"{live_tab.url}/v1/conversations/{conversation}").ok

    with live_tab.page.expect_response(f"**/{conversation}?**") as gone:
        live_tab.page.reload()
    live_tab.wait_for_text("#status", "Ready.")

    assert gone.value.status == 404
    assert is_empty(live_tab)
    assert live_tab.page.evaluate("() => sessionStorage.length") == 0
    live_tab.ask(POD)
    live_tab.wait_for("end")


def test_a_conversation_that_cannot_be_had_for_now_is_shown_the_next_time(live_tab: Tab) -> None:
    conversation = asked(live_tab)
    detail = {"response": "What is stored cannot be reached for now; try again.", "cause": ""}
    body = json.dumps({"detail": detail, "code": "storage_unavailable"})

    def refuse(route: Route) -> None:
        route.fulfill(status=503, body=body)

    live_tab.page.route(f"**/{conversation}?**", refuse, times=1)
    live_tab.page.reload()
    live_tab.wait_for_text("#status", "cannot be reached for now")
    before = is_empty(live_tab)
    live_tab.page.reload()

    live_tab.wait_for_text("#answer", "Hello.")
    assert before


class TestWhereUsersSignIn:
    """Each finds their own conversation, and nobody that of another."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return keys()

    def test_it_is_shown_to_whose_it_is(self, live_tab: Tab) -> None:
        live_tab.sign_in(ALICE)
        asked(live_tab)

        live_tab.page.reload()

        live_tab.wait_for_text("#answer", "Hello.")
        assert live_tab.text("#account-name") == ALICE

    @pytest.mark.parametrize("then", [ALICE, BOB])
    def test_it_is_not_shown_after_signing_out(self, live_tab: Tab, then: str) -> None:
        live_tab.sign_in(ALICE)
        asked(live_tab)
        sign_out(live_tab)
        kept = live_tab.page.evaluate("() => sessionStorage.length")

        live_tab.sign_in(then)
        live_tab.page.reload()
        live_tab.wait_for_text("#account-name", then)

        assert kept == 0
        assert is_empty(live_tab)

    def test_it_is_shown_when_the_same_user_gives_another_credential(self, live_tab: Tab) -> None:
        self._lose_the_credential(live_tab)

        live_tab.sign_in(ALICE)

        live_tab.wait_for_text("#answer", "Hello.")

    def test_it_is_not_shown_when_somebody_does_who_may_read_it_too(self, live_tab: Tab) -> None:
        self._lose_the_credential(live_tab)

        live_tab.sign_in(ADMIN)
        live_tab.page.wait_for_selector("#upstream:not([hidden])")

        assert is_empty(live_tab)
        kept = live_tab.page.evaluate("() => Object.keys(sessionStorage)")
        assert kept == ["turnstile.credential"]

    def _lose_the_credential(self, tab: Tab) -> None:
        tab.sign_in(ALICE)
        asked(tab)
        tab.page.evaluate("() => sessionStorage.setItem('turnstile.credential', 'tsk_ended')")
        tab.page.reload()
        tab.asks_who()


def test_a_conversation_that_was_picked_meanwhile_is_the_one_that_is_shown(live_tab: Tab) -> None:
    """The service cannot say at first who this is, and opens what was picked slowly."""
    away = {"detail": {"response": "Not now.", "cause": ""}, "code": "authentication_unavailable"}
    converse(live_tab, POD, "What is a node?")
    live_tab.page.route(
        "**/v1/authorized",
        lambda route: route.fulfill(
            status=503, headers={"Retry-After": "1"}, body=json.dumps(away)
        ),
        times=1,
    )
    live_tab.page.reload()
    live_tab.page.wait_for_selector(LIST, state="attached")
    if not live_tab.shows(LIST):
        live_tab.page.click(TOGGLE)
    held = Held(live_tab.page, "**/v1/conversations/*")
    with live_tab.page.expect_response("**/v1/authorized"):
        live_tab.page.locator(f"{LIST} .open", has_text=POD).click()
    live_tab.page.wait_for_timeout(300)
    held.let_go()

    assert live_tab.page.locator(".question").all_text_contents() == [POD]
