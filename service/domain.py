"""Plain values that the parts of the service hand to each other."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from statemachine import Call


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
class Caller:
    """Who asks, and what a request brings for MCP servers.

    `mcp_headers` are by name or url of a configured server; `token` is the caller's own.
    """

    token: str | None = None
    mcp_headers: Mapping[str, Mapping[str, str]] | None = None

    @property
    def user(self) -> str:
        """What tells callers apart; empty for all that have no token."""
        return hashlib.sha256(self.token.encode()).hexdigest() if self.token else ""


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
    generate_topic_summary: bool = False
    on_disconnect: OnDisconnect | None = None
    if_busy: IfBusy = IfBusy.REJECT
    caller: Caller = field(default=Caller())


@dataclass(frozen=True, slots=True)
class TurnIds:
    """What a turn is known by."""

    request_id: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model as an upstream offers it.

    `model_id` is what the upstream calls it, `name` what its provider does. `generates` tells that
    it answers at all, `guards` that a shield asks it.
    """

    model_id: str
    provider: str
    name: str
    generates: bool
    guards: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What an upstream offers."""

    models: tuple[Model, ...]
    shields: tuple[str, ...]
    vector_stores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PastTurn:
    """What was asked and answered; `key` is the request id of its first stream."""

    key: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Estate:
    """What must be known of a running turn to store it, should its process die.

    `key` is the request id of its first stream, `said` what the model has said in earlier ones.
    `cancels` tells that it ends when nobody reads it.
    """

    key: str
    question: str
    said: str = ""
    cancels: bool = False


@dataclass(frozen=True, slots=True)
class Thread:
    """Where an upstream keeps a conversation; only the adapter that made it reads it.

    `ids` are the upstream's own, `fingerprint` stands for what the adapter must know of it besides.
    """

    dialect: str
    ids: tuple[str, ...]
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as it is kept: its last turns, oldest first, and where it goes on.

    `thread` is None when the upstream has nothing, or nothing that can be trusted.
    """

    conversation_id: str
    turns: tuple[PastTurn, ...] = ()
    model: Model | None = None
    thread: Thread | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that an upstream needs to know for a turn: nothing is left to choose."""

    query: str
    conversation: Conversation
    model: Model | None = None
    system_prompt: str = ""
    attachments: tuple[Attachment, ...] = ()
    input_shields: tuple[str, ...] = ()
    output_shields: tuple[str, ...] = ()
    vector_stores: tuple[str, ...] = ()
    mcp_servers: tuple[McpServer, ...] = ()
    client_tools: tuple[ClientTool, ...] = ()


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


@dataclass(frozen=True, slots=True)
class PausedTurn:
    """A turn that waits for answers of its client; `key` is the request id of its first stream.

    Its plan holds no headers for MCP servers: who answers brings own ones.

    `approvals` are the ids of the calls that wait for leave, the others wait for a result. `said`
    is what the model has said until then.
    """

    key: str
    plan: Plan
    thread: Thread
    turn_id: str | None
    calls: tuple[Call, ...]
    approvals: frozenset[str] = frozenset()
    said: str = ""


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
    speed: float | None = None
    default_session: str | None = None
    sessions: tuple[Session, ...] = ()
