"""Transcripts: one file per turn, for other programs."""

from service.domain import TurnRecord
from service.settings.data import TranscriptsSettings


class NoTranscripts:
    """Writes nothing; see `Transcripts`."""

    async def write(self, turn: TurnRecord) -> None:
        """See `Transcripts.write`."""

    async def expire(self, before: float) -> None:
        """See `Transcripts.expire`."""


def open_transcripts(settings: TranscriptsSettings) -> NoTranscripts:
    """Return where transcripts are written."""
    return NoTranscripts()
