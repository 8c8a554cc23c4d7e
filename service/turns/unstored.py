"""Turns that could not be kept when they ended: tried again, so many and for so long.

Each is tried after a pause, as soon as the database is known to keep something again, and before
its conversation goes on: what was said there must not be unknown to the next question.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import structlog

from service.domain import Leavings, TurnRecord
from service.errors import StorageUnavailable
from service.ports import Turns, Upstream
from service.settings.data import DatabaseSettings

logger = structlog.get_logger()

NOT_OURS = "It is no longer ours: somebody else has ended it, or its conversation was deleted."

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class _Late:
    record: TurnRecord
    left: Leavings
    until: float


@dataclass(slots=True, eq=False)
class Unstored:
    """The turns of this process that wait to be kept; each was said not to be stored.

    `export` is told what is stored late: somebody may have taken it for lost meanwhile.
    """

    turns: Turns
    upstream: Upstream
    export: Callable[[TurnRecord], None]
    settings: DatabaseSettings
    _waiting: OrderedDict[str, _Late] = field(default_factory=OrderedDict)
    _added: anyio.Event = field(default_factory=anyio.Event)
    _recovered: anyio.Event = field(default_factory=anyio.Event)

    @property
    def count(self) -> int:
        """How many turns wait."""
        return len(self._waiting)

    @property
    def said(self) -> dict[str, str]:
        """What each of them has said, by request id."""
        return {each: late.record.answer for each, late in self._waiting.items()}

    def add(self, record: TurnRecord, left: Leavings) -> None:
        """Try to keep a turn later; of too many the oldest is given up."""
        until = anyio.current_time() + self.settings.retry_timeout_s
        self._waiting[record.request_id] = _Late(record, left, until)
        while len(self._waiting) > self.settings.retries_limit:
            self._give_up(next(iter(self._waiting)), "too_many")
        self._added.set()

    async def run(self) -> None:
        """Keep what waits as soon as that is possible, until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            await self._added.wait()
            with anyio.move_on_after(pause_s):
                await self._recovered.wait()
            self._recovered = anyio.Event()
            pause_s = _FIRST_PAUSE_S if await self.keep() else min(2 * pause_s, _LONGEST_PAUSE_S)
            if not self._waiting:
                self._added = anyio.Event()

    def wake(self) -> None:
        """Try everything again at once: the database has just kept something."""
        if self._waiting:
            self._recovered.set()

    async def keep_of(self, conversation_id: str) -> None:
        """Keep what waits of a conversation; mostly nothing does, and nobody is asked.

        Raises:
            StorageUnavailable: that is not possible yet.
        """
        for late in list(self._waiting.values()):
            if late.record.conversation_id == conversation_id:
                await self._store(late)

    async def keep(self) -> bool:
        """Try to keep everything that waits, the oldest first; tell whether that was possible."""
        for request_id, late in list(self._waiting.items()):
            if request_id not in self._waiting:
                continue
            if anyio.current_time() > late.until:
                self._give_up(request_id, "too_late")
                continue
            try:
                await self._store(late)
            except StorageUnavailable:
                return False
        return True

    async def last(self) -> None:
        """Try once more, as the process is about to end, and say what is lost."""
        await self.keep()
        for request_id in list(self._waiting):
            self._give_up(request_id, "stopping")

    async def _store(self, late: _Late) -> None:
        request_id = late.record.request_id
        kept = await self.turns.end(late.record, late.left)
        for each in kept.unneeded if kept else ():
            self.upstream.forget(each)
        if self._waiting.pop(request_id, None) is None:
            # Somebody else has kept it meanwhile, and has said so.
            return
        if kept is None:
            logger.warning("turn.not_stored", request_id=request_id, cause=NOT_OURS)
            return
        self.export(late.record)
        logger.info("turn.stored_late", request_id=request_id)

    def _give_up(self, request_id: str, reason: str) -> None:
        del self._waiting[request_id]
        logger.error("turn.given_up", request_id=request_id, reason=reason)
