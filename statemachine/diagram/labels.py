"""Where the labels of edges go: beside their own curve, and clear of everything else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from operator import itemgetter

from statemachine.diagram.shapes import Box, Curve, Point

LINE_HEIGHT = 12.0
_LETTER_WIDTH = 5.7
_CELL = 4
_CLEARANCE = 3.0
_APART = 4.0
_STOPS = 22
_PASSES = 2
_INK_PRICE = 5.0
_STRANGER_PRICE = 0.4
_NEAR = 10.0
_COVER_PRICE = 10.0
_GAPS = (4.0, 8.0)
_SIDES = (
    *((0, -1), (0, 1), (1, 0), (-1, 0), (0.9, -1), (-0.9, -1), (0.9, 1), (-0.9, 1)),
    *((0.5, -1), (-0.5, -1), (0.5, 1), (-0.5, 1), (1, 0.5), (-1, 0.5), (1, -0.5), (-1, -0.5)),
)


@dataclass(frozen=True, slots=True)
class Label:
    """The lines at one curve."""

    lines: tuple[str, ...]
    curve: Curve

    @property
    def size(self) -> Point:
        """Width and height, as wide as a common sans-serif font of 10 px needs."""
        return width(self.lines), LINE_HEIGHT * len(self.lines)

    @property
    def area(self) -> float:
        """How much of the page it needs."""
        return self.size[0] * self.size[1]


def width(lines: Sequence[str]) -> float:
    """Return how wide some lines are."""
    return max(map(len, lines)) * _LETTER_WIDTH


def place(labels: Sequence[Label], taken: Sequence[Box], page: Box) -> tuple[Box, ...]:
    """Return one box per label, clear of `taken` where it can be.

    The largest choose first, and all choose again when they see the others.
    """
    ways = [label.curve.cells(_CELL) for label in labels]
    ink = _Ink(page, ways)
    rooms = [
        _Room(page, taken, ink, way, _ranked(label, ink))
        for label, way in zip(labels, ways, strict=True)
    ]
    found: dict[int, Box] = {}
    order = sorted(range(len(labels)), key=lambda each: -labels[each].area)
    for index in order * _PASSES:
        others = [box.grown(_APART) for each, box in found.items() if each != index]
        found[index] = rooms[index].choose(others)
    return tuple(found[index] for index in range(len(labels)))


class _Ink:
    """How much is drawn where, as sums over all cells above and to the left."""

    def __init__(self, page: Box, ways: Sequence[frozenset[Point]]) -> None:
        self._columns, self._rows = int(page.width // _CELL) + 1, int(page.height // _CELL) + 1
        cells = [[0] * self._columns for _ in range(self._rows)]
        for way in ways:
            for x, y in way:
                column, row = int(x // _CELL), int(y // _CELL)
                if 0 <= column < self._columns and 0 <= row < self._rows:
                    cells[row][column] += 1
        above = [0] * (self._columns + 1)
        self._sums = [above]
        for drawn in cells:
            sums = accumulate(drawn, initial=0)
            above = [one + other for one, other in zip(above, sums, strict=True)]
            self._sums.append(above)

    def within(self, box: Box) -> int:
        """Return how many cells with a curve a box covers."""
        left, right = self._column(box.left), self._column(box.right + _CELL)
        top, bottom = self._row(box.top), self._row(box.bottom + _CELL)
        low, high = self._sums[bottom], self._sums[top]
        return low[right] - low[left] - high[right] + high[left]

    def _column(self, x: float) -> int:
        return min(max(int(x // _CELL), 0), self._columns)

    def _row(self, y: float) -> int:
        return min(max(int(y // _CELL), 0), self._rows)


@dataclass(frozen=True, slots=True)
class _Room:
    """What stands on the page where a label looks for its place."""

    page: Box
    taken: Sequence[Box]
    ink: _Ink
    own: frozenset[Point]
    ranked: Sequence[tuple[float, Box]]

    def choose(self, others: Sequence[Box]) -> Box:
        """Return the best place beside the other labels."""
        lowest = inf
        for known, candidate in self.ranked:
            if known >= lowest:
                break
            roomy = candidate.grown(_CLEARANCE)
            price = known + _COVER_PRICE * self._covered(roomy, others)
            if price < lowest:
                price += _STRANGER_PRICE * self._strangers(candidate.grown(_NEAR))
            if price < lowest:
                lowest, best = price, candidate
        return best

    def _strangers(self, box: Box) -> int:
        """Return how much of other curves is near, so that nobody takes the label for theirs."""
        return self.ink.within(box) - sum(box.holds(cell) for cell in self.own)

    def _covered(self, box: Box, others: Sequence[Box]) -> float:
        """Return how much a place would cover, and leave of the page."""
        outside = box.width * box.height - box.overlap(self.page)
        return outside + sum(box.overlap(obstacle) for obstacle in (*self.taken, *others))


def _ranked(label: Label, ink: _Ink) -> list[tuple[float, Box]]:
    """Return the places of a label, cheapest first, each with what it costs whoever is near."""
    priced = (
        (offset + _INK_PRICE * ink.within(box.grown(_CLEARANCE)), box)
        for offset, box in _candidates(label)
    )
    return sorted(priced, key=itemgetter(0))


def _candidates(label: Label) -> Iterator[tuple[float, Box]]:
    """Yield boxes beside the curve, each with how far from its middle it is."""
    wide, high = label.size
    way = tuple(label.curve.points())
    for number in range(1, len(way), max(1, len(way) // _STOPS)):
        offset = abs(number / len(way) - 0.5) * 12
        x, y = way[number]
        for across, down in _SIDES:
            for gap in _GAPS:
                center = (x + across * (wide / 2 + gap), y + down * (high / 2 + gap))
                yield offset + abs(across) + gap / 2, Box.around(center, wide, high)
