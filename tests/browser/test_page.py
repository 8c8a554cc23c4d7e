"""The page as a person uses it: ask, watch, cut, stop."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.browser.conftest import PLAIN_HOST, Tab, answer_of, opened
from tests.support.server import served

pytestmark = pytest.mark.browser

POD = "What is a pod in Kubernetes?"
DRAIN = "How do I drain a node for maintenance without downtime?"


def body_of(*events: object) -> str:
    """Return a native stream of these events."""
    frames = [f"id: {n}\ndata: {json.dumps(each)}\n\n" for n, each in enumerate(events, 1)]
    return "".join(frames)


def answer_with(page: Page, body: str) -> None:
    """Let the service answer the next question with this."""

    def fulfil(route: Route) -> None:
        route.fulfill(status=200, content_type="text/event-stream", body=body)

    page.route("**/v1/streaming_query**", fulfil)


def test_an_answer_arrives_whole_and_is_proved(tab: Tab) -> None:
    tab.ask(POD)

    tab.wait_for("end")

    assert tab.text("#answer") == answer_of("plain-answer")
    assert "no gap" in tab.text("#proof")
    assert "digest verified" in tab.text("#proof")
    assert tab.turn("reconnections") == "0"
    assert tab.complaints == []


def test_an_answer_is_proved_on_a_page_without_a_secure_context_too(
    chromium: Browser, viewport: dict[str, int]
) -> None:
    """Browsers keep half of their cryptography from pages on plain HTTP."""
    with (
        served("--speed", "5", authentication_allow_remote="true") as process,
        opened(chromium, process.url.replace("127.0.0.1", PLAIN_HOST), viewport) as tab,
    ):
        tab.ask(POD)
        tab.wait_for("end")

        assert tab.page.evaluate("() => [isSecureContext, crypto.subtle]") == [False, None]
        assert "digest verified" in tab.text("#proof")
        assert tab.complaints == []


def test_a_page_that_nobody_may_use_by_this_name_says_so(
    chromium: Browser, service_at: Callable[[str], str]
) -> None:
    page = chromium.new_page()

    page.goto(service_at("5").replace("127.0.0.1", PLAIN_HOST))

    page.locator("#status", has_text="has to be called by its address").wait_for()
    page.close()


def test_the_diagram_follows_the_machine_to_its_final_state(tab: Tab) -> None:
    seen = tab.page.get_attribute("#diagram", "data-state")

    tab.ask(POD)
    tab.page.wait_for_selector("#diagram[data-state=step_in_progress]")
    tab.wait_for("end")

    assert seen == "idle"
    assert tab.page.get_attribute("#diagram", "data-state") == "turn_complete"
    assert "lit" in (tab.page.get_attribute("#state-turn_complete", "class") or "")
    assert "visited" in (tab.page.get_attribute("#state-step_in_progress", "class") or "")


@pytest.mark.parametrize("speed", ["1"])
def test_a_cut_connection_is_resumed_without_a_lost_or_doubled_character(tab: Tab) -> None:
    tab.ask(DRAIN)
    tab.page.wait_for_selector("#answer:not(:empty)")

    tab.page.click("#cut")
    tab.wait_for("end")

    assert tab.text("#answer") == answer_of("knowledge-search")
    assert tab.turn("reconnections") == "1"
    assert "digest verified" in tab.text("#proof")
    assert tab.complaints == []


@pytest.mark.parametrize("speed", ["1"])
def test_stop_keeps_what_was_said_and_says_that_it_was_stopped(tab: Tab) -> None:
    tab.ask(POD)
    tab.page.wait_for_selector("#answer:not(:empty)")

    tab.page.click("#stop")
    tab.wait_for("interrupted")

    said = tab.text("#answer")
    assert said
    assert answer_of("plain-answer").startswith(said)
    assert tab.page.get_attribute("#diagram", "data-state") == "interrupted"
    assert "digest verified" in tab.text("#proof")


def test_a_recorded_question_can_be_picked_with_the_keyboard(tab: Tab) -> None:
    tab.page.locator(".session-pick", has_text=POD).first.focus()

    tab.page.keyboard.press("Enter")
    tab.wait_for("running")
    tab.wait_for("end")

    assert tab.text("#answer") == answer_of("plain-answer")


def test_the_page_says_that_answers_are_recordings(tab: Tab) -> None:
    assert tab.page.is_visible("#upstream")
    assert "recordings" in tab.text("#upstream")


@pytest.mark.parametrize("speed", ["1"])
def test_a_reload_still_says_which_recording_was_picked(tab: Tab) -> None:
    tab.ask("Will it rain in Paris?")
    tab.wait_for_text(".recording", "No recording has this question")

    tab.page.reload()

    tab.wait_for_text(".recording", "was picked")
    assert tab.text(".question") == "Will it rain in Paris?"


def test_tools_and_documents_are_cards_and_links(tab: Tab) -> None:
    tab.ask(DRAIN)

    tab.wait_for("end")

    assert "knowledge_search" in tab.text(".tool-card")
    link = tab.page.locator("a.document-link").first
    assert (link.get_attribute("href") or "").startswith("https://docs.example.org/")
    assert "noopener" in (link.get_attribute("rel") or "")


def test_a_failed_tool_is_shown_as_failed(tab: Tab) -> None:
    tab.ask("Why is node worker-03 slow? Check its conditions and its current metrics.")

    tab.wait_for("end")

    cards = tab.page.locator(".tool-card")
    assert cards.count() == 2
    assert "failed" in (cards.nth(1).text_content() or "")


def test_a_shield_violation_replaces_the_answer_by_the_refusal(tab: Tab) -> None:
    tab.ask("Who is on call for the payments cluster this week, and how do I reach them?")

    tab.wait_for("end")

    tab.wait_for_text(".shield-card", "violation")
    assert tab.text("#answer") == "I can't answer that. Can I help with something else?"


def test_a_refused_request_is_an_error_card(tab: Tab) -> None:
    tab.ask("Which deployments have used the most memory today?")

    tab.wait_for("error")

    assert "upstream_not_found" in tab.text(".error-card")


def test_a_lost_upstream_keeps_the_partial_answer_and_shows_the_error(tab: Tab) -> None:
    tab.ask("Should I set CPU limits on my containers, or only requests?")

    tab.wait_for("error")

    assert tab.text("#answer")
    assert "upstream_reset" in tab.text(".error-card")
    assert "digest verified" in tab.text("#proof")


def test_what_the_upstream_waits_for_is_shown(tab: Tab) -> None:
    tab.ask("Restart the web deployment in the staging namespace, please.")

    tab.wait_for("awaiting_input")

    tab.wait_for_text("main", "restart_deployment")
    tab.wait_for_text(".notice-card", "The turn then goes on as it was recorded.")


def test_a_recorded_turn_goes_on_with_an_answer(tab: Tab) -> None:
    tab.ask("Restart the web deployment in the staging namespace, please.")
    tab.wait_for("awaiting_input")

    tab.page.fill(".notice-card textarea", "restarted")
    tab.page.click(".notice-card button[type=submit]")
    tab.wait_for("end")

    assert tab.text("#answer") == answer_of("client-tool-answered")


def test_every_character_of_many_scripts_arrives(tab: Tab) -> None:
    tab.ask("How do I wish the whole on-call team a good morning in their own languages?")

    tab.wait_for("end")

    assert tab.text("#answer") == answer_of("many-scripts-and-emoji")


def test_raw_frames_are_in_the_drawer(tab: Tab) -> None:
    tab.ask(POD)
    tab.wait_for("end")

    tab.page.press("#frames-toggle", "Enter")

    tab.wait_for_text("#frames", '"event":"start"')
    tab.wait_for_text("#frames", '"event":"end"')


def test_nothing_that_a_model_says_becomes_html_or_a_script_link(tab: Tab) -> None:
    attack = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>'
    call = {"tool_name": attack, "arguments": {"a": attack}}
    document = {"doc_url": "javascript:window.broken=1", "doc_title": attack}
    ids = {"conversation_id": "c", "request_id": "r"}
    end = {"referenced_documents": [document], "rag_chunks": [], "count": 4, "digest": "0"}
    body = body_of(
        {"event": "start", "data": {"id": 1, **ids}},
        {"event": "token", "data": {"id": 2, "token": attack}},
        {"event": "tool_call", "data": {"id": 3, "call_id": "1", "token": call}},
        {"event": "end", "data": {"id": 4, **end}, "available_quotas": {}},
    )
    answer_with(tab.page, body)

    tab.ask("attack")
    tab.wait_for("end")

    assert tab.text("#answer") == attack
    assert tab.page.locator("main img, main script").count() == 0
    assert tab.page.locator("a[href^='javascript']").count() == 0
    assert tab.page.evaluate("() => window.broken") is None
    assert "digest verified" not in tab.text("#proof")


def test_a_second_question_goes_on_with_the_conversation(tab: Tab) -> None:
    tab.ask(POD)
    tab.wait_for("end")

    with tab.page.expect_request("**/v1/streaming_query?**") as asked:
        tab.ask(DRAIN)

    body = asked.value.post_data_json
    assert body["conversation_id"]
    tab.wait_for("end")


@pytest.mark.parametrize("viewport", [{"width": 360, "height": 740}])
def test_a_phone_shows_everything_without_scrolling_sideways(tab: Tab) -> None:
    tab.ask(DRAIN)

    tab.wait_for("end")

    assert tab.page.evaluate("() => document.documentElement.scrollWidth") <= 360
    assert tab.page.is_visible("#query")
    assert tab.page.is_visible("#send")
