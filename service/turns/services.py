"""What the use cases work with, as the wiring has put it together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from service.ports import Conversations, EmissionLog, PausedTurns, Upstream
from service.settings import Settings
from service.supervision import kept_running
from service.turns.admission import Admission
from service.turns.live import LiveTurns
from service.turns.orphans import end_orphans
from service.turns.readers import Readers
from service.turns.settle import Settler
from service.turns.unread import cancel_unread


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one process."""

    settings: Settings
    log: EmissionLog
    upstream: Upstream
    conversations: Conversations
    paused: PausedTurns
    admission: Admission
    settler: Settler
    live: LiveTurns
    readers: Readers

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run turns until the context is left; what the upstream keeps for us is deleted then."""
        async with self.upstream.running():
            async with self.log.running(), anyio.create_task_group() as watching:
                watching.start_soon(kept_running, self._end_orphans)
                watching.start_soon(kept_running, self._cancel_unread)
                async with self.live.running():
                    yield
                watching.cancel_scope.cancel()
            # What only this process could find again is of no use to anybody.
            for thread in (*await self.conversations.close(), *await self.paused.close()):
                self.upstream.forget(thread)

    async def _end_orphans(self) -> None:
        await end_orphans(self.log, self.settler)

    async def _cancel_unread(self) -> None:
        await cancel_unread(self.live, self.readers, self._grace_s)

    @property
    def _grace_s(self) -> float:
        """Other processes say only so often that somebody reads a turn there."""
        grace_s = self.settings.disconnect_grace_s
        return max(grace_s, self.settings.redis.lease_s) if self.log.shared else grace_s
