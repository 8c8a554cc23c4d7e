"""Streams that go on with a turn that an earlier one began, in both dialects."""

import pytest

from statemachine import (
    Call,
    CallStatus,
    State,
    Token,
    ToolCallCompleted,
    TurnResumed,
    TurnStarted,
)
from statemachine.events import ShieldChecked, StepStarted, Touchpoint, TurnAwaitingInput
from statemachine.upstream.agents import AgentsDecoder
from statemachine.upstream.responses import ResponsesDecoder
from tests.support import agents_chunks as agents
from tests.support import responses_chunks as responses
from tests.support.laws import Run, check
from tests.support.moderation import Moderated, after_verdict, begun, names_of, text_of

ADD, SHOUT = Call("c1", "add", '{"a":1}'), Call("c2", "shout", "{}")
SUM = ToolCallCompleted("c1", "add", CallStatus.OK, "3")
ECHO = ToolCallCompleted("c2", "shout", CallStatus.FAILED, "No voice.")
ANSWERED = TurnResumed("turn-1", (ADD,), (SUM,))
ANSWER = [
    *(responses.created(), responses.item_added("m1"), responses.text("m1", "It is 3.")),
    responses.completed(responses.message(responses.said("It is 3."))),
]
FUNCTION = {"type": "function_call", "id": "f2", "call_id": "c2", "name": "shout"}


def resumed(opening: TurnResumed, moderation=None) -> Moderated:
    return begun(ResponsesDecoder(resumed=True), moderation, opening=opening)


def test_answers_of_the_client_are_told_before_anything_else() -> None:
    turn = resumed(ANSWERED)

    for chunk in ANSWER:
        turn.feed(chunk)

    check(turn.finish())
    assert names_of(turn.said) == ["Start", "ToolResult", "Token", "TurnComplete", "End"]
    assert turn.said[0].output.turn_id == "turn-1"
    assert (turn.said[1].output.call_id, turn.said[1].output.response) == ("c1", "3")


def test_every_answer_is_told_and_then_the_model_goes_on() -> None:
    turn = resumed(TurnResumed("turn-1", (ADD, SHOUT), (SUM, ECHO)))

    assert turn.stream.state is State.TURN_STARTED
    assert [each.output.status for each in turn.said[1:]] == ["ok", "failed"]
    assert text_of(turn.feed(ANSWER[1]) + turn.feed(ANSWER[2])) == "It is 3."


def test_answers_are_no_text_of_the_model() -> None:
    turn = resumed(ANSWERED, after_verdict(1))

    for chunk in ANSWER:
        turn.feed(chunk)

    check(turn.finish())
    assert turn.asked == ["It is 3."]


def test_a_call_without_its_answer_stays_open_until_the_end() -> None:
    turn = resumed(TurnResumed("turn-1", (ADD, SHOUT), (SUM,)))

    (result, _) = turn.take(turn.stream.finish())

    assert (result.output.call_id, result.output.status) == ("c2", "failed")
    check(Run(turn.stream, turn.said))


def test_an_answer_to_a_call_that_nobody_made_is_refused() -> None:
    turn = resumed(TurnResumed("turn-1", (SHOUT,), (SUM,)))

    assert names_of(turn.said) == ["Start", "ToolResult", "Failure"]


def test_a_resumed_response_keeps_the_id_of_its_turn() -> None:
    """The upstream makes a new response for each stream of a turn."""
    decoder = ResponsesDecoder(resumed=True)

    assert decoder.decode(responses.created()) == ()
    assert ResponsesDecoder().decode(responses.created()) == (TurnStarted("resp_1"),)


@pytest.mark.parametrize(("again", "turn_id"), [(False, "resp_1"), (True, None)])
def test_a_resumed_response_that_asks_again_names_no_other_turn(again, turn_id) -> None:
    decoder = ResponsesDecoder(resumed=again)

    (awaiting,) = decoder.decode(responses.completed(FUNCTION))

    assert awaiting == TurnAwaitingInput(turn_id, (SHOUT,))


def test_a_resumed_turn_can_wait_again_under_its_own_id() -> None:
    turn = resumed(ANSWERED)

    turn.feed(responses.created())
    turn.feed(responses.completed(FUNCTION))

    check(turn.finish())
    assert turn.said[-1].output.turn_id == "turn-1"


def test_a_malformed_opening_is_refused_in_a_resumed_response_too() -> None:
    turn = resumed(ANSWERED)

    turn.feed({"type": "response.created", "response": 7})

    assert turn.stream.failure.code == "malformed_chunk"


@pytest.mark.parametrize(
    ("again", "touchpoint"), [(False, Touchpoint.USER_INPUT), (True, Touchpoint.ASSISTANT_OUTPUT)]
)
def test_a_shield_of_a_resumed_agent_judges_the_answer(again, touchpoint) -> None:
    """Servers that name no touchpoint ask about the question before the first inference."""
    decoder = AgentsDecoder(resumed=again)
    (_,) = decoder.decode(agents.step_start("s1", "shield_call"))

    assert decoder.decode(agents.verdict("s1")) == (ShieldChecked(touchpoint, None, "s1"),)


def test_a_resumed_agent_reports_its_results_itself() -> None:
    turn = begun(AgentsDecoder(resumed=True), None, opening=TurnResumed("t1", (ADD,)))

    turn.feed(agents.tool_complete("t9", agents.response("c1", "3", "add")))
    turn.feed(agents.step_start("i1"))
    turn.feed(agents.text("i1", "It is 3."))

    assert names_of(turn.said) == ["Start", "ToolResult", "Token"]
    assert turn.said[-1].output == Token("It is 3.")
    assert AgentsDecoder(resumed=True).decode(agents.step_start("i1")) == (
        StepStarted("i1", "inference"),
    )
