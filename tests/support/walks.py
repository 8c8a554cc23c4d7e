"""Hypothesis strategies: texts, walks of events through the table, and how to spoil a sequence.

A legal walk takes only rows whose guard agrees.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace

from hypothesis import strategies as st

from statemachine.events import (
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolArgumentsDelta,
    TurnEvent,
    TurnResumed,
    TurnStarted,
)
from statemachine.guards import Context
from statemachine.states import FINAL, State
from statemachine.table import TRANSITIONS
from tests.support.situations import EVENTS_BY_KIND, contexts

# fmt: off
NASTY = (
    "\n", "\r", "\r\n", "\n\n", "data: x", "\ndata: x\n\n", "id: 7\n", ":", "\0", "\ufeff",
    "\u2028", "\u2029", "\x85", "\ud800", "\udfff", "\U0001f469\u200d\U0001f4bb", "\x1b[2J",
    '"', "\\", "</script>",
)
# fmt: on
"""Texts that have broken framing, escaping or encoding somewhere."""

TEXTS = st.sampled_from(NASTY) | st.text(
    st.characters(exclude_categories=()) | st.sampled_from("\n\r \u2028{}()"), max_size=8
)
"""Any text that Python can hold, halves of surrogate pairs included."""

ALL_CONTEXTS = [context for state in State for context in contexts(state)]
ALL_EVENTS = [event for events in EVENTS_BY_KIND.values() for event in events]
DELTAS = (TextDelta, ReasoningDelta, RefusalDelta, ToolArgumentsDelta)

# fmt: off
ODD_VALUES: list[object] = [
    {"half": "\ud800"}, {"\udfff": [10**400]}, ["\ud800", float("nan")], {"text": None}, 10**30,
    '{"a":' * 1_496 + "1" + "}" * 1_496, {"id": ["x"], "type": ["y"]}, {"message": {"message": 7}},
]
# fmt: on
JUNK = st.sampled_from(ODD_VALUES) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(TEXTS, each, max_size=3),
    max_leaves=5,
)
"""Any JSON value."""


def any_context() -> st.SearchStrategy[Context]:
    """Any context, possible in a stream or not."""
    return st.sampled_from(ALL_CONTEXTS).map(deepcopy)


def any_event() -> st.SearchStrategy[TurnEvent]:
    """Any event, with any text in a delta."""
    return st.tuples(st.sampled_from(ALL_EVENTS), TEXTS).map(lambda each: _reworded(*each))


def _reworded(event: TurnEvent, text: str) -> TurnEvent:
    return replace(event, text=text) if isinstance(event, DELTAS) else event


def legal_moves(context: Context) -> list[tuple[State, list[TurnEvent]]]:
    """Return what the table accepts here: destinations, and the events that lead there."""
    moves = []
    for row in (row for row in TRANSITIONS if row.source is context.state):
        events = [
            each for each in EVENTS_BY_KIND[row.event] if not row.when or row.when(context, each)
        ]
        moves.append((row.dest, events))
    return [move for move in moves if move[1]]


@st.composite
def legal_walks(draw: st.DrawFn, longest: int = 30) -> list[TurnEvent]:
    """A walk through the table from `idle` to a final state."""
    context = Context("conv", "req")
    walk: list[TurnEvent] = []
    length = draw(st.integers(0, longest))
    while context.state not in FINAL:
        moves = legal_moves(context)
        onward = [move for move in moves if move[0] not in FINAL]
        chosen = onward if len(walk) < length and onward else _homeward(moves)
        dest, events = draw(st.sampled_from(chosen))
        event = _reworded(draw(st.sampled_from(events)), draw(TEXTS))
        context.apply(event)
        context.state = dest
        walk.append(event)
    return walk


def _homeward(moves: list[tuple[State, list[TurnEvent]]]) -> list[tuple[State, list[TurnEvent]]]:
    return [move for move in moves if move[0] in FINAL]


def spoiled[T](
    things: st.SearchStrategy[list[T]], foreign: st.SearchStrategy[T]
) -> st.SearchStrategy[list[T]]:
    """Sequences with up to three things dropped, doubled, swapped, cut off or put in."""

    @st.composite
    def spoil(draw: st.DrawFn) -> list[T]:
        spoilt = list(draw(things))
        for _ in range(draw(st.integers(1, 3))):
            kind = draw(st.sampled_from(("drop", "double", "swap", "cut", "foreign")))
            at = draw(st.integers(0, max(len(spoilt) - 1, 0)))
            other = draw(st.integers(0, max(len(spoilt) - 1, 0)))
            spoilt = spoil_once(spoilt, kind, at, other, [draw(foreign)])
        return spoilt

    return spoil()


def spoil_once[T](things: Sequence[T], kind: str, at: int, other: int, foreign: list[T]) -> list[T]:
    """Do one kind of harm to a sequence, at an index."""
    spoilt = list(things)
    match kind:
        case "drop":
            del spoilt[at : at + 1]
        case "double":
            spoilt[at:at] = spoilt[at : at + 1]
        case "swap" if spoilt:
            spoilt[at], spoilt[other] = spoilt[other], spoilt[at]
        case "cut":
            del spoilt[at:]
        case _:
            spoilt[at:at] = foreign
    return spoilt


class ScriptedDecoder:
    """Takes the events themselves as chunks, to walk a stream through the table."""

    dialect = "scripted"

    def __init__(self, *, resumed: bool = False) -> None:
        self.unknown: dict[str, int] = {}

    def decode(self, chunk: object) -> tuple[TurnEvent, ...]:
        """Return the events of the chunk."""
        assert isinstance(chunk, tuple)
        return chunk

    @staticmethod
    def recognises(_: Mapping[str, object]) -> bool:
        """No real chunk is of this dialect."""
        return False

    @staticmethod
    def opening(_: object) -> TurnStarted | TurnResumed:
        """Every scripted stream is a new turn."""
        return TurnStarted()
