"""Where the labels of edges go: beside their own curve, and clear of everything else."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from statemachine.diagram.shapes import Box, Curve, Point

LINE_HEIGHT = 12.0
_LETTER_WIDTH = 5.7
_GAP = 4.0
_CELL = 4
_SIDES = ((0, -1), (0, 1), (1, 0), (-1, 0), (0.6, -1), (-0.6, -1), (0.6, 1), (-0.6, 1))

type Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Label:
    """The lines at one curve."""

    lines: tuple[str, ...]
    curve: Curve

    @property
    def size(self) -> Point:
        """Width and height, as wide as a common sans-serif font of 10 px needs."""
        return width(self.lines), LINE_HEIGHT * len(self.lines)


def width(lines: Sequence[str]) -> float:
    """Return how wide some lines are."""
    return max(map(len, lines), default=0) * _LETTER_WIDTH


def place(labels: Sequence[Label], taken: Sequence[Box], page: Box) -> tuple[Box, ...]:
    """Return one box per label, clear of `taken` where it can be; the largest choose first."""
    ways = [_cells(label.curve) for label in labels]
    drawn = Counter(cell for way in ways for cell in way)
    found: dict[int, Box] = {}
    for index in sorted(range(len(labels)), key=lambda each: -_area(labels[each])):
        room = _Room(page, [*taken, *found.values()], drawn)
        found[index] = min(_candidates(labels[index]), key=room.price)[1]
    return tuple(found[index] for index in range(len(labels)))


@dataclass(frozen=True, slots=True)
class _Room:
    """What stands on the page when a label looks for its place."""

    page: Box
    obstacles: Sequence[Box]
    drawn: Counter[Cell]

    def price(self, candidate: tuple[float, Box]) -> float:
        """Weigh a place: what it would cover, what it leaves of the page, how far off it is."""
        offset, box = candidate
        roomy = box.grown(_GAP / 2)
        outside = roomy.width * roomy.height - roomy.overlap(self.page)
        covered = sum(roomy.overlap(obstacle) for obstacle in self.obstacles)
        crossed = sum(self.drawn[cell] for cell in _inside(roomy))
        return offset + crossed + 10 * (outside + covered)


def _area(label: Label) -> float:
    return label.size[0] * label.size[1]


def _cells(curve: Curve) -> frozenset[Cell]:
    return frozenset((int(x // _CELL), int(y // _CELL)) for x, y in curve.points())


def _inside(box: Box) -> Iterator[Cell]:
    for column in range(int(box.left // _CELL), int(box.right // _CELL) + 1):
        for row in range(int(box.top // _CELL), int(box.bottom // _CELL) + 1):
            yield column, row


def _candidates(label: Label) -> Iterator[tuple[float, Box]]:
    """Yield boxes beside the curve, each with how far from its middle it is."""
    wide, high = label.size
    way = tuple(label.curve.points())
    for number in range(1, len(way), 3):
        offset = abs(number / len(way) - 0.5) * 10
        x, y = way[number]
        for across, down in _SIDES:
            center = (x + across * (wide / 2 + _GAP), y + down * (high / 2 + _GAP))
            yield offset + abs(across), Box.around(center, wide, high)
