"""What is known of a drawing before it has sizes: columns, sides and the room that they need."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from statemachine.diagram.columns import Column, Slot, columns, ranks, states_between
from statemachine.diagram.edges import Edge
from statemachine.diagram.labels import LINE_HEIGHT, width
from statemachine.diagram.shapes import LOOP_DEPTH
from statemachine.states import State

_LETTER_WIDTH = 7.85
PORT_GAP = 18.0
_WAYPOINT_SHARE = 0.62

type Lines = tuple[str, ...]


class Plan:
    """What is known of a drawing before it has sizes."""

    def __init__(self, edges: Sequence[Edge], texts: Sequence[Lines]) -> None:
        self.edges = edges
        self.texts = texts
        self.rank = ranks()
        self.columns = columns(edges)
        self.sides = [self._sides(edge) for edge in edges]
        self.crowds = Counter(
            (state, side)
            for edge, sides in zip(edges, self.sides, strict=True)
            for state, side in zip((edge.source, edge.dest), sides, strict=True)
        )

    def _sides(self, edge: Edge) -> tuple[str, str]:
        """Return where an edge leaves its source and where it enters its destination."""
        source, dest = self.rank[edge.source], self.rank[edge.dest]
        if edge.source is edge.dest:
            return "corner", "corner"
        if source != dest:
            return ("right", "left") if source < dest else ("left", "right")
        column = self.columns[source]
        if states_between(column, edge.source, edge.dest):
            return "right", "right"
        below = column.index(edge.source) < column.index(edge.dest)
        return ("bottom", "top") if below else ("top", "bottom")

    def height(self, slot: Slot) -> float:
        """Return how high a slot is; a state must have room for what ends at its sides."""
        if not isinstance(slot, State):
            return 8.0
        crowd = max(self.crowds[slot, "left"], self.crowds[slot, "right"])
        return max(34.0, crowd * PORT_GAP + 10) + 2 * self.port_shift(slot)

    def port_shift(self, state: State) -> float:
        """Return how far the ends at the sides of a state make way for its loop."""
        return LOOP_DEPTH / 2 if self.crowds[state, "corner"] else 0.0

    def width(self, column: Column) -> float:
        """Return how wide a column is."""
        return max(len(slot) for slot in column if isinstance(slot, State)) * _LETTER_WIDTH + 22

    def loop_room(self) -> float:
        """Return the space above a state with a loop: room for half of its label."""
        return self._lines("corner") * LINE_HEIGHT / 2 + 20

    def row_gaps(self, column: Column) -> tuple[float, ...]:
        """Return the space above each slot of a column: room for the labels in it."""
        wide = self.loop_room() + self._lines("top", "bottom") * LINE_HEIGHT
        # Wide labels find no place side by side.
        wide += max(max(map(width, self.texts)) - 100, 0) / 4
        gaps = (
            wide if isinstance(one, State) and isinstance(other, State) else wide * _WAYPOINT_SHARE
            for one, other in pairwise(column)
        )
        return (0.0, *gaps)

    def _lines(self, *sides: str) -> int:
        """Return how many lines the highest label has at edges that leave from these sides."""
        texts = zip(self.texts, self.sides, strict=True)
        return max(len(text) for text, (leaving, _) in texts if leaving in sides)

    def column_height(self, column: Column) -> float:
        """Return how high a column is."""
        return sum(map(self.height, column)) + sum(self.row_gaps(column))

    def column_gap(self, number: int) -> float:
        """Return the space right of a column: room for the labels in it."""
        crossing = [
            width(text)
            for edge, text in zip(self.edges, self.texts, strict=True)
            if number in self._gaps(edge)
            or number == self.rank[edge.source] == self.rank[edge.dest]
        ]
        return max(crossing) + 40

    def _gaps(self, edge: Edge) -> range:
        ends = (self.rank[edge.source], self.rank[edge.dest])
        return range(min(ends), max(ends))
