"""The page before a live upstream: what answers, conversations, shields, errors."""

import pytest

from service.errors import UpstreamError
from statemachine import OutputModeration, Release, ShieldChecked, Touchpoint
from tests.browser.conftest import Tab
from tests.support import agents_chunks as agents
from tests.support.upstreams import Script, ScriptedUpstream, answer

pytestmark = pytest.mark.browser

POD = "What is a pod?"
REFUSAL = "I can't answer that."
HELLO = Script(answer("Hello."))

PASSED = (
    agents.step_start("u", "shield_call", touchpoint="user-input"),
    agents.verdict("u"),
)
OBJECTED = (
    agents.step_start("o", "shield_call", touchpoint="assistant-output"),
    agents.verdict("o", agents.violation(REFUSAL)),
    agents.turn_complete(REFUSAL),
)
SHIELDED = Script((*PASSED, *answer("Here is a secret.")[:-1], *OBJECTED))
AT_ONCE = Script(
    answer("Hel", "lo."),
    moderation=OutputModeration(1, Release.AT_ONCE),
    judgements=(ShieldChecked(Touchpoint.ASSISTANT_OUTPUT, None),) * 9,
)
BUSY = Script(at_open=(UpstreamError("upstream_unavailable", "The upstream is busy.", 503),))


def forget_conversations(tab: Tab) -> None:
    """Delete what is kept, from elsewhere."""
    address = f"{tab.url}/v1/conversations"
    for each in tab.page.request.get(address).json()["conversations"]:
        assert tab.page.request.delete(f"{address}/{each['conversation_id']}").ok


@pytest.mark.parametrize("scripts", [(HELLO,)])
def test_the_page_says_what_answers_and_offers_no_recordings(live_tab: Tab) -> None:
    assert live_tab.text("#upstream-kind") == "Live"
    assert live_tab.text("#upstream-notice") == "Answers come from a script"
    assert live_tab.page.is_hidden("#welcome-sessions")

    live_tab.ask(POD)
    live_tab.wait_for("end")

    assert live_tab.page.is_hidden("#more-sessions")


@pytest.mark.parametrize("scripts", [(HELLO,)])
def test_a_conversation_goes_on_until_a_new_one_is_begun(
    live_tab: Tab, upstream: ScriptedUpstream
) -> None:
    for _ in range(2):
        live_tab.ask(POD)
        live_tab.wait_for("end")
    live_tab.page.click("#new-conversation")
    emptied = live_tab.page.locator(".turn").count() == 0
    live_tab.ask(POD)
    live_tab.wait_for("end")

    first, second, third = [plan.conversation.conversation_id for plan in upstream.plans]
    assert emptied
    assert (first == second, third == first) == (True, False)
    assert [turn.question for turn in upstream.histories[1]] == [POD]
    assert upstream.histories[2] == []


@pytest.mark.parametrize("scripts", [(HELLO,)])
def test_an_unknown_conversation_is_begun_anew_by_one_click(
    live_tab: Tab, upstream: ScriptedUpstream
) -> None:
    live_tab.ask("Remember me.")
    live_tab.wait_for("end")
    forget_conversations(live_tab)
    live_tab.ask(POD)
    live_tab.wait_for("error")
    assert "no longer knows this conversation" in live_tab.text(".error-card")
    assert "conversation_unknown" in live_tab.text(".error-card")

    live_tab.page.get_by_role("button", name="Ask in a new conversation").click()
    live_tab.wait_for("end")

    assert live_tab.text("#answer") == "Hello."
    assert live_tab.text("#turns > .divider") == "A new conversation begins here"
    assert live_tab.page.locator(".question").all_text_contents() == ["Remember me.", POD]
    assert upstream.histories[-1] == []


@pytest.mark.parametrize("scripts", [(SHIELDED,)])
def test_verdicts_are_notes_and_a_refusal_is_the_answer(live_tab: Tab) -> None:
    live_tab.ask(POD)

    live_tab.wait_for("end")

    notes = live_tab.page.locator(".shield-card")
    assert notes.count() == 2
    assert "Shield passeduser-input" in (notes.nth(0).text_content() or "")
    assert "Shield violationassistant-output" in (notes.nth(1).text_content() or "")
    assert live_tab.text("#answer") == REFUSAL
    assert live_tab.text(".answer.withdrawn") == "Here is a secret."
    assert live_tab.text("#status") == "Refused by a shield."


@pytest.mark.parametrize("scripts", [(AT_ONCE,)])
def test_text_that_is_shown_before_its_verdict_is_called_so(live_tab: Tab) -> None:
    live_tab.ask(POD)

    live_tab.wait_for("end")

    assert "before a shield has judged it" in live_tab.text(".release-note")
    assert live_tab.page.locator(".shield-card").count() == 1
    assert live_tab.text("#answer") == "Hello."


@pytest.mark.parametrize("scripts", [(BUSY,)])
def test_an_error_is_told_in_words_with_its_code_and_when_to_try_again(live_tab: Tab) -> None:
    live_tab.ask(POD)

    live_tab.wait_for("error")

    card = live_tab.text(".error-card")
    assert "The upstream is busy." in card
    assert "upstream_unavailable" in card
    assert "wait 5 seconds before the next try" in card
    assert live_tab.page.is_enabled("#send")


@pytest.mark.parametrize("viewport", [{"width": 360, "height": 740}])
@pytest.mark.parametrize("scripts", [(SHIELDED,)])
def test_a_phone_shows_what_answers_without_scrolling_sideways(live_tab: Tab) -> None:
    live_tab.ask(POD)

    live_tab.wait_for("end")

    assert live_tab.page.evaluate("() => document.documentElement.scrollWidth") <= 360
    assert live_tab.page.is_visible("#upstream")
    assert live_tab.page.is_visible("#new-conversation")
