"""What can be done while a conversation is being opened."""

import json

import pytest

from tests.browser.conftest import Held, Tab
from tests.browser.test_conversations_page import LIST, TOGGLE, WIDE, converse
from tests.support.upstreams import Script, ScriptedUpstream, answer

pytestmark = pytest.mark.browser

POD, NODE, THEN = "What is a pod?", "What is a node?", "And then?"
READING = "**/v1/conversations/*"
REFUSAL = json.dumps({"detail": {"response": "Not now.", "cause": ""}, "code": "stopping"})


@pytest.fixture
def viewport() -> dict[str, int]:
    return WIDE


@pytest.fixture
def scripts() -> tuple[Script, ...]:
    return (Script(answer("Hello.")),)


def opening(tab: Tab, title: str) -> Held:
    """Pick a conversation; what it holds is not told yet."""
    tab.page.click(TOGGLE)
    held = Held(tab.page, READING)
    tab.page.locator(f"{LIST} .open", has_text=title).click()
    tab.wait_for_text("#status", "Opening")
    return held


def conversations(upstream: ScriptedUpstream) -> list[str]:
    """Return the conversation of each question that was asked."""
    return [plan.conversation.conversation_id for plan in upstream.plans]


def test_a_question_waits_for_the_conversation_that_was_picked(
    live_tab: Tab, upstream: ScriptedUpstream
) -> None:
    converse(live_tab, POD, NODE)
    picked = opening(live_tab, POD)

    live_tab.ask(THEN)
    live_tab.wait_for_text("#status", "still being opened")
    before = live_tab.page.input_value("#query"), live_tab.page.is_enabled("#send")
    picked.let_go()
    live_tab.wait_for_text(".question", POD)
    live_tab.page.keyboard.press("Enter")
    live_tab.wait_for("end")

    pod, _, then = conversations(upstream)
    assert before == (THEN, False)
    assert then == pod
    assert live_tab.page.locator(".question").all_text_contents() == [POD, THEN]


def test_whoever_begins_anew_does_not_wait(live_tab: Tab, upstream: ScriptedUpstream) -> None:
    converse(live_tab, POD, NODE)
    picked = opening(live_tab, POD)

    live_tab.page.click("#new-conversation")
    live_tab.ask(THEN)
    live_tab.wait_for("end")
    picked.let_go()

    assert live_tab.page.locator(".question").all_text_contents() == [THEN]
    assert len(set(conversations(upstream))) == 3


def test_a_question_is_for_what_is_shown_when_nothing_can_be_opened(
    live_tab: Tab, upstream: ScriptedUpstream
) -> None:
    converse(live_tab, POD, NODE)
    live_tab.page.route(READING, lambda route: route.fulfill(status=503, body=REFUSAL))
    live_tab.page.click(TOGGLE)
    live_tab.page.locator(f"{LIST} .open", has_text=POD).click()
    live_tab.wait_for_text("#status", "The conversation cannot be opened. Not now.")

    live_tab.ask(THEN)
    live_tab.wait_for("end")

    _, node, then = conversations(upstream)
    assert then == node
    assert live_tab.page.locator(".question").all_text_contents() == [NODE, THEN]
