"""An emission log in the memory of one process.

Bounded: per turn the oldest emissions go (a later resume says `gap`); in all, ended turns go,
the oldest first; an ended turn goes after its time to live. Turns that run are never dropped,
so there is a limit for them too.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from service.domain import TurnIds
from service.errors import CursorInvalid, TooManyTurns, TurnUnknown
from service.ports import Page
from statemachine import Emission

_OVERHEAD_BYTES = 300
"""What an emission costs in memory besides its payload, measured roughly."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of a memory log."""

    running_turns: int
    turn_bytes: int
    total_bytes: int
    ttl_s: float


@dataclass(slots=True, eq=False)
class _Entry:
    ids: TurnIds
    emissions: deque[Emission] = field(default_factory=deque)
    earliest: int = 1
    latest: int = 0
    size_bytes: int = 0
    ended_at: float | None = None
    waiters: set[asyncio.Future[None]] = field(default_factory=set)

    def after(self, number: int) -> list[Emission]:
        """Return what follows a number; walks from the newest, because readers are near it."""
        missing = min(self.latest - number, len(self.emissions))
        return [self.emissions[index] for index in range(-missing, 0)]


class MemoryLogReader:
    """One reader; it holds on to its turn, so that eviction cannot take it away."""

    def __init__(self, entry: _Entry, after: int) -> None:
        self.ids = entry.ids
        self._entry = entry
        self._after = after

    async def read(self, wait_s: float) -> Page:
        """See `LogReader.read`."""
        entry = self._entry
        if entry.latest == self._after:
            await self._wait(wait_s)
        page = Page(entry.after(self._after), entry.earliest)
        self._after = entry.latest
        return page

    def at_end(self) -> bool:
        """See `LogReader.at_end`."""
        return self._entry.ended_at is not None and self._entry.latest == self._after

    async def _wait(self, wait_s: float) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._entry.waiters.add(waiter)
        try:
            await asyncio.wait((waiter,), timeout=wait_s)
        finally:
            self._entry.waiters.discard(waiter)


class MemoryLog:
    """See `EmissionLog`."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self._bounds = bounds
        self._clock = clock
        self._running: dict[str, _Entry] = {}
        self._ended: dict[str, _Entry] = {}
        self._size_bytes = 0

    async def open(self, ids: TurnIds) -> None:
        """See `EmissionLog.open`."""
        self._evict()
        if len(self._running) >= self._bounds.running_turns:
            limit = self._bounds.running_turns
            raise TooManyTurns(f"{limit} turns are running, which is the limit.")
        self._running[ids.request_id] = _Entry(ids)

    async def append(self, request_id: str, emission: Emission) -> None:
        """See `EmissionLog.append`."""
        entry = self._running[request_id]
        if emission.number <= entry.latest:
            return
        entry.emissions.append(emission)
        entry.latest = emission.number
        self._grow(entry, len(emission.payload) + _OVERHEAD_BYTES)
        while entry.size_bytes > self._bounds.turn_bytes and len(entry.emissions) > 1:
            self._grow(entry, -len(entry.emissions.popleft().payload) - _OVERHEAD_BYTES)
            entry.earliest += 1
        if emission.terminal:
            entry.ended_at = self._clock()
            self._ended[request_id] = self._running.pop(request_id)
            self._evict()
        for waiter in entry.waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def reader(self, request_id: str, after: int) -> MemoryLogReader:
        """See `EmissionLog.reader`."""
        self._evict()
        entry = self._running.get(request_id) or self._ended.get(request_id)
        if entry is None:
            raise TurnUnknown("The turn is not known here, or it is no longer kept.")
        if after > entry.latest:
            raise CursorInvalid(f"The turn has only come to event {entry.latest}.")
        return MemoryLogReader(entry, after)

    def _grow(self, entry: _Entry, size_bytes: int) -> None:
        entry.size_bytes += size_bytes
        self._size_bytes += size_bytes

    def _evict(self) -> None:
        """Drop ended turns, oldest first, that are too old or too much."""
        expired = self._clock() - self._bounds.ttl_s
        while self._ended:
            request_id, entry = next(iter(self._ended.items()))
            old = entry.ended_at is not None and entry.ended_at <= expired
            if not old and self._size_bytes <= self._bounds.total_bytes:
                return
            del self._ended[request_id]
            self._size_bytes -= entry.size_bytes
