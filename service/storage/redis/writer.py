"""Brings what turns of this process say into Redis: whatever is ready, in one round trip.

Nothing waits for more. While one round trip is under way the next one gathers, so that there are
fewer of them the more there is to say.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, cast

import structlog

from service.domain import Estate
from service.errors import LogUnavailable
from service.ports import TurnControl
from service.storage.redis.connection import Argument, Reply, Run, SharedRedis, milliseconds
from service.storage.redis.ownership import APPEND, FENCED, OPEN, UNKNOWN, behind
from service.storage.redis.process import Process
from service.storage.redis.values import encode
from service.storage.turn_buffer import TurnBuffer
from statemachine import Emission, pack

logger = structlog.get_logger()

_REFUSALS = 10
_REFUSED_S = 1.0
"""How often, and how much later, is said again what Redis has refused."""

_BURST = 500
"""Emissions of one turn in one round trip: a long backlog must not hold the others up."""


@dataclass(slots=True, eq=False)
class OwnTurn:
    """A turn that this process owns. `acked` is the last emission that Redis has.

    `adopted` tells that another process has owned it before, `unsure` that Redis may have lost it
    or given it to another.
    """

    buffer: TurnBuffer
    estate: Estate
    control: TurnControl
    fence: int = 1
    acked: int = 0
    adopted: bool = False
    unsure: bool = False
    lost: bool = False
    refusals: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    waiters: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def request_id(self) -> str:
        """Its id."""
        return self.buffer.ids.request_id

    @property
    def settled(self) -> bool:
        """Tell whether there is nothing to wait for."""
        return self.lost or (self.acked >= self.buffer.latest and not self.unsure)

    def hash(self, emissions: Sequence[Emission]) -> None:
        """Keep the digest of all that is said: a turn may become too long to be kept whole."""
        for emission in emissions:
            if not emission.terminal:
                self.digest.update(emission.payload + b"\n")

    def release(self) -> None:
        """Wake who waits for it to be settled."""
        waiters, self.waiters = self.waiters, []
        for each in waiters:
            if not each.done():
                each.set_result(None)


class Writer:
    """Writes the turns of one process.

    `detached` tells that Redis does not keep up: readers in this process are then told without it.
    """

    def __init__(self, process: Process, over: Callable[[OwnTurn], None]) -> None:
        """`over` is called with each turn that has ended in Redis, or that is lost."""
        self._process = process
        self._redis = process.redis
        self._keys = process.keys
        self._times = process.times
        self._over = over
        self._waiting: dict[str, OwnTurn] = {}
        self._wanted = asyncio.Event()
        self._under_way: list[OwnTurn] = []
        self.detached = False

    async def open(self, turn: OwnTurn) -> None:
        """Take a turn that Redis does not have.

        Raises:
            LogUnavailable: it cannot be reached.
        """
        (reply,) = await self._redis.run_all((self._open(turn),))
        self._take(turn, reply)

    def check(self, turns: Iterable[OwnTurn]) -> None:
        """See how far Redis is with turns, of which it may have lost what it had."""
        for turn in turns:
            turn.unsure = True
            self._waiting[turn.request_id] = turn
            self._wanted.set()

    def write(self, turn: OwnTurn) -> None:
        """Bring what a turn has said into Redis as soon as can be."""
        self._waiting[turn.request_id] = turn
        if self.detached:
            turn.buffer.publish(turn.buffer.latest)
        self._wanted.set()

    async def settled(self, turn: OwnTurn) -> None:
        """Wait until Redis has all of a turn, or until that would take too long."""
        if turn.settled:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        turn.waiters.append(waiter)
        await asyncio.wait((waiter,), timeout=self._times.patience_s)

    async def run(self) -> None:
        """Write until cancelled."""
        delay_s = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await self._wanted.wait()
            began_at = loop.time()
            try:
                async with self._redis.held() as redis:
                    while True:
                        await self._wanted.wait()
                        self._wanted.clear()
                        began_at = loop.time()
                        await self._write_all(redis)
                        delay_s = 0.0
            except LogUnavailable:
                self._run_out(began_at)
                delay_s = min(max(2 * delay_s, 0.05), 1.0)
                await asyncio.sleep(delay_s)
                self._wanted.set()

    async def _write_all(self, redis: SharedRedis) -> None:
        turns = [each for each in self._waiting.values() if not each.settled]
        self._under_way, self._waiting = turns, {}
        if not turns:
            return
        newest = [each.buffer.latest for each in turns]
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        patience = loop.call_later(self._times.patience_s, self._run_out, began_at)
        try:
            replies = await redis.run_each([self._run(turn) for turn in turns])
        except LogUnavailable:
            self._waiting = {turn.request_id: turn for turn in turns} | self._waiting
            raise
        finally:
            patience.cancel()
            self._under_way = []
        for turn, reply in zip(turns, replies, strict=True):
            if reply is None:
                self._refuse(turn)
            else:
                self._take(turn, reply)
        in_time = loop.time() < patience.when()
        taken = [each is not None for each in replies]
        if in_time and all(map(_has, compress(turns, taken), compress(newest, taken))):
            self._attach()

    def _run(self, turn: OwnTurn) -> Run:
        return self._open(turn) if turn.unsure else self._append(turn)

    def _open(self, turn: OwnTurn) -> Run:
        ids, keys, times = turn.buffer.ids, self._keys, self._times
        names = (keys.turn(ids.request_id), keys.log(ids.request_id), keys.running)
        return Run(
            OPEN,
            (*names, keys.lease(self._process.name)),
            (
                ids.request_id,
                self._process.name,
                turn.fence,
                ids.conversation_id,
                encode(turn.estate),
                milliseconds(times.run_s),
                milliseconds(times.lease_s),
                ids.user,
            ),
        )

    def _append(self, turn: OwnTurn) -> Run:
        buffer, keys, times = turn.buffer, self._keys, self._times
        trimmed = buffer.earliest > 1
        emissions = buffer.after(max(turn.acked, buffer.earliest - 1), buffer.latest)
        if not trimmed:
            # Else the digest, which is that of all, goes along.
            emissions = emissions[:_BURST]
        arguments: list[Argument] = [
            turn.request_id,
            turn.fence,
            milliseconds(times.run_s),
            milliseconds(times.keep_s) if emissions[-1].terminal else "",
            buffer.earliest,
            len(buffer.emissions) if trimmed else "",
            turn.digest.hexdigest() if trimmed else "",
        ]
        for emission in emissions:
            arguments += (emission.number, *pack(emission))
        names = (keys.turn(turn.request_id), keys.log(turn.request_id), keys.running)
        return Run(APPEND, names, tuple(arguments))

    def _take(self, turn: OwnTurn, reply: Reply) -> None:
        """Take note of how far Redis has come with a turn."""
        if isinstance(reply, list):
            fence, number = cast("list[int]", reply)
            number = number if fence == turn.fence else FENCED
            turn.unsure = False
        else:
            number = cast("int", reply)
        if number == FENCED:
            self._lose(turn)
            return
        # A restarted Redis has lost it; only who owns a turn can know what was in it.
        turn.unsure = turn.unsure or number == UNKNOWN
        missing = behind(number)
        turn.acked = max(number, 0) if missing is None else missing
        turn.buffer.publish(turn.acked)
        if not turn.settled:
            self._waiting.setdefault(turn.request_id, turn)
            self._wanted.set()
            return
        turn.release()
        if turn.buffer.ended_at is not None:
            self._over(turn)

    def _refuse(self, turn: OwnTurn) -> None:
        """Go on without Redis with a turn that it does not take, whatever that is; not for ever."""
        turn.refusals += 1
        turn.buffer.publish(turn.buffer.latest)
        if turn.buffer.ended_at is not None and turn.refusals >= _REFUSALS:
            turn.release()
            self._over(turn)
            return
        asyncio.get_running_loop().call_later(_REFUSED_S, self.write, turn)

    def _lose(self, turn: OwnTurn) -> None:
        turn.lost = True
        self._waiting.pop(turn.request_id, None)
        turn.release()
        self._over(turn)

    def _run_out(self, began_at: float) -> None:
        """Go on without Redis, unless it is this process that stood still for its whole lease.

        It may own nothing any more, and Redis, asked once more, will say so.
        """
        times = self._times
        if asyncio.get_running_loop().time() - began_at <= times.patience_s + times.lease_s:
            self._detach()

    def _detach(self) -> None:
        """Let the readers in this process have what Redis does not take in time."""
        if not self.detached:
            self.detached = True
            logger.warning("log.detached", turns=len(self._under_way) + len(self._waiting))
        for turn in (*self._under_way, *self._waiting.values()):
            turn.buffer.publish(turn.buffer.latest)

    def _attach(self) -> None:
        """Let readers wait for Redis again, which has all that it was told, and in time."""
        if self.detached:
            self.detached = False
            logger.info("log.attached")


def _has(turn: OwnTurn, number: int) -> bool:
    return turn.lost or turn.acked >= number
