"""The table as a graph: its edges, merged for the overview, and the words that label them.

Every drawing starts here, so that all of them say the same.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from statemachine.diagram.recorded import Step
from statemachine.events import TurnFailed, TurnInterrupted
from statemachine.states import State
from statemachine.table import TRANSITIONS, Row

FAILURES = (TurnInterrupted, TurnFailed)
"""What can happen in every open state; drawn once instead of once per state."""

TIMES = "\N{MULTIPLICATION SIGN}"
INITIAL = TRANSITIONS[0].source

_WIRE_NAMES = {"unfinished_results": "tool_result (failed) per open call"}


@dataclass(frozen=True, slots=True)
class Edge:
    """The rows that lead from one state to another; `counts` says how often each was taken."""

    source: State
    dest: State
    rows: tuple[Row, ...]
    counts: tuple[int, ...]

    @property
    def count(self) -> int:
        """How often a path took this edge."""
        return sum(self.counts)

    @property
    def events(self) -> tuple[str, ...]:
        """The names of the events, each once."""
        return tuple(dict.fromkeys(row.event.__name__ for row in self.rows))

    def names(self) -> tuple[str, ...]:
        """Return the names of the events, with how often a path took each."""
        return self._counted([row.event.__name__ for row in self.rows])

    def words(self) -> tuple[str, ...]:
        """Return what every row says, with how often a path took it."""
        return self._counted([row_words(row) for row in self.rows])

    def _counted(self, texts: Sequence[str]) -> tuple[str, ...]:
        """Return the texts, each once, those taken first."""
        sums: Counter[str] = Counter()
        for text, count in zip(texts, self.counts, strict=True):
            sums[text] += count
        ordered = sorted(sums, key=lambda text: sums[text] == 0)
        return tuple(f"{text} {TIMES}{sums[text]}" if sums[text] else text for text in ordered)


class Route:
    """A path through the table, asked by whoever draws it."""

    def __init__(self, steps: Sequence[Step] | None) -> None:
        self._steps = tuple(steps or ())
        self.last = self._steps[-1].dest if self._steps else None
        self.states = {state for step in self._steps for state in (step.source, step.dest)}

    def count(self, row: Row) -> int:
        """Return how often the path took a row."""
        return sum(step.count for step in self._steps if _is_of(step, row))

    def css(self, state: State) -> str:
        """Return the classes that the path gives to a state."""
        names = {"taken": state in self.states, "last": state is self.last}
        return "".join(f" {name}" for name, given in names.items() if given)


def row_edges(route: Route) -> tuple[Edge, ...]:
    """Return one edge per row."""
    return tuple(Edge(row.source, row.dest, (row,), (route.count(row),)) for row in TRANSITIONS)


def merged_edges(route: Route) -> tuple[Edge, ...]:
    """Return one edge per pair of states, in the order of the table."""
    rows: dict[tuple[State, State], tuple[Row, ...]] = {}
    for row in TRANSITIONS:
        key = (row.source, row.dest)
        rows[key] = (*rows.get(key, ()), row)
    return tuple(Edge(*key, each, tuple(map(route.count, each))) for key, each in rows.items())


def is_failure(edge: Edge) -> bool:
    """Tell whether only failures take this edge."""
    return all(row.event in FAILURES for row in edge.rows)


def overview_edges(route: Route) -> tuple[Edge, ...]:
    """Return the merged edges without those of failures, unless the path took them."""
    return tuple(edge for edge in merged_edges(route) if edge.count or not is_failure(edge))


def failure_note() -> str:
    """Return the sentence that stands for the failure edges."""
    rows = [row for row in TRANSITIONS if row.event in FAILURES]
    ways = dict.fromkeys(f"{row.dest} ({row.event.__name__})" for row in rows)
    return f"Every open state also leads to {' and '.join(ways)}."


def wire_names(row: Row) -> tuple[str, ...]:
    """Return the wire names of what a row emits."""
    return tuple(_WIRE_NAMES.get(emit.__name__, emit.__name__) for emit in row.emits)


def row_words(row: Row) -> str:
    """Return `event [guard] / emissions`."""
    guard = f" [{row.when.__name__}]" if row.when else ""
    emitted = f" / {', '.join(wire_names(row))}" if row.emits else ""
    return f"{row.event.__name__}{guard}{emitted}"


def _is_of(step: Step, row: Row) -> bool:
    return (step.source, step.event, step.dest) == (row.source, row.event, row.dest)
