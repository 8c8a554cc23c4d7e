"""What is known of a drawing before it has sizes: columns, sides and the room that they need."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from statemachine.diagram.columns import Column, Slot, columns, ranks, states_between
from statemachine.diagram.edges import Edge
from statemachine.diagram.labels import LINE_HEIGHT, width
from statemachine.states import State

_LETTER_WIDTH = 7.85
PORT_GAP = 14.0
_WAYPOINT_SHARE = 0.6

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
        return max(34.0, crowd * PORT_GAP + 10)

    def width(self, column: Column) -> float:
        """Return how wide a column is."""
        return max(len(slot) for slot in column if isinstance(slot, State)) * _LETTER_WIDTH + 22

    def row_gaps(self, column: Column) -> tuple[float, ...]:
        """Return the space above each slot of a column: room for the labels in it."""
        beside = [
            text
            for text, sides in zip(self.texts, self.sides, strict=True)
            if sides[0] in ("top", "bottom")
        ]
        wide = max(map(len, beside)) * LINE_HEIGHT + 28
        gaps = (
            wide if isinstance(one, State) and isinstance(other, State) else wide * _WAYPOINT_SHARE
            for one, other in pairwise(column)
        )
        return (0.0, *gaps)

    def column_height(self, column: Column) -> float:
        """Return how high a column is."""
        return sum(map(self.height, column)) + sum(self.row_gaps(column))

    def column_gap(self, number: int) -> float:
        """Return the space right of a column: room for the labels in it."""
        crossing = [
            width(text)
            for edge, text in zip(self.edges, self.texts, strict=True)
            if number in self._gaps(edge)
        ]
        return max(crossing) + 40

    def _gaps(self, edge: Edge) -> range:
        ends = (self.rank[edge.source], self.rank[edge.dest])
        return range(min(ends), max(ends))
