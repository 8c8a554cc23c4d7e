"""What the use cases need of the world, named by role."""

from service.ports.log import Claims, EmissionLog, LogReader, Orphan, Page, TurnControl
from service.ports.stores import Conversations, PausedTurns, Recorder, Tape
from service.ports.upstream import Moderator, Upstream, UpstreamBody, UpstreamTurn

__all__ = [
    "Claims",
    "Conversations",
    "EmissionLog",
    "LogReader",
    "Moderator",
    "Orphan",
    "Page",
    "PausedTurns",
    "Recorder",
    "Tape",
    "TurnControl",
    "Upstream",
    "UpstreamBody",
    "UpstreamTurn",
]
