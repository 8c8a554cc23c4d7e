"""Claims in the memory of one process."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Claim:
    holder: str
    ends_at: float


class MemoryClaims:
    """See `Claims`; of too many, those go first that were claimed or renewed longest ago."""

    def __init__(self, limit: int = 100_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._kept: OrderedDict[str, _Claim] = OrderedDict()

    async def claim(self, key: str, holder: str, ttl_s: float) -> str:
        """See `Claims.claim`."""
        held = self._held(key)
        if held is not None:
            return held.holder
        self._keep(key, holder, ttl_s)
        return holder

    async def replace(self, key: str, holder: str, successor: str, ttl_s: float) -> bool:
        """See `Claims.replace`."""
        held = self._held(key)
        if held is None or held.holder != holder:
            return False
        self._keep(key, successor, ttl_s)
        return True

    async def release(self, key: str, holder: str) -> None:
        """See `Claims.release`."""
        held = self._held(key)
        if held is not None and held.holder == holder:
            del self._kept[key]

    def _held(self, key: str) -> _Claim | None:
        found = self._kept.get(key)
        return found if found is not None and found.ends_at > self._clock() else None

    def _keep(self, key: str, holder: str, ttl_s: float) -> None:
        self._kept[key] = _Claim(holder, self._clock() + ttl_s)
        self._kept.move_to_end(key)
        while self._kept:
            oldest, claim = next(iter(self._kept.items()))
            if len(self._kept) <= self._limit and claim.ends_at > self._clock():
                return
            del self._kept[oldest]
