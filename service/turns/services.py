"""What the use cases work with, as the wiring has put it together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from service.ports import Conversations, EmissionLog, PausedTurns, Upstream
from service.settings import Settings
from service.turns.live import LiveTurns


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one process."""

    settings: Settings
    log: EmissionLog
    upstream: Upstream
    conversations: Conversations
    paused: PausedTurns
    live: LiveTurns

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run turns until the context is left; what the upstream keeps for us is deleted then."""
        async with self.upstream.running():
            async with self.live.running():
                yield
            # What only this process could find again is of no use to anybody.
            for thread in (*await self.conversations.close(), *await self.paused.close()):
                self.upstream.forget(thread)
