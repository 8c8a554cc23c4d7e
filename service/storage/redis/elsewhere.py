"""Turns that other processes drive, as far as they are read here."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import batched
from typing import cast

from service.domain import Estate, TurnIds
from service.errors import LogUnavailable, TurnUnknown
from service.storage.redis.connection import Run, milliseconds
from service.storage.redis.entries import Entry, emission_of, estate_of
from service.storage.redis.ownership import FORGET
from service.storage.redis.process import Process
from service.storage.redis.tail import Tail
from service.storage.turn_buffer import BufferReader, TurnBuffer, TurnBuffers
from statemachine import Interrupter

ATTEND = "attend"
"""Tells the owner of a turn that somebody reads it; else the signal is who stops it."""

_READ = ("conversation", "user", "estate", "owner", "ended", "forgotten")

_MISSED = 2
"""How often a followed turn may be missing in Redis before its readers are sent away."""

_AT_ONCE = 500
"""How many turns are forgotten in one round trip."""


@dataclass(slots=True, eq=False)
class Kept:
    """A turn as Redis has it. `missed` counts the looks that did not find it again."""

    buffer: TurnBuffer
    estate: Estate
    owner: str
    missed: int = 0

    @property
    def request_id(self) -> str:
        """Its id."""
        return self.buffer.ids.request_id


class Elsewhere:
    """Reads turns from Redis; one that is read is followed until nobody reads it any more."""

    def __init__(
        self,
        process: Process,
        turns: TurnBuffers,
        told: Callable[[str, str], None],
        failed: Callable[[], None],
    ) -> None:
        """See `Tail` for `told` and `failed`; `turns` says how much is kept of one."""
        self._redis = process.redis
        self._keys = process.keys
        self._times = process.times
        self._turns = turns
        self._failed = failed
        self._tail = Tail(process, told, self._ended, self._unreachable)
        self._followed: dict[str, Kept] = {}

    async def run(self) -> None:
        """Follow until cancelled."""
        await self._tail.run()

    async def reader(self, request_id: str, after: int, user: str | None = None) -> BufferReader:
        """Return a reader; one that is ahead of a running turn waits for it.

        Raises:
            TurnUnknown, CursorInvalid, LogUnavailable: see `EmissionLog.reader`.
        """
        kept = self._followed.get(request_id)
        if kept is None or not kept.buffer.ids.belongs_to(user):
            # Of a stranger's turn no more is told than of one that nobody follows here.
            kept = await self.load(request_id, user)
            kept = self._followed.get(request_id, kept)
        running = kept.buffer.terminal is None
        # What its owner has said may still be on its way to Redis.
        reader = BufferReader(kept.buffer, after, self._left, ahead=running)
        if running and request_id not in self._followed:
            self._followed[request_id] = kept
            try:
                await self._follow(kept)
            except BaseException:
                reader.close()
                raise
        return reader

    async def load(self, request_id: str, user: str | None = None) -> Kept:
        """Return a turn as far as Redis has it now.

        Raises:
            TurnUnknown, LogUnavailable: see `EmissionLog.reader`.
            Unreadable: it is of another version.
        """
        name = self._keys.turn(request_id)
        if user is not None:
            # The turn of a stranger may be large, and would tell so by the time that it takes.
            whose = cast("bytes | None", await self._redis.ask("HGET", name, "user"))
            if whose is None or whose.decode() != user:
                raise TurnUnknown
        asked = (("HMGET", name, *_READ), ("XRANGE", self._keys.log(request_id), "-", "+"))
        held, entries = await self._redis.ask_all(asked)
        conversation_id, whose, estate, owner, ended, gone = cast("list[bytes | None]", held)
        if conversation_id is None or estate is None or owner is None:
            raise TurnUnknown
        # Without a user, of an earlier version, it is nobody's.
        ids = TurnIds(request_id, conversation_id.decode(), (whose or b"").decode())
        buffer = self._turns.empty(ids)
        add(buffer, cast("list[Entry]", entries))
        if ended and (gone or buffer.terminal is None):
            # A Redis that is short of memory may have given up the log without its turn.
            raise TurnUnknown
        return Kept(buffer, estate_of(estate), owner.decode())

    async def stop(self, request_id: str, by: Interrupter) -> None:
        """Tell the owner of a turn to stop it.

        Raises:
            LogUnavailable: it cannot be reached.
        """
        owner = await self._redis.ask("HGET", self._keys.turn(request_id), "owner")
        if owner is not None:
            await self._tail.tell(cast("bytes", owner).decode(), request_id, by)

    async def forget(self, request_ids: Sequence[str]) -> None:
        """See `EmissionLog.forget`."""
        keys, keep_ms = self._keys, milliseconds(self._times.keep_s)
        for some in batched(request_ids, _AT_ONCE):
            names = [(keys.turn(each), keys.log(each)) for each in some]
            await self._redis.run_all([Run(FORGET, each, (keep_ms,)) for each in names])

    async def forgotten(self, request_id: str) -> bool:
        """Tell whether a turn was forgotten; when Redis does not say so in time, it was not."""
        with suppress(LogUnavailable, TimeoutError):
            async with asyncio.timeout(self._times.patience_s):
                name = self._keys.turn(request_id)
                return bool(await self._redis.ask("HEXISTS", name, "forgotten"))
        return False

    async def look(self) -> None:
        """Tell owners who reads their turns; send away who reads what is there no more.

        Raises:
            LogUnavailable: Redis cannot be reached.
        """
        followed: Sequence[Kept] = tuple(self._followed.values())
        if not followed:
            return
        names = [self._keys.turn(each.request_id) for each in followed]
        there = await self._redis.ask_all([("HEXISTS", name, "fence") for name in names])
        for each, found in zip(followed, there, strict=True):
            each.missed = 0 if found else each.missed + 1
            if each.missed >= _MISSED:
                self._send_away(each)
        read = (each for each in followed if each.estate.cancels and each.buffer.readers)
        await self._tail.tell_all([(each.owner, each.request_id, ATTEND) for each in read])

    async def _follow(self, kept: Kept) -> None:
        await self._tail.follow(kept.buffer)
        if kept.estate.cancels:
            await self._tail.tell(kept.owner, kept.request_id, ATTEND)

    def _left(self, buffer: TurnBuffer) -> None:
        """Follow a turn no more that nobody reads any more."""
        kept = self._followed.get(buffer.ids.request_id)
        if kept is not None and kept.buffer is buffer:
            self._ended(buffer)
            self._tail.leave(buffer.ids.request_id)

    def _ended(self, buffer: TurnBuffer) -> None:
        self._followed.pop(buffer.ids.request_id, None)

    def _unreachable(self) -> None:
        """Send all readers away: nobody knows when there is more for them."""
        self._failed()
        for each in tuple(self._followed.values()):
            self._send_away(each)

    def _send_away(self, kept: Kept) -> None:
        self._ended(kept.buffer)
        self._tail.leave(kept.request_id)
        kept.buffer.unavailable = True
        kept.buffer.wake()


def add(buffer: TurnBuffer, entries: Sequence[Entry]) -> None:
    """Add what Redis has, which everybody may read.

    Raises:
        Unreadable: see `emission_of`.
    """
    for entry in entries:
        buffer.add(emission_of(entry))
    buffer.publish(buffer.latest)
