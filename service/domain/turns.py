"""A turn and its conversation, as they go on."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from service.domain.requests import Attachment, ClientTool, McpServer
from service.domain.upstream import Model, Thread
from statemachine import Call


@dataclass(frozen=True, slots=True)
class TurnIds:
    """What a turn is known by, and whose it is."""

    request_id: str
    conversation_id: str
    user: str = ""

    def belongs_to(self, user: str | None) -> bool:
        """Tell whether this is a user's; everything is everybody's (None)."""
        return user is None or self.user == user


@dataclass(frozen=True, slots=True)
class Handover:
    """A claim that its holder gives to a successor, who has it for `ttl_s` from then on."""

    key: str
    holder: str
    successor: str
    ttl_s: float


@dataclass(frozen=True, slots=True)
class PastTurn:
    """What was asked and answered; `key` is the request id of its first stream."""

    key: str
    question: str
    answer: str


type History = Callable[[], Awaitable[Sequence[PastTurn]]]
"""Returns the last turns of a conversation, oldest first, as far as histories go back.

Raises UpstreamError when they cannot be read: the upstream cannot be asked without them.
"""


async def no_history() -> Sequence[PastTurn]:
    """See `History`: of a conversation that is new."""
    return ()


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
class Conversation:
    """A conversation as a turn goes on with it.

    `thread` is None when the upstream has nothing, or nothing that can be trusted. `version` tells
    whether something was said since; `user` is whose it is.
    """

    conversation_id: str
    model: Model | None = None
    thread: Thread | None = None
    version: int = 0
    user: str = ""


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
class PausedTurn:
    """A turn that waits for answers of its client; `key` is the request id of its first stream.

    Its plan holds no headers for MCP servers: who answers brings own ones.

    `approvals` are the ids of the calls that wait for leave, the others wait for a result. `said`
    is what the model has said until then, and `titled` tells that its conversation is to get a
    title.
    """

    key: str
    plan: Plan
    thread: Thread
    turn_id: str | None
    calls: tuple[Call, ...]
    approvals: frozenset[str] = frozenset()
    said: str = ""
    titled: bool = False
