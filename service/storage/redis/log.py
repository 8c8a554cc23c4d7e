"""An emission log in Redis streams: every process reads every turn, and ends those of dead ones.

What is promised, and why:

1. Readers are told what Redis has, so that who has seen something finds it again on any process.
2. When Redis does not take it within `patience_s`, the readers in the process that drives the
   turn are told all the same; those in others get `LogUnavailable` and come back. What was said
   in that time is brought to Redis as soon as it answers, even when it has lost all it had.
3. Should the owner die in just that time, what Redis did not get is lost: a reader that has seen
   more gets a `gap` and the end.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import cast

import anyio
import structlog

from service.domain import Estate, TurnIds
from service.errors import LogUnavailable, TurnUnknown
from service.ports import Orphan, TurnControl
from service.storage.redis.connection import milliseconds
from service.storage.redis.elsewhere import ATTEND, Elsewhere, add
from service.storage.redis.entries import Entry, Unreadable
from service.storage.redis.lease import Lease
from service.storage.redis.ownership import ADOPT
from service.storage.redis.process import Process
from service.storage.redis.writer import OwnTurn, Writer
from service.storage.turn_buffer import BufferReader, TurnBuffers
from service.supervision import kept_running
from statemachine import Emission, Interrupter

logger = structlog.get_logger()

_INTERRUPTERS = frozenset(Interrupter)
_CLOSE_WAIT_S = 5.0


class _Nobody:
    """Controls a turn that nobody drives any more."""

    def stop(self, by: Interrupter) -> None:
        """See `TurnControl.stop`."""

    def attend(self) -> None:
        """See `TurnControl.attend`."""

    def lose(self) -> None:
        """See `TurnControl.lose`."""


class RedisLog:
    """See `EmissionLog`; `turns` holds what this process drives, so that it can go on alone."""

    shared = True

    def __init__(self, process: Process, turns: TurnBuffers) -> None:
        self._process = process
        self._redis = process.redis
        self._keys = process.keys
        self._turns = turns
        self._own: dict[str, OwnTurn] = {}
        self._orphans: asyncio.Queue[Orphan] = asyncio.Queue()
        self._writer = Writer(process, self._over)
        self._lease = Lease(process, self._adopt, self._look, self._own.__contains__)
        self._elsewhere = Elsewhere(process, turns, self._told, self._lease.doubt)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """See `EmissionLog.running`; in the end what was said is brought to Redis."""
        try:
            async with anyio.create_task_group() as tasks:
                lease = self._lease
                for each in (self._writer.run, self._elsewhere.run, lease.run, lease.care):
                    tasks.start_soon(kept_running, each)
                try:
                    yield
                finally:
                    tasks.cancel_scope.cancel()
        finally:
            # After its lease others may own its turns, and end them.
            wait_s = min(_CLOSE_WAIT_S, self._process.times.lease_s)
            with anyio.move_on_after(wait_s, shield=True):
                await self._finish()
            with anyio.CancelScope(shield=True):
                await self._redis.close()

    @property
    def attached(self) -> bool:
        """See `EmissionLog.attached`."""
        return not self._writer.detached

    async def open(self, ids: TurnIds, estate: Estate, control: TurnControl) -> None:
        """See `EmissionLog.open`."""
        turn = OwnTurn(self._turns.open(ids), estate, control)
        self._own[ids.request_id] = turn
        try:
            await self._writer.open(turn)
        except BaseException:
            del self._own[ids.request_id]
            self._turns.drop(turn.buffer)
            raise

    def append(self, request_id: str, emissions: Sequence[Emission]) -> None:
        """See `EmissionLog.append`; of a turn that is lost nothing more is taken."""
        turn = self._own.get(request_id)
        if turn is None:
            return
        turn.hash(emissions)
        self._turns.append(request_id, emissions)
        self._writer.write(turn)

    async def flush(self, request_id: str) -> bool:
        """See `EmissionLog.flush`."""
        turn = self._own.get(request_id)
        if turn is None:
            return False
        await self._writer.settled(turn)
        return not turn.lost

    async def reader(self, request_id: str, after: int, user: str | None = None) -> BufferReader:
        """See `EmissionLog.reader`."""
        buffer = self._turns.find(request_id)
        if buffer is None or not buffer.ids.belongs_to(user):
            # A stranger waits for the answer of Redis as for what is not there, or in vain.
            return await self._reader_elsewhere(request_id, after, user)
        own = self._own.get(request_id)
        if own is None and await self._elsewhere.forgotten(request_id):
            self._turns.drop(buffer)
            raise TurnUnknown
        # What its first owner has said last may be known to its readers alone.
        return BufferReader(buffer, after, ahead=own is not None and own.adopted)

    async def stop(self, request_id: str, by: Interrupter) -> None:
        """See `EmissionLog.stop`."""
        if request_id in self._own:
            self._own[request_id].control.stop(by)
            return
        await self._elsewhere.stop(request_id, by)

    async def forget(self, request_ids: Sequence[str]) -> None:
        """See `EmissionLog.forget`; the memory of who has driven a turn counts no more then."""
        await self._elsewhere.forget(request_ids)

    async def orphan(self) -> Orphan:
        """See `EmissionLog.orphan`."""
        return await self._orphans.get()

    async def _finish(self) -> None:
        """Write what is left, and say that nothing is owned any more."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._writer.run)
            while unsettled := [each for each in self._own.values() if not each.settled]:
                for each in unsettled:
                    self._writer.write(each)
                await self._writer.settled(unsettled[0])
            with suppress(LogUnavailable):
                await self._lease.end()
            tasks.cancel_scope.cancel()

    async def _reader_elsewhere(
        self, request_id: str, after: int, user: str | None
    ) -> BufferReader:
        try:
            return await self._elsewhere.reader(request_id, after, user)
        except TurnUnknown as unknown:
            if self._lease.unsure:
                raise LogUnavailable("The turn may be about to be brought back.") from unknown
            raise

    def _told(self, request_id: str, signal: str) -> None:
        """Do what another process has told this one."""
        turn = self._own.get(request_id)
        if turn is None:
            return
        if signal == ATTEND:
            turn.control.attend()
        elif signal in _INTERRUPTERS:
            turn.control.stop(Interrupter(signal))

    def _over(self, turn: OwnTurn) -> None:
        """Take note that a turn has ended in Redis, or that another process owns it."""
        self._own.pop(turn.request_id, None)
        if turn.lost:
            logger.warning("turn.fenced", request_id=turn.request_id)
            turn.control.lose()
            self._turns.drop(turn.buffer)
            turn.buffer.forget(turn.acked)
            turn.buffer.unavailable = True
            turn.buffer.wake()

    async def _look(self, running: Mapping[str, str]) -> None:
        """See what has become of the turns that this process drives, and of those it follows."""
        name, unsure = self._process.name, self._lease.unsure
        own = self._own.values()
        self._writer.check([each for each in own if unsure or running.get(each.request_id) != name])
        await self._elsewhere.look()

    async def _adopt(self, request_id: str, owner: str) -> None:
        """Take over a turn of a dead process, unless another one is faster."""
        try:
            await self._take_over(request_id, owner)
        except TurnUnknown:
            await self._redis.ask("HDEL", self._keys.running, request_id)
        except Unreadable as unreadable:
            logger.warning("turn.unreadable", request_id=request_id, cause=unreadable.cause)

    async def _take_over(self, request_id: str, owner: str) -> None:
        """Take over a turn that this version can read; what is said until then comes as well."""
        keys, name = self._keys, self._process.name
        kept = await self._elsewhere.load(request_id)
        if owner != name:
            names = (keys.turn(request_id), keys.log(request_id), keys.running, keys.lease(owner))
            run_ms = milliseconds(self._process.times.run_s)
            if not await self._redis.run(ADOPT, names, request_id, owner, name, run_ms):
                return
        buffer = kept.buffer
        held, entries = await self._redis.ask_all(
            (
                ("HMGET", keys.turn(request_id), "fence", "digest"),
                ("XRANGE", keys.log(request_id), b"(%d-0" % buffer.latest, "+"),
            )
        )
        fence, digest = cast("list[bytes | None]", held)
        add(buffer, cast("list[Entry]", entries))
        if fence is None or buffer.terminal is not None or request_id in self._own:
            return
        ended = self._turns.find(request_id)
        turn = OwnTurn(
            ended or buffer, kept.estate, _Nobody(), int(fence), buffer.latest, adopted=True
        )
        self._own[request_id] = turn
        if ended is not None:
            # Redis has lost how the turn has ended, and this process still knows.
            self._writer.write(turn)
            return
        logger.warning("turn.adopted", request_id=request_id, owner=owner)
        self._turns.take(buffer)
        said = tuple(buffer.emissions)
        turn.hash(said)
        self._orphans.put_nowait(Orphan(buffer.ids, turn.estate, said, (digest or b"").decode()))
