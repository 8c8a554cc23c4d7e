"""Contexts and events enough to say yes and no to every guard of the table, and what follows.

`verdict` is the table read by hand: what a row says, without the engine.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from statemachine.emissions import Output
from statemachine.errors import IllegalTransition
from statemachine.events import (
    EVENTS,
    Call,
    CallStatus,
    InputReason,
    Interrupter,
    ReasoningDelta,
    RefusalDelta,
    Release,
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
    TurnFailed,
    TurnInterrupted,
    TurnResumed,
    TurnStarted,
)
from statemachine.guards import Context
from statemachine.machine import TurnMachine
from statemachine.states import FINAL, State
from statemachine.table import TRANSITIONS, Row

OPEN = tuple(state for state in State if state not in FINAL)
"""The states that a turn can leave."""

ROWS = {
    (state, kind): [row for row in TRANSITIONS if (row.source, row.event) == (state, kind)]
    for state, kind in product(State, EVENTS)
}
"""The rows of the table by source state and event."""

STEP_IDS = ("s1", "s2")
CALLS = (Call("c1", "get_weather", '{"city":"Prague"}'), Call("c2", "get_time", "{}", "lab"))

EVENTS_BY_KIND: dict[type[TurnEvent], tuple[TurnEvent, ...]] = {
    TurnStarted: (TurnStarted(), TurnStarted("t1"), TurnStarted("t2")),
    TurnResumed: (
        TurnResumed(),
        TurnResumed("t1", CALLS[:1]),
        TurnResumed(None, CALLS),
        TurnResumed("t1", CALLS, (ToolCallCompleted("c1", "get_weather", CallStatus.OK, "Sunny"),)),
    ),
    StepStarted: tuple(StepStarted(*each) for each in product(STEP_IDS, StepKind)),
    TextDelta: tuple(TextDelta(*each, "Hi") for each in product(STEP_IDS, StepKind)),
    ReasoningDelta: tuple(ReasoningDelta(*each, "Hm") for each in product(STEP_IDS, StepKind)),
    RefusalDelta: tuple(RefusalDelta(*each, "No") for each in product(STEP_IDS, StepKind)),
    ToolArgumentsDelta: tuple(
        ToolArgumentsDelta(*each, "c1", "get_weather")
        for each in product(STEP_IDS, StepKind, ("{", ""))
    ),
    ToolCallStarted: tuple(ToolCallStarted(*each) for each in product(CALLS, (None, *STEP_IDS))),
    ToolCallCompleted: tuple(
        ToolCallCompleted(call.call_id, call.tool_name, CallStatus.OK, "Sunny", step_id)
        for call, step_id in product(CALLS, (None, *STEP_IDS))
    ),
    ShieldChecked: tuple(
        ShieldChecked(*each) for each in product(Touchpoint, (None, "No."), (None, *STEP_IDS))
    ),
    StepCompleted: tuple(StepCompleted(*each) for each in product(STEP_IDS, StepKind)),
    TurnAwaitingInput: (
        TurnAwaitingInput("t1", CALLS[:1]),
        TurnAwaitingInput(None, CALLS, InputReason.APPROVAL),
    ),
    TurnCompleted: (TurnCompleted("Hi"), TurnCompleted("")),
    TurnInterrupted: tuple(TurnInterrupted(by) for by in Interrupter),
    TurnFailed: (TurnFailed("upstream_error", 502, "The upstream failed.", "Status 500."),),
}
"""Events of every kind, over two steps and two calls."""

_STEPS: tuple[tuple[str | None, StepKind | None], ...] = (
    (None, None),
    (None, StepKind.TOOL_EXECUTION),
    *(("s1", kind) for kind in StepKind),
)
_PASTS = ((False, None, None), (False, "t1", Release.AFTER_VERDICT), (True, "t1", Release.AT_ONCE))


def contexts(state: State) -> Iterator[Context]:
    """Give every context that two steps and two calls allow, possible in a stream or not."""
    for (step_id, kind), calls, past in product(_STEPS, range(len(CALLS) + 1), _PASTS):
        worked, turn_id, release = past
        held = {call.call_id: call for call in CALLS[:calls]}
        yield Context("conv", "req", state, turn_id, step_id, kind, worked, held, release)


def machine_in(context: Context) -> TurnMachine:
    """Return a machine in a copy of this context."""
    machine = TurnMachine(context.conversation_id, context.request_id)
    machine.context = replace(context, calls=dict(context.calls))
    return machine


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one event: the outputs, or what the refusal said, and the context after."""

    outputs: tuple[Output, ...] | None
    refusal: tuple[str, str, tuple[str, ...], str] | None
    after: Context


def rows_for(context: Context, event: TurnEvent) -> list[Row]:
    """Return the rows of the table that accept the event; more than one is a fault of the table."""
    rows = ROWS[context.state, type(event)]
    return [row for row in rows if row.when is None or row.when(context, event)]


def verdict(context: Context, event: TurnEvent) -> Verdict:
    """Read the table by hand."""
    rows = rows_for(context, event)
    after = replace(context, calls=dict(context.calls))
    if not rows:
        return Verdict(None, _refusal(context.state, type(event)), after)
    (row,) = rows
    outputs = tuple(output for emit in row.emits for output in emit(context, event))
    after.apply(event)
    after.state = row.dest
    return Verdict(outputs, None, after)


def _refusal(state: State, kind: type[TurnEvent]) -> tuple[str, str, tuple[str, ...], str]:
    legal = dict.fromkeys(row.event.__name__ for row in TRANSITIONS if row.source is state)
    needs = " or ".join(row.when.__name__ for row in ROWS[state, kind] if row.when)
    return (state, kind.__name__, tuple(legal), needs)


def happened(context: Context, receive: Callable[[Context], tuple[Output, ...]]) -> Verdict:
    """Say what a receiving function did with a context of its own."""
    try:
        outputs = receive(context)
    except IllegalTransition as refused:
        refusal = (refused.state, refused.event, refused.legal, refused.needs)
        return Verdict(None, refusal, context)
    return Verdict(outputs, None, context)


def received(context: Context, event: TurnEvent) -> Verdict:
    """Say what the machine does with the event."""
    machine = machine_in(context)
    return happened(machine.context, lambda _: machine.receive(event))


def fingerprint() -> str:
    """Return a hash over what the machine does with every event in a few contexts per state."""
    digest = hashlib.sha256()
    for state in State:
        for context in list(contexts(state))[::7]:
            for events in EVENTS_BY_KIND.values():
                for event in events:
                    digest.update(repr(received(context, event)).encode())
    return digest.hexdigest()
