"""What the use cases work with, as the wiring has put it together."""

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
