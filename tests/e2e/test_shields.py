"""Shields: what they refuse reaches neither the model nor the client."""

import pytest

from tests.e2e.lab.gateway import only
from tests.e2e.lab.reply import FIRST_MODEL
from tests.e2e.lab.tokens import filler

REFUSED = "I can't answer that. Can I help with something else?"
SECRET = b"555-01"
BAD = "Anything. [[unsafe=S2]]"
BAD_SHORT = "Anything. [[tokens=40 unsafe_at=20]]"
BAD_LONG = "Anything. [[tokens=900 unsafe_at=150]]"
AUDIT = "Run the full audit of the cluster. [[unsafe_at=0]]"

with_shields = only("agents-0.3.5", "responses-0.3.5", "0.7.3")
beside_the_stream = only("responses-0.3.5", "0.7.3")
with_guardrails = only("0.7.3", "ogx-1.5.0")


@with_shields
def test_a_refused_question_never_reaches_the_model(gateway):
    told = gateway.ask(BAD)

    assert told.names == ["start", "shield", "turn_complete", "end"]
    verdict = told.one("shield")
    assert (verdict["touchpoint"], verdict["verdict"]) == ("user-input", "violation")
    assert (verdict["message"], verdict["metadata"]) == (REFUSED, {"violation_type": "S2"})
    assert told.last["finish_reason"] == "shield"
    assert gateway.model.requests(FIRST_MODEL) == []


@with_shields
def test_an_attachment_is_judged_with_its_question(gateway):
    attachment = {"attachment_type": "log", "content_type": "text/plain", "content": BAD}

    told = gateway.ask("What does this log say?", attachments=[attachment])

    assert told.one("shield")["verdict"] == "violation"
    assert gateway.model.requests(FIRST_MODEL) == []


@with_shields
def test_what_passes_is_told_as_passed(gateway):
    told = gateway.ask("Anything. [[tokens=20]]")

    verdicts = [(each["touchpoint"], each["verdict"]) for each in told.all("shield")]
    assert verdicts == [("user-input", "passed"), ("assistant-output", "passed")]


@with_shields
def test_a_request_without_shields_asks_none(gateway):
    told = gateway.ask(BAD, shield_ids=[])

    assert told.all("shield") == []
    assert {each["model"] for each in gateway.model.requests()} == {FIRST_MODEL}


@with_shields
def test_a_request_that_names_its_shields_gets_those(gateway):
    told = gateway.ask("Anything. [[tokens=20]]", shield_ids=["output_guard"])

    assert told.one("shield")["touchpoint"] == "assistant-output"
    assert gateway.model.requests("guard") == []


@beside_the_stream
@pytest.mark.parametrize("question", [BAD_SHORT, BAD_LONG, AUDIT])
def test_nothing_of_a_refused_answer_reaches_the_client(gateway, question):
    told = gateway.ask(question)

    assert SECRET not in told.body
    assert told.one("start")["output_release"] == "after_verdict"
    assert told.all("shield")[-1]["verdict"] == "violation"
    assert (told.one("turn_complete")["token"], told.last["finish_reason"]) == (REFUSED, "shield")
    assert told.tools() == []


@beside_the_stream
def test_what_passed_before_a_refusal_was_said_and_no_more_is_generated(gateway):
    told = gateway.ask(f"{BAD_LONG} [[pause_ms=5]]")

    assert "".join(filler(150)).startswith(told.text)
    assert len(told.text) > 200
    assert gateway.model_is_cut()


@beside_the_stream
def test_plain_text_holds_back_as_well(gateway):
    told = gateway.post({"query": BAD_SHORT, "media_type": "text/plain"})

    assert SECRET not in told.body
    assert told.body.decode().endswith(REFUSED)


@beside_the_stream
def test_an_answer_that_fails_is_judged_all_the_same(gateway):
    told = gateway.ask("Anything. [[tokens=40 unsafe_at=5 fail_at=20]]")

    assert SECRET not in told.body
    assert told.last["finish_reason"] == "shield"


@beside_the_stream
def test_an_interrupt_lets_nothing_out_that_was_not_judged(gateway):
    with gateway.asking("Anything. [[tokens=900 pause_ms=20]]") as stream:
        gateway.model.wait_for(lambda seen: seen["tokens_sent"] > 10)
        gateway.interrupt(stream.request_id)
        told = stream.rest().check()

    assert (told.text, told.last["event"]) == ("", "interrupted")


@beside_the_stream
def test_without_holding_back_the_start_says_so(gateway):
    with gateway.with_settings(moderation_hold_back="false") as hasty:
        told = hasty.ask(BAD_SHORT)

    assert told.one("start")["output_release"] == "at_once"
    assert SECRET in told.text.encode()
    assert (told.one("turn_complete")["token"], told.last["finish_reason"]) == (REFUSED, "shield")


@only("agents-0.3.5")
def test_agent_turns_are_judged_by_their_server_after_the_text(gateway):
    told = gateway.ask(BAD_SHORT)

    assert told.one("start")["output_release"] == "at_once"
    assert SECRET in told.text.encode()
    assert told.all("shield")[-1]["verdict"] == "violation"
    assert (told.one("turn_complete")["token"], told.last["finish_reason"]) == (REFUSED, "shield")


@with_guardrails
def test_guardrails_of_the_server_refuse_a_question(gateway):
    with gateway.with_settings(moderation_by="upstream") as guarded:
        told = guarded.ask(BAD)

    assert told.last["finish_reason"] == "shield"
    assert gateway.model.requests(FIRST_MODEL) == []


@with_guardrails
def test_guardrails_of_the_server_refuse_an_answer(gateway):
    with gateway.with_settings(moderation_by="upstream") as guarded:
        told = guarded.ask(BAD_SHORT)

    assert told.last["finish_reason"] == "shield"
    assert SECRET not in told.body


@with_guardrails
def test_a_conversation_with_tools_goes_on_under_guardrails(gateway):
    """These servers' guardrails cannot read the result of a tool in a kept history."""
    with gateway.with_settings(moderation_by="upstream") as guarded:
        first = guarded.ask("Who am I for your tools?")
        told = guarded.ask("What did I ask before?", conversation_id=first.conversation_id)

    assert first.tools("tool_result") == ["whoami"]
    assert told.last["event"] == "end"
    assert "Who am I for your tools?" in told.text
