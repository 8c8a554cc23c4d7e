"""What was found out about tokens: kept for a short time, and found out once at a time.

Tokens are known here by their SHA-256 only.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio

from service.domain import Identity
from service.errors import ServiceError


class Refusal(NamedTuple):
    """Why somebody is refused; an error that is raised twice would grow."""

    error: type[ServiceError]
    cause: str


type Verdict = Identity | Refusal


class KeptVerdicts:
    """Verdicts by token for a time; of too many, the oldest go."""

    def __init__(self, ttl_s: float, limit: int, clock: Callable[[], float]) -> None:
        self._ttl_s = ttl_s
        self._limit = limit
        self._clock = clock
        self._kept: dict[str, tuple[float, Verdict]] = {}

    def get(self, key: str) -> Verdict | None:
        """Return a verdict that is still good."""
        ends_at, verdict = self._kept.get(key, (0.0, None))
        return verdict if self._clock() < ends_at else None

    def keep(self, key: str, verdict: Verdict) -> None:
        """Keep a verdict from now on."""
        self._kept.pop(key, None)
        if len(self._kept) >= self._limit:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (self._clock() + self._ttl_s, verdict)


@dataclass(slots=True, eq=False)
class _Review:
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    verdict: Verdict | None = None
    waiting: int = 0


class SharedReviews:
    """Reviews of tokens, one at a time for each; who comes meanwhile gets the same verdict."""

    def __init__(self) -> None:
        self._reviews: dict[str, _Review] = {}

    async def verdict(self, key: str, review: Callable[[], Awaitable[Verdict]]) -> Verdict:
        """Return the verdict of a review; when who began it leaves, the next one begins anew."""
        shared = self._reviews.setdefault(key, _Review())
        shared.waiting += 1
        try:
            async with shared.lock:
                if shared.verdict is None:
                    shared.verdict = await review()
                return shared.verdict
        finally:
            shared.waiting -= 1
            if not shared.waiting:
                del self._reviews[key]
