"""A drawing with sizes: where every box and curve stands."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from statemachine.diagram.columns import Slot, chain
from statemachine.diagram.edges import Edge
from statemachine.diagram.labels import width
from statemachine.diagram.plan import PORT_GAP, Lines, Plan
from statemachine.diagram.shapes import Box, Curve, Point, bulging, loop, sideways, upright
from statemachine.states import State

_MARGIN = 12.0
_FRAME_PAD = 16.0
_BULGE = 130.0

type _Slots = dict[tuple[int, Slot], Box]
type _Ports = dict[tuple[int, int], Point]
"""Where an edge, by its number, begins (0) and ends (1)."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Boxes by state, curves in the order of the edges, and the frame around the open states."""

    page: Box
    boxes: dict[State, Box]
    curves: tuple[Curve, ...]
    frame: Box


def scene(edges: Sequence[Edge], texts: Sequence[Lines], notes: Sequence[Lines]) -> Scene:
    """Lay out edges with their labels; `notes` are the labels between frame and final states."""
    plan = Plan(edges, texts)
    note_room = max(map(width, notes)) + 36
    slots = _slots(plan, note_room)
    boxes = {slot: box for (_, slot), box in slots.items() if isinstance(slot, State)}
    last = len(plan.columns) - 1
    inner = [box for (number, _), box in slots.items() if number < last]
    left = min(box.left for box in inner) - _FRAME_PAD
    top = min(box.top for box in inner) - plan.loop_room()
    right = min(box.left for (number, _), box in slots.items() if number == last) - note_room
    frame = Box(left, top, right - left, max(box.bottom for box in inner) + _FRAME_PAD - top)
    right_most = max(box.right for box in boxes.values())
    lowest = max(frame.bottom, *(box.bottom for box in boxes.values()))
    page = Box(0, 0, right_most + _MARGIN, lowest + _MARGIN)
    return Scene(page, boxes, tuple(_curves(plan, slots)), frame)


def _slots(plan: Plan, note_room: float) -> _Slots:
    """Give every slot of every column its box."""
    heights = [plan.column_height(column) for column in plan.columns]
    middle = _MARGIN + plan.loop_room() + max(heights) / 2
    slots: _Slots = {}
    left = _MARGIN + _FRAME_PAD
    for number, column in enumerate(plan.columns):
        wide = plan.width(column)
        if number == len(plan.columns) - 1:
            left += note_room
        top = middle - heights[number] / 2
        for slot, above in zip(column, plan.row_gaps(column), strict=True):
            top += above
            slots[number, slot] = Box(left, top, wide, plan.height(slot))
            top += plan.height(slot)
        left += wide
        if number < len(plan.columns) - 1:
            left += plan.column_gap(number)
    return slots


def _curves(plan: Plan, slots: _Slots) -> Iterator[Curve]:
    """Draw every edge from port to port, through its waypoints."""
    ports = _ports(plan, slots)
    for number, (edge, sides) in enumerate(zip(plan.edges, plan.sides, strict=True)):
        if sides[0] == "corner":
            yield loop(slots[plan.rank[edge.source], edge.source])
            continue
        start, end = ports[number, 0], ports[number, 1]
        if sides[0] in ("top", "bottom"):
            yield upright(start, end)
        elif sides[0] == sides[1]:
            yield bulging(start, end, _BULGE)
        else:
            between = _stations(plan, slots, edge)[1:-1]
            passed = [point for box in between for point in _through(box, start, end)]
            yield sideways([start, *passed, end])


def _stations(plan: Plan, slots: _Slots, edge: Edge) -> list[Box]:
    step = 1 if plan.rank[edge.dest] > plan.rank[edge.source] else -1
    slot_numbers = enumerate(chain(edge, plan.rank))
    if plan.rank[edge.dest] == plan.rank[edge.source]:
        step = 0
    return [slots[plan.rank[edge.source] + step * number, slot] for number, slot in slot_numbers]


def _through(box: Box, start: Point, end: Point) -> tuple[Point, Point]:
    """Return where an edge enters and leaves a waypoint."""
    sides = ((box.left, box.center[1]), (box.right, box.center[1]))
    return sides if start[0] < end[0] else sides[::-1]


def _ports(plan: Plan, slots: _Slots) -> _Ports:
    """Spread the ends at each side of a state, in the order of where they come from."""
    crowds: dict[tuple[State, str], list[tuple[float, int, int]]] = defaultdict(list)
    for number, (edge, sides) in enumerate(zip(plan.edges, plan.sides, strict=True)):
        stations = _stations(plan, slots, edge)
        upright = sides[0] in ("top", "bottom")
        toward = [0.0 if upright else stations[at].center[1] for at in (1, -2)]
        crowds[edge.source, sides[0]].append((toward[0], number, 0))
        crowds[edge.dest, sides[1]].append((toward[1], number, 1))
    return {
        (number, end): _port(plan, slots, (state, side), index - (len(crowd) - 1) / 2)
        for (state, side), crowd in crowds.items()
        for index, (_, number, end) in enumerate(sorted(crowd))
    }


def _port(plan: Plan, slots: _Slots, anchor: tuple[State, str], place: float) -> Point:
    """Return the point at the side of a state that is so many places from the middle."""
    state, side = anchor
    box = slots[plan.rank[state], state]
    x, y = box.center
    match side:
        case "left" | "right":
            level = y + place * PORT_GAP + plan.port_shift(state)
            return (box.left if side == "left" else box.right, level)
        case _:
            return (x + place * box.width * 0.5, box.top if side == "top" else box.bottom)
