"""A drawing with sizes: where every box and curve stands."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from statemachine.diagram.columns import Column, Slot, chain, columns, ranks, states_between
from statemachine.diagram.edges import OPEN, Edge
from statemachine.diagram.labels import LINE_HEIGHT, width
from statemachine.diagram.shapes import Box, Curve, Point, bulging, loop, sideways, upright
from statemachine.states import State

_MARGIN = 12.0
_LETTER_WIDTH = 7.85
_PORT_GAP = 14.0
_FRAME_PAD = 16.0
_LOOP_ROOM = 36.0
_BULGE = 56.0

type Lines = tuple[str, ...]
type Anchor = tuple[State, str]
"""A side of a state: left, right, top or bottom."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Boxes by state, curves in the order of the edges, and the frame around the open states."""

    page: Box
    boxes: dict[State, Box]
    curves: tuple[Curve, ...]
    frame: Box


class _Plan:
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
        return max(34.0, crowd * _PORT_GAP + 10)

    def width(self, column: Column) -> float:
        """Return how wide a column is."""
        return max(len(slot) for slot in column if isinstance(slot, State)) * _LETTER_WIDTH + 22

    def row_gap(self) -> float:
        """Return the space between two slots of a column: room for the labels in it."""
        beside = [
            text
            for text, sides in zip(self.texts, self.sides, strict=True)
            if sides[0] in ("top", "bottom")
        ]
        return max(map(len, beside)) * LINE_HEIGHT + 28

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


def scene(edges: Sequence[Edge], texts: Sequence[Lines], notes: Sequence[Lines]) -> Scene:
    """Lay out edges with their labels; `notes` are the labels between frame and final states."""
    plan = _Plan(edges, texts)
    slots = _slots(plan, max(map(width, notes)) + 24)
    boxes = {slot: box for (_, slot), box in slots.items() if isinstance(slot, State)}
    inner = [boxes[state] for state in OPEN]
    left = min(box.left for box in inner) - _FRAME_PAD
    right = max(box.right for box in inner) + _BULGE
    top = min(box.top for box in inner) - _LOOP_ROOM
    bottom = max(box.bottom for box in inner) + _FRAME_PAD
    frame = Box(left, top, right - left, bottom - top)
    width_, height = max(box.right for box in boxes.values()) + _MARGIN, bottom + _MARGIN
    return Scene(Box(0, 0, width_, height), boxes, tuple(_curves(plan, slots)), frame)


def _slots(plan: _Plan, note_room: float) -> dict[tuple[int, Slot], Box]:
    """Give every slot of every column its box."""
    gap = plan.row_gap()
    heights = [sum(map(plan.height, column)) + gap * (len(column) - 1) for column in plan.columns]
    middle = _MARGIN + _LOOP_ROOM + max(heights) / 2
    slots: dict[tuple[int, Slot], Box] = {}
    left = _MARGIN + _FRAME_PAD
    for number, column in enumerate(plan.columns):
        wide = plan.width(column)
        if number == len(plan.columns) - 1:
            left += note_room
        top = middle - heights[number] / 2
        for slot in column:
            slots[number, slot] = Box(left, top, wide, plan.height(slot))
            top += plan.height(slot) + gap
        left += wide
        if number < len(plan.columns) - 1:
            left += plan.column_gap(number)
    return slots
