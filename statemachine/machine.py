"""One turn, moved by the table through the `transitions` engine.

Differences from the ordinary use of `transitions`, each with its reason:

1. One `Machine` for the process and models that are never registered: a machine per turn costs
   some 300 us and 30 KB, and `add_model` keeps every model for ever.
2. Deltas never leave their state, so a table compiled from that same `Machine` at import serves
   them; a test proves both equal over every state and event.
"""

from collections.abc import Callable
from typing import Any

from transitions import Machine, MachineError

from statemachine.emissions import Emitter, Output
from statemachine.errors import IllegalTransition, MachineMisuse
from statemachine.events import (
    EVENTS,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolArgumentsDelta,
    TurnEvent,
)
from statemachine.guards import Context, Guard
from statemachine.states import FINAL, State
from statemachine.table import TRANSITIONS, Row

DELTAS: tuple[type[TurnEvent], ...] = (
    TextDelta,
    ReasoningDelta,
    RefusalDelta,
    ToolArgumentsDelta,
)

type Outputs = tuple[Output, ...]


def _before(emits: tuple[Emitter, ...]) -> Callable[[Context, Any, list[Output]], None]:
    """Return the callback that collects the outputs while the context still says "before"."""

    def collect(context: Context, event: TurnEvent, outputs: list[Output]) -> None:
        for emit in emits:
            outputs.extend(emit(context, event))

    return collect


def _condition(guard: Guard) -> Callable[[Context, Any, list[Output]], bool]:
    def holds(context: Context, event: TurnEvent, _: list[Output]) -> bool:
        return guard(context, event)

    holds.guard = guard  # type: ignore[attr-defined] # the lane reads the guard back
    return holds


def _engine_row(row: Row) -> dict[str, Any]:
    before = _before(row.emits)
    before.emits = row.emits  # type: ignore[attr-defined] # the lane reads the emitters back
    return {
        "trigger": row.event.__name__,
        "source": row.source,
        "dest": row.dest,
        "conditions": [_condition(row.when)] if row.when else [],
        "before": [before],
    }


ENGINE = Machine(
    model=None,
    states=list(State),
    transitions=[_engine_row(row) for row in TRANSITIONS],
    initial=None,
    auto_transitions=False,
)
"""The engine: one for the process, immutable after import."""

type Lane = dict[tuple[State, type[TurnEvent]], tuple[Guard, Emitter]]


def compile_lane(engine: Machine) -> Lane:
    """Compile the rows of the deltas from the engine into a dispatch dict."""
    return {
        (State[source], event): _compile_row(rows)
        for event in DELTAS
        for source, rows in engine.events[event.__name__].transitions.items()
    }


def _compile_row(rows: list[Any]) -> tuple[Guard, Emitter]:
    if len(rows) != 1 or rows[0].source != rows[0].dest:
        raise MachineMisuse("a delta must have one row per state and stay in it")
    (condition,) = rows[0].conditions
    (before,) = rows[0].before
    (emit,) = before.emits
    return condition.func.guard, emit


LANE = compile_lane(ENGINE)


class TurnMachine:
    """The state machine of one turn."""

    __slots__ = ("context",)

    def __init__(self, conversation_id: str, request_id: str) -> None:
        self.context = Context(conversation_id, request_id)

    @property
    def state(self) -> State:
        """Where the turn stands."""
        return self.context.state

    @property
    def final(self) -> bool:
        """Tell whether the turn has ended."""
        return self.context.state in FINAL

    def receive(self, event: TurnEvent) -> Outputs:
        """Move by one event and return its outputs.

        Raises:
            IllegalTransition: the table has no row; the machine is then as it was before.
            MachineMisuse: it is no event at all.
        """
        context = self.context
        row = LANE.get((context.state, event.__class__))
        if row is None:
            return _trigger(context, event)
        guard, emit = row
        if not guard(context, event):
            raise illegal_transition(context, event)
        return emit(context, event)


def _trigger(context: Context, event: TurnEvent) -> Outputs:
    """Let the engine move the turn."""
    if event.__class__ not in EVENTS:
        message = f"{event.__class__.__name__} is not an event of a turn"
        raise MachineMisuse(message)
    outputs: list[Output] = []
    try:
        moved = ENGINE.events[event.__class__.__name__].trigger(context, context, event, outputs)
    except MachineError as refused:
        raise illegal_transition(context, event) from refused
    if not moved:
        raise illegal_transition(context, event)
    context.apply(event)
    return tuple(outputs)


def illegal_transition(context: Context, event: TurnEvent) -> IllegalTransition:
    """Say what was refused, what would have been legal, and which guard refused."""
    rows = [row for row in TRANSITIONS if row.source is context.state]
    legal = tuple(dict.fromkeys(row.event.__name__ for row in rows))
    guards = [row.when for row in rows if row.event is event.__class__ and row.when]
    needs = " or ".join(guard.__name__ for guard in guards)
    return IllegalTransition(context.state, event.__class__.__name__, legal, needs)
