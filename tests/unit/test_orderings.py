"""The orderings that PROTOCOL, section 2, names: what must be accepted and what must not."""

import pytest

from statemachine import IllegalTransition, TurnMachine
from statemachine.emissions import NO_RESULT, ToolResult
from statemachine.events import (
    Call,
    CallStatus,
    FinishReason,
    InputReason,
    Interrupter,
    ShieldChecked,
    StepCompleted,
    StepKind,
    StepStarted,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallCompleted,
    ToolCallStarted,
    Touchpoint,
    TurnAwaitingInput,
    TurnCompleted,
    TurnEvent,
    TurnInterrupted,
    TurnResumed,
    TurnStarted,
)

INFERENCE, TOOL, SHIELD, MEMORY = (
    StepKind.INFERENCE,
    StepKind.TOOL_EXECUTION,
    StepKind.SHIELD_CALL,
    StepKind.MEMORY_RETRIEVAL,
)
FIRST, SECOND = Call("c1", "get_weather", "{}"), Call("c2", "get_time", "{}")
BEGUN = (TurnStarted(),)
DONE = TurnCompleted("Hi")


def step(step_id: str, kind: StepKind, *inside: TurnEvent) -> tuple[TurnEvent, ...]:
    return (StepStarted(step_id, kind), *inside, StepCompleted(step_id, kind))


def says(step_id: str) -> TextDelta:
    return TextDelta(step_id, INFERENCE, "Hi")


def verdict(step_id: str, violation: str | None = None) -> ShieldChecked:
    return ShieldChecked(Touchpoint.USER_INPUT, violation, step_id)


def shield(step_id: str, violation: str | None = None) -> tuple[TurnEvent, ...]:
    return (StepStarted(step_id, SHIELD), verdict(step_id, violation))


def starts(call: Call, step_id: str | None = None) -> ToolCallStarted:
    return ToolCallStarted(call, step_id)


def returns(call: Call, step_id: str | None = None) -> ToolCallCompleted:
    return ToolCallCompleted(call.call_id, call.tool_name, CallStatus.OK, "Sunny", step_id)


ANSWER = step("i1", INFERENCE, says("i1"))
TOOL_STEP = step("t1", TOOL, starts(FIRST, "t1"), returns(FIRST, "t1"))
OPEN = (*BEGUN, StepStarted("i1", INFERENCE))
TOOL_OPEN = (*BEGUN, StepStarted("t1", TOOL), starts(FIRST, "t1"))
SHIELD_OPEN = (*BEGUN, StepStarted("s1", SHIELD))
CHECKED = ShieldChecked(Touchpoint.USER_INPUT, None)
OBJECTED = ShieldChecked(Touchpoint.ASSISTANT_OUTPUT, "No.")
ANSWERED = TurnResumed("t1", (FIRST,), (returns(FIRST),))
LEGAL = {
    "an answer": (*BEGUN, *ANSWER, DONE),
    "a named turn": (*BEGUN, TurnStarted("t1"), TurnStarted("t1"), *ANSWER, DONE),
    "a shield before the first inference": (*BEGUN, *shield("s1"), *ANSWER, DONE),
    "a shield after the last inference": (*BEGUN, *ANSWER, *shield("s1"), DONE),
    "a violation, then the refusal": (*BEGUN, *shield("s1", "No."), DONE),
    "two shields": (*BEGUN, *shield("s1"), *shield("s2"), *ANSWER, DONE),
    "a tool between two inferences": (*BEGUN, *ANSWER, *TOOL_STEP, *step("i2", INFERENCE), DONE),
    "the same tool twice": (*BEGUN, *ANSWER, *TOOL_STEP, *TOOL_STEP, DONE),
    "a tool after a shield": (*BEGUN, *shield("s1"), *TOOL_STEP, DONE),
    "two calls in one tool step": (
        *BEGUN,
        *step(
            "t1", TOOL, starts(FIRST, "t1"), starts(SECOND, "t1"), returns(FIRST, "t1"),
            returns(SECOND, "t1"),
        ),
        DONE,
    ),
    "an empty tool step": (*BEGUN, *step("t1", TOOL), DONE),
    "a retrieval step": (*BEGUN, *step("m1", MEMORY), *ANSWER, DONE),
    "a resumed turn": (
        TurnResumed("t1", (FIRST,)), returns(FIRST, "t9"), StepCompleted("t9", TOOL), *ANSWER, DONE,
    ),
    "a resumed turn that owed nothing": (TurnResumed("t1"), *ANSWER, DONE),
    "a resumed turn without calls that is named then": (
        TurnResumed("t1"), TurnStarted("t1"), *ANSWER, DONE,
    ),
    "waiting for the client": (*BEGUN, *ANSWER, TurnAwaitingInput("t1", (FIRST,))),
    "the iteration limit": (
        *BEGUN, *ANSWER, TurnAwaitingInput("t1", (FIRST,), InputReason.MAX_ITERATIONS),
    ),
    "calls without steps, side by side": (
        *BEGUN, starts(FIRST), starts(SECOND), returns(SECOND), returns(FIRST), DONE,
    ),
    "an inference beside an open call": (
        *BEGUN, starts(FIRST), *ANSWER, returns(FIRST), DONE,
    ),
    "a call that returns while the model speaks": (
        *BEGUN, starts(FIRST), StepStarted("i1", INFERENCE), says("i1"), returns(FIRST), says("i1"),
        StepCompleted("i1", INFERENCE), DONE,
    ),
    "a verdict without a step": (
        *BEGUN, *ANSWER, ShieldChecked(Touchpoint.ASSISTANT_OUTPUT, "No."), DONE,
    ),
    "a question that passes before the upstream names the turn": (
        *BEGUN, CHECKED, TurnStarted("t1"), *ANSWER, CHECKED, DONE,
    ),
    "an objection to the question": (*BEGUN, OBJECTED, DONE),
    "an objection while the model speaks": (*OPEN, OBJECTED, DONE),
    "an objection inside a shield step": (*SHIELD_OPEN, OBJECTED, DONE),
    "an objection inside a tool step": (*TOOL_OPEN, OBJECTED, DONE),
    "an objection beside open calls": (
        *BEGUN, starts(FIRST), starts(SECOND), *OPEN[1:], OBJECTED, DONE,
    ),
    "an objection after an objection": (*OPEN, OBJECTED, OBJECTED, DONE),
    "an upstream that goes on after an objection": (*TOOL_OPEN, OBJECTED, *TOOL_STEP, DONE),
    "a resumed turn whose answers are not repeated": (ANSWERED, returns(FIRST), *ANSWER, DONE),
    "an interrupt before the upstream answered": (TurnInterrupted(Interrupter.USER),),
    "the end for lack of tokens": (*BEGUN, *ANSWER, TurnCompleted("Hi", FinishReason.LENGTH)),
}  # fmt: skip
ILLEGAL = {
    "a delta without a step": (BEGUN, says("i1")),
    "a delta of another step": (OPEN, says("i2")),
    "a delta of another kind": (OPEN, TextDelta("i1", SHIELD, "Hi")),
    "arguments without a step": (BEGUN, ToolArgumentsDelta("i1", INFERENCE, "{")),
    "a delta in a shield step": (SHIELD_OPEN, TextDelta("s1", SHIELD, "Hi")),
    "the completion of another step": (OPEN, StepCompleted("i2", INFERENCE)),
    "the completion of another kind": (OPEN, StepCompleted("i1", MEMORY)),
    "the completion of another inference beside open calls": (
        (*BEGUN, starts(FIRST), *OPEN[1:]), StepCompleted("i2", INFERENCE),
    ),
    "the completion of another tool step": (
        (*BEGUN, StepStarted("t1", TOOL)), StepCompleted("t2", TOOL),
    ),
    "a shield step without a verdict": (SHIELD_OPEN, StepCompleted("s1", SHIELD)),
    "a verdict of another step": (SHIELD_OPEN, verdict("s2")),
    "a verdict inside an inference": (OPEN, verdict("i1")),
    "a passed verdict beside an inference": (OPEN, CHECKED),
    "a passed verdict beside open calls": (TOOL_OPEN, CHECKED),
    "an objection before the start": ((), OBJECTED),
    "an objection after the end": ((*BEGUN, DONE), OBJECTED),
    "a start after the verdict of a step": ((*BEGUN, *shield("s1")), TurnStarted("t1")),
    "a start after an answer that passed": ((*BEGUN, *ANSWER, CHECKED), TurnStarted("t1")),
    "a step of what was answered already": (
        (ANSWERED, returns(FIRST)), StepCompleted("t9", TOOL),
    ),
    "a second start after work": ((*BEGUN, *ANSWER), TurnStarted("t1")),
    "a start with another id": ((*BEGUN, TurnStarted("t1")), TurnStarted("t2")),
    "a result of a call that is not open": (BEGUN, returns(FIRST)),
    "a result of another call": (TOOL_OPEN, returns(SECOND, "t1")),
    "a result in another step": (TOOL_OPEN, returns(FIRST, "t2")),
    "a call twice": (TOOL_OPEN, starts(FIRST, "t1")),
    "a call in another step": (TOOL_OPEN, starts(SECOND, "t2")),
    "a step inside a step": (OPEN, StepStarted("i2", INFERENCE)),
    "a step inside a tool step": (TOOL_OPEN, StepStarted("i1", INFERENCE)),
    "the end of a tool step with an open call": (TOOL_OPEN, StepCompleted("t1", TOOL)),
    "the end of the turn with an open step": (OPEN, DONE),
    "the end of the turn with an open call": ((*BEGUN, starts(FIRST)), DONE),
    "waiting with an open step": (OPEN, TurnAwaitingInput("t1", ())),
    "a resumption after the start": (BEGUN, TurnResumed("t1")),
    "anything after the end": ((*BEGUN, DONE), StepStarted("i1", INFERENCE)),
    "a delta before the start": ((), says("i1")),
}  # fmt: skip


def walked(events: tuple[TurnEvent, ...]) -> TurnMachine:
    machine = TurnMachine("conv", "req")
    for event in events:
        machine.receive(event)
    return machine


@pytest.mark.parametrize("name", list(LEGAL))
def test_this_ordering_is_accepted(name: str) -> None:
    assert walked(LEGAL[name]).final


@pytest.mark.parametrize("name", list(ILLEGAL))
def test_this_ordering_is_rejected(name: str) -> None:
    before, event = ILLEGAL[name]
    machine = walked(before)

    with pytest.raises(IllegalTransition):
        machine.receive(event)

    assert machine.context == walked(before).context


def test_open_calls_are_closed_as_failed_before_an_interrupt() -> None:
    machine = walked((*BEGUN, starts(FIRST), starts(SECOND)))

    *results, _ = machine.receive(TurnInterrupted(Interrupter.DRAIN))

    assert results == [
        ToolResult(call.call_id, call.tool_name, CallStatus.FAILED, NO_RESULT)
        for call in (FIRST, SECOND)
    ]


def test_open_calls_are_closed_as_failed_before_an_objection() -> None:
    machine = walked((*BEGUN, starts(FIRST), starts(SECOND), *OPEN[1:]))

    *results, shield = machine.receive(OBJECTED)

    assert [each.call_id for each in results] == ["c1", "c2"]
    assert shield.violation == "No."
    assert (machine.context.step_kind, machine.context.calls) == (None, {})


def test_the_start_names_the_turn_that_is_resumed() -> None:
    machine = TurnMachine("conv", "req")

    (start,) = machine.receive(TurnResumed("t1", (FIRST,)))

    assert (start.conversation_id, start.request_id, start.turn_id) == ("conv", "req", "t1")
