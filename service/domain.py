"""Plain values that the parts of the service hand to each other."""

from dataclasses import dataclass
from enum import StrEnum


class MediaType(StrEnum):
    """What a caller wants to read."""

    NATIVE = "application/json"
    TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A document that comes with a question."""

    attachment_type: str
    content_type: str
    content: str


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """A question, as it was asked. `conversation_id` is None for a new conversation."""

    query: str
    conversation_id: str | None = None
    provider: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    attachments: tuple[Attachment, ...] = ()
    no_tools: bool = False
    shield_ids: tuple[str, ...] | None = None
    vector_store_ids: tuple[str, ...] | None = None
    generate_topic_summary: bool = False


@dataclass(frozen=True, slots=True)
class TurnIds:
    """What a turn is known by."""

    request_id: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Session:
    """A recorded session that can be asked for by its title."""

    title: str
    query: str
    dialect: str
    server: str


@dataclass(frozen=True, slots=True)
class UpstreamInfo:
    """What stands behind this service, for people to read."""

    kind: str
    recorded: bool
    notice: str
    speed: float
    default_session: str
    sessions: tuple[Session, ...]
