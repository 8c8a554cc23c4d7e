"""Boxes and curves in the plane, in pixels, with y growing downwards."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import dist

type Point = tuple[float, float]
type Bend = tuple[Point, Point, Point]

_SAMPLE_GAP = 3.0
LOOP_DEPTH = 10.0
_HEAD_LENGTH, _HEAD_HALF_WIDTH = 7.0, 3.4


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; `left` and `top` are its smallest coordinates."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def around(cls, center: Point, width: float, height: float) -> "Box":
        """Return the box of this size with this center."""
        return cls(center[0] - width / 2, center[1] - height / 2, width, height)

    @property
    def right(self) -> float:
        """The largest x."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The largest y."""
        return self.top + self.height

    @property
    def center(self) -> Point:
        """The middle."""
        return (self.left + self.width / 2, self.top + self.height / 2)

    def grown(self, margin: float) -> "Box":
        """Return the box with a margin on every side."""
        return Box.around(self.center, self.width + 2 * margin, self.height + 2 * margin)

    def overlap(self, other: "Box") -> float:
        """Return the area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        if width <= 0:
            return 0.0
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return width * max(height, 0.0)

    def holds(self, point: Point) -> bool:
        """Tell whether a point is inside."""
        return self.left <= point[0] <= self.right and self.top <= point[1] <= self.bottom

    def border(self) -> tuple["Box", ...]:
        """Return its four sides as boxes of no more than a line."""
        return (
            Box(self.left, self.top, self.width, 1),
            Box(self.left, self.bottom, self.width, 1),
            Box(self.left, self.top, 1, self.height),
            Box(self.right, self.top, 1, self.height),
        )


@dataclass(frozen=True, slots=True)
class Curve:
    """Cubic Bezier curves, one after the other; each bend is two control points and an end."""

    start: Point
    bends: tuple[Bend, ...]

    @property
    def path(self) -> str:
        """The curve as SVG path data."""
        moves = ("C" + " ".join(_pair(point) for point in bend) for bend in self.bends)
        return f"M{_pair(self.start)}{''.join(moves)}"

    @property
    def head(self) -> str:
        """The points of the arrow head at the end, as SVG polygon data."""
        _, (before_x, before_y), (x, y) = self.bends[-1]
        length = dist((x, y), (before_x, before_y))
        along_x, along_y = (x - before_x) / length, (y - before_y) / length
        back = (x - along_x * _HEAD_LENGTH, y - along_y * _HEAD_LENGTH)
        aside = (-along_y * _HEAD_HALF_WIDTH, along_x * _HEAD_HALF_WIDTH)
        corners = (
            (x, y),
            (back[0] + aside[0], back[1] + aside[1]),
            (back[0] - aside[0], back[1] - aside[1]),
        )
        return " ".join(_pair(corner) for corner in corners)

    def cells(self, size: int) -> frozenset[Point]:
        """Return the middles of the cells of a grid that the curve goes through."""
        return frozenset(
            (x // size * size + size / 2, y // size * size + size / 2) for x, y in self.points()
        )

    def points(self) -> Iterator[Point]:
        """Yield points along the curve, a few pixels from each other."""
        start = self.start
        for bend in self.bends:
            knots = (start, *bend)
            length = sum(dist(one, other) for one, other in pairwise(knots))
            samples = int(length / _SAMPLE_GAP) + 2
            for number in range(samples):
                yield _at(start, bend, (number + 0.5) / samples)
            start = bend[-1]


def sideways(points: list[Point]) -> Curve:
    """Return a curve through points that leaves and enters each of them horizontally."""
    bends: list[Bend] = []
    for (x, y), (to_x, to_y) in pairwise(points):
        middle = (x + to_x) / 2
        bends.append(((middle, y), (middle, to_y), (to_x, to_y)))
    return Curve(points[0], tuple(bends))


def upright(start: Point, end: Point) -> Curve:
    """Return a curve between two points that leaves and enters vertically."""
    middle = (start[1] + end[1]) / 2
    return Curve(start, (((start[0], middle), (end[0], middle), end),))


def bulging(start: Point, end: Point, reach: float) -> Curve:
    """Return a curve that leaves to the right, swings out, and comes back from the right."""
    far = max(start[0], end[0]) + reach
    return Curve(start, (((far, start[1]), (far, end[1]), end),))


def loop(box: Box) -> Curve:
    """Return a curve from a box to itself, around its upper right corner."""
    start, end = (box.right - 20, box.top), (box.right, box.top + LOOP_DEPTH)
    return Curve(start, (((start[0], box.top - 34), (box.right + 34, end[1]), end),))


def _at(start: Point, bend: Bend, part: float) -> Point:
    rest = 1 - part
    weights = (rest**3, 3 * rest**2 * part, 3 * rest * part**2, part**3)
    knots = (start, *bend)
    return (
        sum(weight * knot[0] for weight, knot in zip(weights, knots, strict=True)),
        sum(weight * knot[1] for weight, knot in zip(weights, knots, strict=True)),
    )


def _pair(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"
