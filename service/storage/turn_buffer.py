"""The emissions of turns in the memory of one process, for readers to follow.

Bounded: per turn the oldest emissions go (a later resume says `gap`); in all, ended turns go, the
oldest first; an ended turn goes after its time to live. Turns that run are never dropped, so there
is a limit for them too.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from service.domain import TurnIds
from service.errors import CursorInvalid, LogUnavailable, TooManyTurns
from service.ports import Page
from statemachine import Emission, Failure

_OWNER_LOST = "owner_lost"
_OVERHEAD_BYTES = 300
"""What an emission costs in memory besides its payload, measured roughly."""

_NEAR = 64
"""How many emissions from the end are reached faster one by one."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of what is kept."""

    running_turns: int
    turn_bytes: int
    total_bytes: int
    ttl_s: float


@dataclass(slots=True, eq=False)
class TurnBuffer:
    """The emissions of one turn, of which the oldest go. Readers see those up to `published`.

    `unavailable` is set when no more can come from where the emissions come from. `readers` is how
    many read it, and `waiters` are those of them that wait.
    """

    ids: TurnIds
    limit_bytes: int
    emissions: deque[Emission] = field(default_factory=deque)
    earliest: int = 1
    latest: int = 0
    published: int = 0
    size_bytes: int = 0
    ended_at: float | None = None
    unavailable: bool = False
    readers: int = 0
    waiters: set[asyncio.Future[None]] = field(default_factory=set)

    @property
    def terminal(self) -> Emission | None:
        """The terminal emission, once it is published."""
        last = self.emissions[-1] if self.emissions else None
        ended = last is not None and last.terminal and last.number <= self.published
        return last if ended else None

    @property
    def over(self) -> bool:
        """Tell whether nothing more will come."""
        return self.unavailable or self.terminal is not None

    @property
    def inherited(self) -> bool:
        """Tell whether the turn was ended by another process than its owner.

        What its owner has said while the log could not be reached is lost then, though readers
        may have seen it.
        """
        output = self.terminal.output if self.terminal else None
        return isinstance(output, Failure) and output.code == _OWNER_LOST

    def add(self, emission: Emission) -> int:
        """Add the next emission, unless it is there; returns by how many bytes it has grown."""
        if emission.number <= self.latest:
            return 0
        before = self.size_bytes
        if emission.number > self.latest + 1:
            # What is missing is kept nowhere: the turn begins anew, after a gap.
            self.emissions.clear()
            self.size_bytes, self.earliest = 0, emission.number
        self.emissions.append(emission)
        self.latest = emission.number
        self.size_bytes += len(emission.payload) + _OVERHEAD_BYTES
        while self.size_bytes > self.limit_bytes and len(self.emissions) > 1:
            self.size_bytes -= len(self.emissions.popleft().payload) + _OVERHEAD_BYTES
            self.earliest += 1
        return self.size_bytes - before

    def forget(self, after: int) -> None:
        """Drop what follows a number."""
        while self.emissions and self.emissions[-1].number > after:
            self.size_bytes -= len(self.emissions.pop().payload) + _OVERHEAD_BYTES
        self.latest = self.published = min(self.latest, after)

    def publish(self, number: int) -> None:
        """Let readers have the emissions up to `number`."""
        if number > self.published:
            self.published = number
            self.wake()

    def wake(self) -> None:
        """Let readers look at what is new."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)

    def after(self, number: int, until: int) -> list[Emission]:
        """Return what follows a number; most readers are near the newest."""
        emissions = self.emissions
        count = len(emissions)
        first = max(count - (self.latest - number), 0)
        # What is not published yet may have to go already.
        last = max(count - (self.latest - until), first)
        if count - first < _NEAR:
            return [emissions[index] for index in range(first - count, last - count)]
        return list(islice(emissions, first, last))

    async def wait(self, wait_s: float) -> None:
        """Wait until somebody wakes the readers; who waits without a limit pays for no timer."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(wait_s, _give_up, waiter) if wait_s < math.inf else None
        self.waiters.add(waiter)
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
            self.waiters.discard(waiter)


def _give_up(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class BufferReader:
    """See `LogReader`; it holds on to its turn, so that eviction cannot take it away.

    One that is ahead of its turn waits for it; when the turn ends before, it gets that end. An
    heir may number its end like something else that the owner had said.
    """

    __slots__ = ("_ahead", "_buffer", "_closed", "_left", "after", "ids")

    def __init__(
        self,
        buffer: TurnBuffer,
        after: int,
        left: Callable[[TurnBuffer], None] | None = None,
        *,
        ahead: bool = False,
    ) -> None:
        """`left` is called when the last reader of the turn has gone; `ahead`: it may be so.

        Raises:
            CursorInvalid: the turn has not come to `after` yet.
        """
        # Others may have read from elsewhere what is not published here yet.
        if after > buffer.latest and not (ahead or buffer.inherited):
            raise CursorInvalid(f"The turn has only come to event {buffer.latest}.")
        self.ids = buffer.ids
        self.after = after
        self._ahead = after > buffer.published
        self._buffer = buffer
        self._left = left
        self._closed = False
        buffer.readers += 1

    async def read(self, wait_s: float) -> Page:
        """See `LogReader.read`."""
        buffer = self._buffer
        if buffer.published <= self.after and not buffer.over:
            await buffer.wait(wait_s)
        if buffer.published > self.after:
            page = Page(buffer.after(self.after, buffer.published), buffer.earliest)
            self.after = buffer.published
            return page
        if buffer.terminal is not None and self._lacks_end():
            self.after, self._ahead = buffer.published, False
            return Page((buffer.terminal,), buffer.earliest)
        if buffer.unavailable:
            raise LogUnavailable("The connection to the log was lost.")
        return Page((), buffer.earliest)

    def _lacks_end(self) -> bool:
        buffer = self._buffer
        if buffer.published == self.after:
            return self._ahead and buffer.inherited
        return buffer.published < self.after

    def bytes_after(self, number: int) -> int:
        """See `LogReader.bytes_after`."""
        buffer = self._buffer
        return sum(len(each.payload) for each in buffer.after(number, buffer.published))

    def wake(self) -> None:
        """See `LogReader.wake`."""
        self._buffer.wake()

    @property
    def ended(self) -> bool:
        """See `LogReader.ended`."""
        return self._buffer.terminal is not None

    def at_end(self) -> bool:
        """See `LogReader.at_end`."""
        terminal = self._buffer.terminal
        return terminal is not None and terminal.number == self.after and not self._lacks_end()

    def close(self) -> None:
        """See `LogReader.close`."""
        if self._closed:
            return
        self._closed = True
        self._buffer.readers -= 1
        if not self._buffer.readers and self._left is not None:
            self._left(self._buffer)


class TurnBuffers:
    """The turns of one process: those that run, and those that have ended and are still kept."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self._bounds = bounds
        self._clock = clock
        self._running: dict[str, TurnBuffer] = {}
        self._ended: dict[str, TurnBuffer] = {}
        self._size_bytes = 0

    @property
    def kept(self) -> Sequence[TurnBuffer]:
        """The turns that run, and those that have ended; the newest last."""
        return (*self._running.values(), *self._ended.values())

    def open(self, ids: TurnIds) -> TurnBuffer:
        """Take a new turn.

        Raises:
            TooManyTurns: as many turns run as there may.
        """
        self._evict()
        if len(self._running) >= self._bounds.running_turns:
            limit = self._bounds.running_turns
            raise TooManyTurns(f"{limit} turns are running, which is the limit.")
        return self.take(self.empty(ids))

    def empty(self, ids: TurnIds) -> TurnBuffer:
        """Return a turn that has said nothing yet; it is not taken."""
        return TurnBuffer(ids, self._bounds.turn_bytes)

    def take(self, buffer: TurnBuffer) -> TurnBuffer:
        """Take a turn that runs, with what it has, over any limit."""
        self._running[buffer.ids.request_id] = buffer
        self._size_bytes += buffer.size_bytes
        return buffer

    def drop(self, buffer: TurnBuffer) -> None:
        """Give up a turn; its readers keep what they have not read yet."""
        for turns in (self._running, self._ended):
            if turns.get(buffer.ids.request_id) is buffer:
                del turns[buffer.ids.request_id]
                self._size_bytes -= buffer.size_bytes

    def append(self, request_id: str, emissions: Sequence[Emission]) -> TurnBuffer:
        """Append the next emissions of a turn; nobody is told yet."""
        buffer = self._running[request_id]
        for emission in emissions:
            self._size_bytes += buffer.add(emission)
        if emissions and emissions[-1].terminal:
            buffer.ended_at = self._clock()
            self._ended[request_id] = self._running.pop(request_id)
            self._evict()
        return buffer

    def find(self, request_id: str) -> TurnBuffer | None:
        """Return a turn, or None when it is not kept."""
        self._evict()
        return self._running.get(request_id) or self._ended.get(request_id)

    def _evict(self) -> None:
        """Drop ended turns, oldest first, that are too old or too much."""
        expired = self._clock() - self._bounds.ttl_s
        while self._ended:
            request_id, buffer = next(iter(self._ended.items()))
            old = buffer.ended_at is not None and buffer.ended_at <= expired
            if not old and self._size_bytes <= self._bounds.total_bytes:
                return
            del self._ended[request_id]
            self._size_bytes -= buffer.size_bytes
