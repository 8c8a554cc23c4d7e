"""Turns that are opened again: whole, partial, still running, still waiting; what was thought."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal
from playwright.sync_api import expect

from service.domain import ToolAnswer
from service.errors import UpstreamReset
from tests.browser.conftest import Tab, answer_of
from tests.browser.test_answers import RESTART, SUBMIT, returned, waiting
from tests.browser.test_conversations_page import TOGGLE, ask_elsewhere
from tests.support.upstreams import (
    NEVER,
    Script,
    ScriptedUpstream,
    answer,
    closing,
    opening_chunk,
    says,
)

pytestmark = pytest.mark.browser

POD = "What is a pod?"
DRAIN = "How do I drain a node for maintenance without downtime?"
ATTACK = '<img src=x onerror="window.broken=1">'
HELLO = Script(answer("Hello."))
WITHOUT_END = Script((opening_chunk(), says("It is "), NEVER))
BREAKS = Script((opening_chunk(), says("It is "), UpstreamReset("The connection was lost.")))
FEEDBACK = "**/v1/feedback"


def reopen(tab: Tab) -> None:
    """Visit the page anew, and open the newest conversation."""
    tab.visit_anew()
    tab.page.wait_for_selector(f"{TOGGLE}:not([hidden])")
    if not tab.shows("#conversations"):
        tab.page.click(TOGGLE)
    tab.page.click("#conversations-list > li .open")
    tab.page.wait_for_selector(".turn")


@pytest.mark.parametrize("speed", ["20"])
def test_tools_documents_and_numbers_are_as_they_were(tab: Tab) -> None:
    tab.ask(DRAIN)
    tab.wait_for("end")
    shown = {each: tab.page.locator(each).all_text_contents() for each in (".documents", "pre")}

    reopen(tab)

    assert tab.text("#answer") == answer_of("knowledge-search")
    assert tab.page.locator(".tool-card[data-status=ok]").count() == 1
    for each, texts in shown.items():
        assert tab.page.locator(each).all_text_contents() == texts
    assert tab.page.locator(".facts dd").first.text_content() == "stop"
    assert tab.turn("turn") == "idle"
    assert tab.complaints == []


@pytest.mark.parametrize("scripts", [(WITHOUT_END,)])
def test_a_turn_that_was_stopped_is_shown_as_far_as_it_came(live_tab: Tab) -> None:
    live_tab.ask(POD)
    live_tab.wait_for_text("#answer", "It is")
    live_tab.page.click("#stop")
    live_tab.wait_for("interrupted")

    reopen(live_tab)

    assert live_tab.text("#answer") == "It is "
    assert "stopped before its end" in live_tab.text(".notice-card")
    assert live_tab.text(".truncated") == "Partial answer, stopped here"


@pytest.mark.parametrize("scripts", [(BREAKS,)])
def test_a_turn_that_failed_is_shown_with_what_it_had_said_and_why(live_tab: Tab) -> None:
    live_tab.ask(POD)
    live_tab.wait_for("error")

    reopen(live_tab)

    assert live_tab.text("#answer") == "It is "
    assert "The connection to the upstream was lost." in live_tab.text(".error-card")
    assert "upstream_reset" in live_tab.text(".error-card")


@pytest.mark.parametrize("scripts", [(Script(answer(ATTACK)),)])
def test_nothing_that_was_said_becomes_html(live_tab: Tab) -> None:
    live_tab.ask(ATTACK)
    live_tab.wait_for("end")

    reopen(live_tab)

    assert live_tab.text("#answer") == live_tab.text(".question") == ATTACK
    assert live_tab.page.locator("main img, aside img").count() == 0
    assert live_tab.page.evaluate("() => window.broken") is None


@pytest.mark.parametrize("scripts", [(HELLO,)])
def test_attachments_are_named(live_tab: Tab) -> None:
    given = [
        {"attachment_type": kind, "content_type": "text/plain", "content": "It is."}
        for kind in ("log", "event")
    ]
    ask_elsewhere(live_tab, POD, attachments=given)

    reopen(live_tab)

    live_tab.wait_for_text(".recording", "2 attachments (log, event)")


@pytest.mark.parametrize("scripts", [(HELLO,)])
def test_a_long_conversation_is_shown_from_its_end_and_the_rest_on_request(live_tab: Tab) -> None:
    conversation = ask_elsewhere(live_tab, "Question 0")
    questions = [f"Question {number}" for number in range(1, 53)]
    ask_elsewhere(live_tab, *questions, conversation_id=conversation)
    reopen(live_tab)
    first = live_tab.page.locator(".question").all_text_contents()

    live_tab.page.click(".earlier")
    live_tab.page.wait_for_selector(".earlier", state="detached")

    assert first == questions[2:]
    assert live_tab.page.locator(".question").all_text_contents() == ["Question 0", *questions]
    assert live_tab.page.locator("#answer").count() == 1


class TestATurnThatStillRuns:
    """Who comes back follows it where it is."""

    @pytest.fixture
    def rest(self) -> anyio.Event:
        """What the upstream waits for before it says the rest."""
        return anyio.Event()

    @pytest.fixture
    def scripts(self, rest: anyio.Event) -> tuple[Script, ...]:
        said = opening_chunk(), says("It is "), rest, says("whole.")
        return Script((*said, *closing("It is whole."))), HELLO

    def test_is_followed_to_its_end(
        self, live_tab: Tab, elsewhere: BlockingPortal, rest: anyio.Event
    ) -> None:
        live_tab.ask(POD)
        live_tab.wait_for_text("#answer", "It is")

        reopen(live_tab)
        live_tab.wait_for("running")
        live_tab.wait_for_text("#answer", "It is")
        elsewhere.call(rest.set)
        live_tab.wait_for("end")

        assert live_tab.text("#answer") == "It is whole."
        assert live_tab.page.locator(".question").all_text_contents() == [POD]
        assert "digest verified" in live_tab.text("#proof")

    def test_goes_on_when_its_reader_opens_another_conversation(
        self, live_tab: Tab, elsewhere: BlockingPortal, rest: anyio.Event
    ) -> None:
        live_tab.ask(POD)
        live_tab.wait_for_text("#answer", "It is")
        ask_elsewhere(live_tab, "Another one?")
        reopen(live_tab)
        live_tab.wait_for_text(".question", "Another one?")
        elsewhere.call(rest.set)

        live_tab.page.click(TOGGLE)
        live_tab.page.locator("#conversations-list .open", has_text=POD).click()

        live_tab.wait_for_text("#answer", "It is whole.")


class TestATurnThatWaits:
    """Its calls can be answered by who comes back."""

    @pytest.fixture
    def scripts(self) -> tuple[Script, ...]:
        return waiting(RESTART), returned("restarted web")

    def test_is_answered_and_goes_on(self, live_tab: Tab, upstream: ScriptedUpstream) -> None:
        live_tab.ask("Restart web, please.")
        live_tab.wait_for("awaiting_input")

        reopen(live_tab)
        live_tab.wait_for("awaiting_input")
        live_tab.page.get_by_label("Result").fill("restarted web")
        live_tab.page.click(SUBMIT)
        live_tab.wait_for("end")

        assert upstream.resumed[0][1] == (ToolAnswer("c1", "restarted web"),)
        assert live_tab.text("#answer") == "It runs again."

    def test_that_was_answered_is_one_turn_of_two_streams(self, live_tab: Tab) -> None:
        live_tab.ask("Restart web, please.")
        live_tab.wait_for("awaiting_input")
        live_tab.page.get_by_label("Result").fill("restarted web")
        live_tab.page.click(SUBMIT)
        live_tab.wait_for("end")

        reopen(live_tab)

        assert live_tab.page.locator(".turn").count() == 1
        assert live_tab.page.locator(".turn .divider").count() == 1
        answers = live_tab.page.locator(".answer").all_text_contents()
        assert answers == ["One moment.", "It runs again."]
        assert live_tab.page.locator(".notice-card").count() == 0

    def test_that_was_answered_is_not_parted_where_a_page_ends(self, live_tab: Tab) -> None:
        with live_tab.page.expect_response("**/v1/streaming_query**") as asked:
            live_tab.ask("Restart web, please.")
        live_tab.wait_for("awaiting_input")
        live_tab.page.get_by_label("Result").fill("restarted web")
        live_tab.page.click(SUBMIT)
        live_tab.wait_for("end")
        conversation = asked.value.headers["x-conversation-id"]
        ask_elsewhere(live_tab, *["And then?"] * 49, conversation_id=conversation)

        reopen(live_tab)

        assert live_tab.page.locator(".turn").count() == 50
        assert live_tab.page.locator(".turn .divider").count() == 1
        assert live_tab.page.locator(".remark, .earlier").count() == 0

    @pytest.mark.parametrize("settings", [{"log_ttl_s": 0.1}])
    def test_cannot_be_answered_where_nobody_can_follow_it_any_more(self, live_tab: Tab) -> None:
        live_tab.ask("Restart web, please.")
        live_tab.wait_for("awaiting_input")
        live_tab.page.request.get(f"{live_tab.url}/livez")

        reopen(live_tab)

        live_tab.wait_for_text(".remark", "nobody can give them any more")
        assert live_tab.text("#answer") == "One moment."
        assert live_tab.turn("turn") == "idle"


class TestFeedback:
    """What a reader thinks of a stored turn."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        return {"database": {"url": f"sqlite:///{tmp_path / 'turnstile.db'}"}}

    @pytest.fixture
    def scripts(self) -> tuple[Script, ...]:
        return (HELLO,)

    def test_is_a_thumb_and_words(self, live_tab: Tab) -> None:
        conversation = ask_elsewhere(live_tab, POD)
        reopen(live_tab)

        with live_tab.page.expect_response(FEEDBACK) as thumb:
            live_tab.page.press(".thumb[data-sentiment='-1']", "Enter")
        live_tab.page.fill(".feedback textarea", "Too short.")
        with live_tab.page.expect_response(FEEDBACK) as words:
            live_tab.page.press(".feedback button[type=submit]", "Enter")
        live_tab.page.wait_for_selector(".feedback form", state="hidden")

        given: list[Any] = [each.value.request.post_data_json for each in (thumb, words)]
        assert [each.value.status for each in (thumb, words)] == [200, 200]
        assert [each["conversation_id"] for each in given] == [conversation] * 2
        assert [(each["sentiment"], each.get("text")) for each in given] == [
            (-1, None),
            (-1, "Too short."),
        ]
        assert live_tab.text(".thumbs .hint") == "Thank you."

    def test_is_asked_for_after_a_turn_that_was_stored(self, live_tab: Tab) -> None:
        live_tab.ask(POD)
        live_tab.wait_for("end")

        live_tab.page.get_by_label("Good answer").click()

        live_tab.wait_for_text(".thumbs .hint", "Thank you.")

    def test_can_be_changed(self, live_tab: Tab) -> None:
        ask_elsewhere(live_tab, POD)
        reopen(live_tab)
        good, bad = (live_tab.page.get_by_label(each) for each in ("Good answer", "Bad answer"))

        good.click()
        expect(good).to_have_attribute("aria-pressed", "true")
        bad.click()

        expect(bad).to_have_attribute("aria-pressed", "true")
        expect(good).to_have_attribute("aria-pressed", "false")

    def test_that_cannot_be_kept_is_not_taken_for_kept(self, live_tab: Tab) -> None:
        conversation = ask_elsewhere(live_tab, POD)
        reopen(live_tab)
        assert live_tab.page.request.delete(f"{live_tab.url}/v1/conversations/{conversation}").ok

        live_tab.page.get_by_label("Good answer").click()

        live_tab.wait_for_text(".thumbs .hint", "Not kept.")
        assert live_tab.page.locator("[aria-pressed=true]").count() == 0
