"""What the use cases work with, as the wiring has put it together."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from service.access.gate import Gate
from service.ports import (
    Conversations,
    Database,
    EmissionLog,
    Opinions,
    PausedTurns,
    Quotas,
    Redactor,
    Turns,
    Upstream,
)
from service.settings import Settings
from service.supervision import kept_running
from service.telemetry.metrics import Metrics
from service.turns.admission import Admission
from service.turns.afterwards import Afterwards
from service.turns.checkpoints import Checkpoints
from service.turns.live import LiveTurns
from service.turns.orphans import end_orphans
from service.turns.readers import Readers
from service.turns.retention import Retention
from service.turns.settle import Settler
from service.turns.unread import cancel_unread

type Task = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one process."""

    settings: Settings
    gate: Gate
    redactor: Redactor
    log: EmissionLog
    upstream: Upstream
    database: Database
    turns: Turns
    conversations: Conversations
    paused: PausedTurns
    quotas: Quotas
    opinions: Opinions
    admission: Admission
    settler: Settler
    afterwards: Afterwards
    checkpoints: Checkpoints
    retention: Retention
    live: LiveTurns
    readers: Readers
    metrics: Metrics

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run turns until the context is left; what the upstream keeps for us is deleted then."""
        async with (
            self.database.running(),
            self.gate.authenticator.running(),
            self.upstream.running(keeps=self.database.durable),
        ):
            async with self.log.running(), anyio.create_task_group() as beside:
                for task in self._tasks:
                    beside.start_soon(kept_running, task)
                async with self.live.running():
                    yield
                beside.cancel_scope.cancel()
            await self.settler.unstored.last()
            await self.afterwards.last()
            # What only this process could find again is of no use to anybody.
            for thread in await self.turns.close():
                self.upstream.forget(thread)

    @property
    def _tasks(self) -> tuple[Task, ...]:
        return (
            self._end_orphans,
            self._cancel_unread,
            self.settler.unstored.run,
            self.afterwards.run,
            self.checkpoints.run,
            self.retention.run,
        )

    async def _end_orphans(self) -> None:
        await end_orphans(self.log, self.settler, self.afterwards)

    async def _cancel_unread(self) -> None:
        await cancel_unread(self.live, self.readers, self._grace_s)

    @property
    def _grace_s(self) -> float:
        """Other processes say only so often that somebody reads a turn there."""
        grace_s = self.settings.disconnect_grace_s
        return max(grace_s, self.settings.redis.lease_s) if self.log.shared else grace_s
