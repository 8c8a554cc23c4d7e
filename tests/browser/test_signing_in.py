"""Who uses the page: signing in and out, and what the page offers to whom."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal
from playwright.sync_api import Route

from tests.browser.conftest import Tab, key_of
from tests.support.people import ALICE, BOB, key, keys
from tests.support.upstreams import Script, answer, closing, opening_chunk, says

pytestmark = pytest.mark.browser

POD = "What is a pod?"
HELLO = Script(answer("Hello."))
LIST, TOGGLE = "#conversations-list > li", "#conversations-toggle"
READER = ["info", "authorized", "list_conversations", "get_conversation"]
ASKS = ["info", "authorized", "streaming_query"]
SOON_S = 3.0


@pytest.fixture
def settings() -> dict[str, Any]:
    """Two people, who each have a key."""
    return keys()


def sign_out(tab: Tab) -> None:
    """Leave by the menu, with the keyboard."""
    tab.page.press("#account summary", "Enter")
    tab.page.press("#sign-out", "Enter")
    tab.asks_who()


def test_without_a_credential_the_page_only_asks_for_one(live_tab: Tab) -> None:
    assert live_tab.page.evaluate("() => document.activeElement.id") == "credential"
    assert live_tab.page.get_attribute("#credential", "type") == "password"
    hidden = "#composer", TOGGLE, "#conversations", "#account", "#upstream", "#new-conversation"
    assert [each for each in hidden if live_tab.shows(each)] == []


@pytest.mark.parametrize("settings", [{}])
def test_where_nobody_has_to_sign_in_nothing_speaks_of_it(live_tab: Tab) -> None:
    hidden = "#sign-in", "#account", TOGGLE, "#conversations", "#quotas"
    assert [each for each in hidden if live_tab.shows(each)] == []
    assert live_tab.page.is_visible("#composer")
    assert live_tab.complaints == []


@pytest.mark.parametrize("given", ["tsk_wrong", "with a space", "ключ", "“quoted”"])
def test_a_credential_that_is_not_taken_can_be_given_again(live_tab: Tab, given: str) -> None:
    live_tab.page.fill("#credential", given)

    live_tab.page.press("#credential", "Enter")
    live_tab.page.wait_for_selector("#sign-in-problem:not(:empty)")
    refused = live_tab.page.is_visible("#sign-in")
    live_tab.sign_in(ALICE)

    assert refused
    assert live_tab.text("#account-name") == ALICE


@pytest.mark.parametrize("scripts", [(HELLO,)])
def test_who_has_signed_in_is_named_and_can_ask(live_tab: Tab) -> None:
    live_tab.sign_in(ALICE)

    live_tab.ask(POD)
    live_tab.wait_for("end")

    assert live_tab.text("#account-name") == ALICE
    assert live_tab.text("#answer") == "Hello."
    assert "digest verified" in live_tab.text("#proof")
    assert live_tab.text("#upstream-kind") == "Live"


@pytest.mark.parametrize("scripts", [(HELLO,)])
def test_a_credential_is_kept_in_its_tab_alone(live_tab: Tab) -> None:
    asked: list[str] = []
    live_tab.page.on("request", lambda request: asked.append(request.url))
    live_tab.sign_in(ALICE)
    live_tab.ask(POD)
    live_tab.wait_for("end")

    live_tab.page.reload()
    live_tab.page.wait_for_selector("#account:not([hidden])")
    other = live_tab.page.context.new_page()
    other.goto(live_tab.url)

    other.wait_for_selector("#sign-in:not([hidden])")
    assert not any(key_of(ALICE) in each for each in [*asked, live_tab.page.url])
    kept = live_tab.page.evaluate("() => [localStorage.length, document.cookie]")
    assert kept == [0, ""]


@pytest.mark.parametrize("scripts", [(HELLO,)])
def test_nothing_stays_of_who_has_signed_out(live_tab: Tab) -> None:
    live_tab.sign_in(ALICE)
    live_tab.ask(POD)
    live_tab.wait_for("end")
    live_tab.page.locator(LIST).wait_for(state="attached")
    live_tab.page.fill("#query", "A secret draft")

    sign_out(live_tab)

    assert live_tab.page.evaluate("() => sessionStorage.length") == 0
    assert live_tab.page.locator(".turn, .conversation").count() == 0
    assert live_tab.page.input_value("#query") == live_tab.page.input_value("#credential") == ""
    assert live_tab.page.is_hidden("#account")
    assert live_tab.page.is_hidden(TOGGLE)


@pytest.mark.parametrize("scripts", [(HELLO,)])
def test_people_see_their_own_conversations(live_tab: Tab) -> None:
    live_tab.sign_in(ALICE)
    live_tab.ask("What does Alice ask?")
    live_tab.wait_for("end")
    live_tab.page.locator(LIST).wait_for(state="attached")
    sign_out(live_tab)

    live_tab.sign_in(BOB)
    live_tab.page.click(TOGGLE)

    live_tab.wait_for_text("#conversations-notice", "No conversations yet.")
    assert live_tab.page.locator(LIST).count() == 0


def test_who_cannot_be_recognised_for_now_is_recognised_later(live_tab: Tab) -> None:
    live_tab.sign_in(ALICE)
    detail = {"response": "Credentials cannot be checked for now; try again.", "cause": ""}
    body = json.dumps({"detail": detail, "code": "authentication_unavailable"})

    def refuse(route: Route) -> None:
        route.fulfill(status=503, headers={"Retry-After": "1"}, body=body)

    live_tab.page.route("**/v1/authorized", refuse, times=1)
    live_tab.page.reload()
    live_tab.wait_for_text("#status", "Credentials cannot be checked for now")

    live_tab.wait_for_text("#status", "Ready.")
    assert live_tab.text("#account-name") == ALICE


class TestAnEndingCredential:
    """A key ends while its stream is read; the other one is of the same user."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        ends = datetime.fromtimestamp(time.time() + SOON_S, UTC)
        own = [key("old", user=ALICE, expires_at=ends), key("new", user=ALICE), key(BOB)]
        return keys() | {"api_keys": own}

    @pytest.fixture
    def rest(self) -> anyio.Event:
        """What the upstream waits for before it says the rest."""
        return anyio.Event()

    @pytest.fixture
    def scripts(self, rest: anyio.Event) -> tuple[Script, ...]:
        said = opening_chunk(), says("It is "), rest, says("whole.")
        return Script((*said, *closing("It is whole."))), HELLO

    def test_the_same_user_goes_on_without_a_lost_or_doubled_character(
        self, live_tab: Tab, elsewhere: BlockingPortal, rest: anyio.Event
    ) -> None:
        live_tab.sign_in("old")
        live_tab.ask(POD)
        live_tab.asks_who()
        why, said = live_tab.text("#sign-in-why"), live_tab.text("#answer")

        elsewhere.call(rest.set)
        live_tab.sign_in("new")
        live_tab.wait_for("end")

        assert (said, "nothing is lost" in why) == ("It is ", True)
        assert live_tab.text("#answer") == "It is whole."
        assert live_tab.turn("reconnections") == "1"
        assert "digest verified" in live_tab.text("#proof")

    def test_somebody_else_begins_with_nothing(self, live_tab: Tab) -> None:
        live_tab.sign_in("old")
        live_tab.ask(POD)
        live_tab.asks_who()

        live_tab.sign_in(BOB)

        assert live_tab.turn("turn") == "idle"
        assert live_tab.page.locator(".turn, .conversation").count() == 0
        live_tab.ask(POD)
        live_tab.wait_for("end")
        assert live_tab.text("#answer") == "Hello."


class TestSomebodyWhoMayOnlyRead:
    """Two keys of one user: one for everything, and one for reading."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        named = {"reader": READER, "asks": ASKS, "mute": ["info"]}
        roles = {"default_roles": (), "roles": named}
        own = [key("writes", ("user",), user=ALICE), key("reads", ("reader",), user=ALICE)]
        own += [key("asks", ("asks",), user=ALICE), key("mute", ("mute",))]
        return {"authentication": {"by": "api_keys"}, "authorization": roles, "api_keys": own}

    @pytest.mark.parametrize("scripts", [(HELLO,)])
    def test_gets_no_controls_for_anything_else(self, live_tab: Tab) -> None:
        live_tab.sign_in("writes")
        live_tab.ask(POD)
        live_tab.wait_for("end")
        sign_out(live_tab)

        live_tab.sign_in("reads")
        live_tab.page.click(TOGGLE)
        live_tab.page.click(f"{LIST} .open")
        live_tab.wait_for_text("#answer", "Hello.")

        assert live_tab.page.is_disabled("#query")
        assert live_tab.page.is_disabled("#send")
        hidden = "#new-conversation", "#stop", ".conversation .tool", ".feedback"
        assert [each for each in hidden if live_tab.shows(each)] == []

    def test_is_told_so_where_the_page_cannot_know_it(self, live_tab: Tab) -> None:
        live_tab.sign_in("mute")

        live_tab.ask(POD)
        live_tab.wait_for("error")

        assert "You may not do this." in live_tab.text(".error-card")
        assert "streaming_query" in live_tab.text(".error-card")

    @pytest.mark.parametrize("reloads", [0, 1])
    def test_is_told_when_the_page_may_not_ask_who_it_is(self, live_tab: Tab, reloads: int) -> None:
        live_tab.sign_in("mute")
        for _ in range(reloads):
            live_tab.page.reload()

        live_tab.wait_for_text("#status", "You may not do this. It needs the action authorized.")
        live_tab.page.locator("#conversations-notice button").wait_for(state="attached")
        listed = live_tab.shows(TOGGLE)
        sign_out(live_tab)

        assert not listed
        assert live_tab.page.evaluate("() => sessionStorage.length") == 0
        assert live_tab.page.is_hidden("#account")

    def test_is_followed_by_somebody_who_may_ask(self, live_tab: Tab) -> None:
        live_tab.sign_in("reads")
        sign_out(live_tab)

        live_tab.sign_in("writes")

        live_tab.page.wait_for_selector("#send:enabled")

    def test_is_not_offered_to_stop_another_question(self, live_tab: Tab) -> None:
        detail = {"response": "A turn of this conversation is still running.", "cause": ""}
        body = json.dumps({"detail": detail, "code": "conversation_busy"})
        live_tab.sign_in("asks")
        live_tab.page.route(
            "**/v1/streaming_query?**", lambda it: it.fulfill(status=409, body=body)
        )

        live_tab.ask(POD)
        live_tab.wait_for("error")

        assert "still running" in live_tab.text(".error-card")
        assert live_tab.page.locator(".way-on").count() == 0


@pytest.mark.parametrize("viewport", [{"width": 360, "height": 740}])
def test_a_credential_that_is_no_longer_taken_can_be_given_up(live_tab: Tab) -> None:
    live_tab.page.evaluate("() => sessionStorage.setItem('turnstile.credential', 'tsk_ended')")
    live_tab.page.reload()
    live_tab.wait_for_text("#sign-in-why", "not take your API key or token any more")

    live_tab.page.click("#account summary")
    menu = live_tab.page.locator("#account .menu").bounding_box()
    live_tab.page.click("#sign-out")

    live_tab.wait_for_text("#sign-in-why", "needs to know who you are")
    assert menu is not None
    assert menu["x"] >= 0
    assert live_tab.page.evaluate("() => sessionStorage.length") == 0


@pytest.mark.parametrize("viewport", [{"width": 360, "height": 740}])
def test_a_phone_has_room_for_signing_in_and_for_the_account(live_tab: Tab) -> None:
    width = "() => document.documentElement.scrollWidth"
    before = live_tab.page.evaluate(width)

    live_tab.sign_in(ALICE)
    live_tab.page.click("#account summary")

    assert max(before, live_tab.page.evaluate(width)) <= 360
    assert live_tab.page.is_visible("#sign-out")


def test_a_list_that_cannot_be_shown_can_be_asked_for_again(live_tab: Tab) -> None:
    away = {"detail": {"response": "Not now.", "cause": ""}, "code": "storage_unavailable"}
    live_tab.page.route(
        "**/v1/conversations?*",
        lambda route: route.fulfill(status=503, body=json.dumps(away)),
        times=1,
    )

    live_tab.sign_in(ALICE)
    live_tab.page.wait_for_selector(TOGGLE, state="visible")
    if not live_tab.shows("#conversations"):
        live_tab.page.click(TOGGLE)
    live_tab.page.get_by_role("button", name="Try again").click()
    live_tab.page.wait_for_selector("text=No conversations yet.")
