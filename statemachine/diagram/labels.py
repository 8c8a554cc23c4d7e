"""Where the labels of edges go: beside their own curve, and clear of everything else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from statemachine.diagram.shapes import Box, Curve, Point

LINE_HEIGHT = 12.0
_LETTER_WIDTH = 5.7
_SIDES: tuple[Point, ...] = ((0, -1), (0, 1), (1, 0), (-1, 0))
_GAP = 4.0


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
    """Return one box per label; the largest choose first."""
    points = {index: tuple(label.curve.points()) for index, label in enumerate(labels)}
    found: dict[int, Box] = {}
    for index in sorted(points, key=lambda each: -labels[each].size[0] * labels[each].size[1]):
        obstacles = [*taken, *found.values()]
        others = [point for each, way in points.items() if each != index for point in way]
        own = points[index]

        def price(candidate: tuple[float, Box]) -> float:
            offset, box = candidate
            return offset + _price(box, obstacles, others, own, page)  # noqa: B023 # called here

        found[index] = min(_candidates(own, labels[index].size), key=price)[1]
    return tuple(found[index] for index in range(len(labels)))


def _candidates(way: tuple[Point, ...], size: Point) -> Iterator[tuple[float, Box]]:
    """Yield boxes beside the curve, each with how far from its middle it is."""
    wide, high = size
    for number in range(1, len(way), 2):
        offset = abs(number / len(way) - 0.5) * 6
        x, y = way[number]
        for across, down in _SIDES:
            center = (x + across * (wide / 2 + _GAP), y + down * (high / 2 + _GAP))
            yield offset + abs(across), Box.around(center, wide, high)


def _price(
    box: Box,
    obstacles: Sequence[Box],
    others: Sequence[Point],
    own: Sequence[Point],
    page: Box,
) -> float:
    """Weigh a place: what it would cover, and what it leaves of the page."""
    roomy = box.grown(3)
    outside = roomy.width * roomy.height - roomy.overlap(page)
    covered = sum(roomy.overlap(obstacle) for obstacle in obstacles)
    crossed = sum(roomy.holds(point) for point in others)
    return 10 * (outside + covered) + 4 * crossed + 2 * sum(box.holds(point) for point in own)
