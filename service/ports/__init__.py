"""What the use cases need of the world, named by role."""

from service.ports.access import Authenticator, Redacted, Redactor
from service.ports.log import Claims, EmissionLog, LogReader, Orphan, Page, TurnControl
from service.ports.stores import (
    Conversations,
    Database,
    Opinions,
    PausedTurns,
    Quotas,
    Recorder,
    Tape,
    Transcripts,
    Turns,
)
from service.ports.upstream import Moderator, Upstream, UpstreamBody, UpstreamTurn

__all__ = [
    "Authenticator",
    "Claims",
    "Conversations",
    "Database",
    "EmissionLog",
    "LogReader",
    "Moderator",
    "Opinions",
    "Orphan",
    "Page",
    "PausedTurns",
    "Quotas",
    "Recorder",
    "Redacted",
    "Redactor",
    "Tape",
    "Transcripts",
    "TurnControl",
    "Turns",
    "Upstream",
    "UpstreamBody",
    "UpstreamTurn",
]
