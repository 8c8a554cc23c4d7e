"""What a successor says for a driver that has died, and what is left of the turn."""

import pytest

from statemachine import (
    CallStatus,
    Emission,
    Failure,
    Inheritance,
    MachineMisuse,
    Start,
    State,
    ToolResult,
    TurnResumed,
    TurnStarted,
    TurnStream,
)
from statemachine.emissions import NO_RESULT
from statemachine.events import (
    Call,
    StepKind,
    StepStarted,
    TextDelta,
    ToolCallCompleted,
    ToolCallStarted,
    TurnCompleted,
    TurnEvent,
)
from statemachine.upstream.agents import AgentsDecoder
from tests.support import agents_chunks as agents
from tests.support.laws import digest_of, new_stream, parsed
from tests.support.moderation import OBJECTION, REFUSAL, SPEECHES, at_once, begun
from tests.support.succession import (
    Emissions,
    check_succession,
    check_trimmed,
    succeed,
    told_states,
)
from tests.support.walks import ScriptedDecoder

ADD, SHOUT = Call("c1", "add", "{}"), Call("c2", "shout", "{}")
INFERENCE = StepStarted("i1", StepKind.INFERENCE)
SAYS = TextDelta("i1", StepKind.INFERENCE, "Hello")
CALLS = (ToolCallStarted(ADD), ToolCallStarted(SHOUT))
SUM = ToolCallCompleted("c1", "add", CallStatus.OK, "3")


def said(*events: TurnEvent) -> tuple[TurnStream, Emissions]:
    """Walk through the table; the stream is there to go on."""
    stream = new_stream(ScriptedDecoder())
    return stream, stream.feed(events)


def names(emissions: tuple[Emission, ...]) -> list[object]:
    return [parsed(each.payload)["event"] for each in emissions]


def last_state(inheritance: Inheritance) -> State:
    failure = inheritance.emissions[-1].output
    assert isinstance(failure, Failure)
    return failure.state


def test_a_turn_that_has_said_nothing_is_opened_and_ended() -> None:
    inheritance = check_succession(())

    start, error = inheritance.emissions
    assert start.output == Start("conv-1", "req-1", None)
    assert [each.path for each in inheritance.emissions] == [
        (State.TURN_STARTED,),
        (State.ERROR,),
    ]
    assert error.seal.digest == digest_of([start.payload])
    assert inheritance.summary.answer == ""


def test_the_end_says_what_has_happened() -> None:
    _, emissions = said(TurnStarted(), INFERENCE, SAYS)

    (error,) = check_succession(emissions).emissions

    assert parsed(error.payload)["data"] == {
        "id": 3,
        "code": "owner_lost",
        "status_code": 503,
        "response": "The process that answered has gone; what it has said until then is kept.",
        "cause": "Another process has ended the turn in its place.",
        "state": "step_in_progress",
        "stored": False,
        "count": 3,
        "digest": digest_of(each.payload for each in emissions),
    }


def test_what_was_said_is_the_answer() -> None:
    _, emissions = said(TurnStarted(), INFERENCE, SAYS, SAYS)

    summary = check_succession(emissions).summary

    assert (summary.answer, summary.told) == ("HelloHello", True)
    assert (summary.outcome, summary.code) == ("error", "owner_lost")


def test_moves_that_nobody_was_told_of_are_not_known() -> None:
    """The step has opened, but nothing was said in it."""
    _, emissions = said(TurnStarted(), INFERENCE)

    assert last_state(check_succession(emissions)) is State.TURN_STARTED


def test_open_calls_are_closed_as_failed_like_in_any_other_failure() -> None:
    stream, emissions = said(TurnStarted(), *CALLS, SUM)

    inheritance = check_succession(emissions)

    result, error = inheritance.emissions
    assert result.output == ToolResult("c2", "shout", CallStatus.FAILED, NO_RESULT)
    failed = stream.fail("owner_lost", "The driver would have said as much.")
    assert [each.path for each in (result, error)] == [each.path for each in failed]
    assert last_state(inheritance) is State.TOOL_EXECUTING


def test_a_call_that_was_made_twice_is_closed_once() -> None:
    _, emissions = said(TurnStarted(), CALLS[0], SUM, CALLS[0])

    assert names(check_succession(emissions).emissions) == ["tool_result", "error"]


def test_an_objection_that_has_closed_only_some_of_the_calls_leaves_none_open() -> None:
    """The first result tells already that a shield has been asked, though calls are open."""
    _, emissions = said(TurnStarted(), *CALLS, OBJECTION)
    assert names(emissions)[-3:] == ["tool_result", "tool_result", "shield"]

    inheritance = check_succession(emissions[:-2])

    assert told_states(emissions[:-2])[-1] is State.SHIELD_CHECKED
    assert inheritance.emissions[0].output == emissions[-2].output


def test_an_end_that_has_closed_only_some_of_the_calls_leaves_none_open() -> None:
    stream, emissions = said(TurnStarted(), *CALLS)
    emissions += stream.interrupt("user")[:1]

    inheritance = check_succession(emissions)

    assert names(inheritance.emissions) == ["tool_result", "error"]


def test_a_whole_answer_without_its_end_is_kept() -> None:
    """How it would have ended, only its driver knew."""
    _, emissions = said(TurnStarted(), TurnCompleted("Hello."))

    inheritance = check_succession(emissions[:-1])

    assert (inheritance.summary.answer, inheritance.summary.told) == ("Hello.", True)
    assert last_state(inheritance) is State.TURN_STARTED


def test_nothing_leaves_a_final_state_that_readers_were_told_of() -> None:
    _, emissions = said(TurnStarted(), TurnCompleted("Hello."))

    (error,) = check_succession(emissions[:-1]).emissions

    assert told_states(emissions[:-1]) == [State.TURN_STARTED, State.TURN_COMPLETE]
    assert error.path == ()


def test_text_that_a_shield_of_the_upstream_refused_is_told_to_no_history() -> None:
    stream = new_stream(AgentsDecoder())
    emissions = stream.begin(TurnStarted())
    for chunk in (
        agents.step_start("i1"),
        agents.text("i1", "A secret"),
        agents.inference_complete("i1"),
        agents.step_start("s1", "shield_call"),
        agents.verdict("s1", agents.violation()),
    ):
        emissions += stream.feed(chunk)

    inheritance = check_succession(emissions)

    assert names(emissions)[-1] == "shield"
    assert (inheritance.summary.answer, inheritance.summary.told) == ("A secret", False)
    assert last_state(inheritance) is State.SHIELD_CHECKED


@pytest.mark.parametrize("count", [1, 2], ids=["the verdict", "the refusal"])
def test_text_that_is_withdrawn_is_told_to_no_history(count: int) -> None:
    speech = SPEECHES["responses"]
    turn = begun(speech.decoder(), at_once(100))
    for chunk in (*speech.opening, speech.says("A secret")):
        turn.feed(chunk)

    emissions = turn.said + turn.stream.judge(OBJECTION)[:count]

    summary = check_succession(emissions).summary
    assert (summary.answer, summary.told) == (["A secret", REFUSAL][count - 1], False)


def test_a_turn_that_goes_on_has_calls_that_only_its_earlier_stream_knows() -> None:
    """They were told there, and this stream has said nothing of them."""
    _, emissions = said(TurnResumed("t1", (ADD, SHOUT)))

    inheritance = check_succession(emissions)

    assert names(inheritance.emissions) == ["error"]
    assert last_state(inheritance) is State.TOOL_EXECUTING


def test_results_of_calls_of_an_earlier_stream_are_no_open_calls() -> None:
    stream = new_stream(ScriptedDecoder())
    emissions = stream.begin(TurnResumed("t1", (ADD,), (SUM,)))

    inheritance = check_succession(emissions)

    assert names(emissions) == ["start", "tool_result"]
    assert names(inheritance.emissions) == ["error"]
    assert last_state(inheritance) is State.TURN_STARTED


def test_a_successor_that_dies_too_has_a_successor() -> None:
    _, emissions = said(TurnStarted(), *CALLS)
    first, *_ = check_succession(emissions).emissions

    result, error = check_succession((*emissions, first)).emissions

    assert [each.output.call_id for each in (first, result)] == ["c1", "c2"]
    assert (error.number, told_states([first, result, error])) == (6, [State.ERROR])


def test_a_stream_that_has_ended_has_no_successor() -> None:
    _, emissions = said(TurnStarted(), TurnCompleted("Hello."))

    with pytest.raises(MachineMisuse, match="has no successor"):
        succeed(emissions)


def test_a_stream_whose_beginning_is_lost_ends_with_the_digest_of_all() -> None:
    _, emissions = said(TurnStarted(), INFERENCE, SAYS, SAYS, SAYS)

    check_trimmed(emissions, 2)

    assert succeed(emissions[2:], "d").summary.answer == "HelloHello"


def test_calls_stay_open_where_the_digest_could_not_cover_their_results() -> None:
    _, emissions = said(TurnStarted(), *CALLS)

    (error,) = succeed(emissions[1:], "d").emissions

    assert (error.number, error.path, error.seal.digest) == (4, (State.ERROR,), "d")


CALLED = (TurnStarted(), *CALLS, SUM)
# fmt: off
STANDING = {
    # what the first that is kept is: (events, how many are lost, where the turn stood)
    "a token": ((TurnStarted(), INFERENCE, SAYS, SAYS), 2, State.STEP_IN_PROGRESS),
    "a call": (CALLED[:3], 2, State.TOOL_EXECUTING),
    "a result": (CALLED, 3, State.TOOL_EXECUTING),
    "a verdict": ((*CALLED, OBJECTION), 5, State.SHIELD_CHECKED),
    "a move": ((TurnStarted(), TurnCompleted("Hello.")), 1, State.TURN_STARTED),
}
# fmt: on


@pytest.mark.parametrize("kept", STANDING)
def test_where_a_turn_stood_is_known_by_what_is_kept_of_it(kept: str) -> None:
    events, first, state = STANDING[kept]
    _, emissions = said(*events)
    emissions = tuple(each for each in emissions if not each.terminal)

    check_trimmed(emissions, first)

    assert last_state(succeed(emissions[first:], "d")) is state
