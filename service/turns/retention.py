"""What is older than it may be is deleted, now and then."""

import time
from dataclasses import dataclass

import anyio
import structlog

from service.errors import StorageUnavailable
from service.ports import Conversations, PausedTurns, Recorder, Transcripts, Upstream
from service.settings.data import RetentionSettings

logger = structlog.get_logger()

_EVERY_S = 300.0


@dataclass(frozen=True, slots=True)
class Retention:
    """Deletes old turns, transcripts and recordings, and what the upstream has of what went."""

    conversations: Conversations
    paused: PausedTurns
    transcripts: Transcripts
    recorder: Recorder
    upstream: Upstream
    settings: RetentionSettings

    async def run(self) -> None:
        """Do so until cancelled; what fails is tried again the next time."""
        while True:
            try:
                await self.expire(time.time())
            except StorageUnavailable as unavailable:
                logger.warning("retention.failed", cause=unavailable.cause)
            await anyio.sleep(_EVERY_S)

    async def expire(self, now: float) -> None:
        """Delete what is too old at a time, in seconds since the epoch.

        Raises:
            StorageUnavailable: the database cannot be reached.
        """
        await self.recorder.expire()
        if self.settings.transcripts_s is not None:
            await self.transcripts.expire(now - self.settings.transcripts_s)
        gone = list(await self.paused.expired())
        if self.settings.turns_s is not None:
            gone += await self.conversations.expire(now - self.settings.turns_s)
        for each in gone:
            self.upstream.forget(each)
