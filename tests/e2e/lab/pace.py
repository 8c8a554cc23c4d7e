"""How fast the scripted model speaks."""

from dataclasses import dataclass, replace

_BEAT = (0, 6, -4, 9, -8, 2, -10, 5, 10, -6, 3, -2, 8)
"""The variation, in tenths; its length is a prime, so that it meets no rhythm of a text."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The pause after each token, how far it varies, and what the model needs to begin."""

    pause_ms: float
    variation: float = 0
    first_s: float = 0

    def pause_s(self, number: int) -> float:
        """Return how long the pause after the nth token is, the same every time."""
        beat = _BEAT[number % len(_BEAT)] / 10
        return self.pause_ms * (1 + self.variation * beat) / 1_000

    def changed(self, pause_ms: float | None) -> "Pace":
        """Return this pace with another pause, if there is one."""
        return self if pause_ms is None else replace(self, pause_ms=pause_ms)


NATURAL = Pace(pause_ms=34, variation=0.26, first_s=0.4)
"""Between 25 and 43 ms per token, as of a model of middle size."""
