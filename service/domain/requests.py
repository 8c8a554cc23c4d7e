"""What is asked of the service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from service.domain.people import Caller


class MediaType(StrEnum):
    """What a caller wants to read."""

    NATIVE = "application/json"
    TEXT = "text/plain"


class OnDisconnect(StrEnum):
    """What becomes of a turn that nobody reads any more."""

    CONTINUE = "continue"
    CANCEL = "cancel"


class IfBusy(StrEnum):
    """What becomes of a question to a conversation in which a turn runs."""

    REJECT = "reject"
    INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A document that comes with a question."""

    attachment_type: str
    content_type: str
    content: str


@dataclass(frozen=True, slots=True)
class ClientTool:
    """A tool that the client executes; `parameters` is the JSON schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class McpServer:
    """An MCP server that a turn may use, with the headers that it gets in this turn.

    Their names are in lower case.
    """

    name: str
    url: str
    tool_group: str
    headers: Mapping[str, str]
    approval: bool


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
    client_tools: tuple[ClientTool, ...] = ()
    generate_topic_summary: bool | None = None
    on_disconnect: OnDisconnect | None = None
    if_busy: IfBusy = IfBusy.REJECT
    caller: Caller = field(default=Caller())


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a client's tool returned."""

    call_id: str
    content: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Approval:
    """Whether the client lets a call go ahead."""

    call_id: str
    approve: bool
    reason: str | None = None


type Answer = ToolAnswer | Approval

type Answers = tuple[Answer, ...]
