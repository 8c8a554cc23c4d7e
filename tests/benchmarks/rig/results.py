"""Figures of one run: what was measured again and again, and what it comes to."""

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum

from tests.benchmarks.rig.measures import Idle, Load, Window

FEW, FIFTY, MANY = Load(20, 50), Load(50, 50), Load(200, 50)
THOUSAND = Load(1_000, 2.5)
UNPACED = Load(20)

_SATURATED = 0.9


class Quantity(StrEnum):
    """What is measured, with its unit."""

    CPU = "CPU per token, us"
    RATE = "tokens per s"
    HALF = "delay of a token, p50, ms"
    MOST = "delay of a token, p99, ms"
    MEMORY = "memory of an open stream, KiB"
    OPENING = "CPU to open a stream, ms"


type Measure = tuple[Quantity, Load | None]


@dataclass(slots=True)
class _Figure:
    """Values of several rounds; one of a disturbed window counts only where no other is."""

    calm: list[float] = field(default_factory=list)
    disturbed: list[float] = field(default_factory=list)

    @property
    def values(self) -> list[float]:
        return self.calm or self.disturbed


class Results:
    """All figures by measure and target."""

    def __init__(self) -> None:
        self._figures: defaultdict[tuple[Measure, str], _Figure] = defaultdict(_Figure)
        self._shares: defaultdict[tuple[Load, str], list[float]] = defaultdict(list)

    def add(self, target: str, load: Load, window: Window) -> None:
        """Keep a window."""
        if load.pace is None:
            seen = {Quantity.RATE: window.tokens_per_s, Quantity.CPU: window.token_us}
        else:
            seen = {
                Quantity.CPU: window.token_us,
                Quantity.HALF: window.delay_ms(50),
                Quantity.MOST: window.delay_ms(99),
            }
        for quantity, value in seen.items():
            figure = self._figures[(quantity, load), target]
            (figure.disturbed if window.disturbed else figure.calm).append(value)
        self._shares[load, target].append(window.busy)

    def add_idle(self, target: str, idle: Idle) -> None:
        """Keep what idle streams cost."""
        self._figures[(Quantity.MEMORY, None), target].calm.append(idle.stream_kib)
        self._figures[(Quantity.OPENING, None), target].calm.append(idle.opening_ms)

    def median(self, measure: Measure, target: str) -> float | None:
        """Return the median of the rounds, None where nothing was measured."""
        figure = self._figures.get((measure, target))
        return statistics.median(figure.values) if figure and figure.values else None

    def spread(self, measure: Measure, target: str) -> tuple[float, float]:
        """Return the least and the most of the rounds."""
        values = self._figures[measure, target].values
        return min(values), max(values)

    def disturbed(self, measure: Measure, target: str) -> bool:
        """Tell whether no round was calm."""
        return not self._figures[measure, target].calm

    def saturated(self, load: Load | None, target: str) -> bool:
        """Tell whether a target had no time left: its delays are then of no meaning."""
        return load is not None and statistics.median(self._shares[load, target]) > _SATURATED

    @property
    def measures(self) -> list[Measure]:
        """All measures of the run, in the order of the quantities."""
        seen = dict.fromkeys(measure for measure, _ in self._figures)
        return sorted(seen, key=lambda each: list(Quantity).index(each[0]))
