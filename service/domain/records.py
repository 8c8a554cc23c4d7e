"""What is kept of turns, of what they cost, and of what users think of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.domain.turns import PausedTurn
from service.domain.upstream import Model, Thread


@dataclass(frozen=True, slots=True)
class AttachmentNote:
    """What is kept of an attachment: not its content."""

    attachment_type: str
    content_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """One stream of a turn, as it is kept, exported and answered; times are since the epoch.

    `key` is the request id of the first stream of the turn, `resumes` that of the one before.
    `came_from` is where the upstream goes on, kept until somebody says what has become of that.
    `outcome` is the wire name of the terminal event, None while the turn runs. `answer` is what was
    said in this stream, also when it was cut; `told` tells that a history holds it. `tool_calls`
    and the other lists hold what their events have on the wire. `usage` is `exact`, or `estimated`.
    """

    request_id: str
    conversation_id: str
    user: str
    key: str
    question: str
    began_at: float
    resumes: str | None = None
    came_from: Thread | None = None
    attachments: tuple[AttachmentNote, ...] = ()
    redactions: int = 0
    model: Model | None = None
    outcome: str | None = None
    code: str | None = None
    finish_reason: str | None = None
    truncated: bool = False
    answer: str = ""
    told: bool = False
    tool_calls: Sequence[Mapping[str, object]] = ()
    tool_results: Sequence[Mapping[str, object]] = ()
    shields: Sequence[Mapping[str, object]] = ()
    referenced_documents: Sequence[Mapping[str, object]] = ()
    rag_chunks: Sequence[Mapping[str, object]] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    usage: str = "estimated"
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Leavings:
    """What a turn leaves behind besides its record.

    `thread` is where the upstream goes on, from what `version` of the conversation on: one that
    has missed a turn is not kept. Without a version the conversation goes on as it would have
    without this turn. `model` is what a next turn goes on with, None for no change.
    `paused` waits for answers. `inherited` tells that the process that drove the turn has died.
    """

    thread: Thread | None = None
    version: int | None = None
    model: Model | None = None
    paused: PausedTurn | None = None
    inherited: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of keeping a turn: threads that nobody needs any more, tokens left by quota."""

    unneeded: tuple[Thread, ...] = ()
    available_quotas: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deleted:
    """What is still elsewhere of a conversation that was deleted: its threads and its streams."""

    threads: tuple[Thread, ...] = ()
    request_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConversationNote:
    """A conversation as it is listed; times are in seconds since the epoch."""

    conversation_id: str
    user: str
    title: str
    model: Model | None
    created_at: float
    last_at: float
    message_count: int


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """Conversations, the newest first; `following` is the cursor of the next page."""

    conversations: tuple[ConversationNote, ...]
    following: str | None = None


@dataclass(frozen=True, slots=True)
class TurnPage:
    """Turns of a conversation, the oldest first; `earlier` is the cursor of those before."""

    conversation: ConversationNote
    turns: tuple[TurnRecord, ...]
    earlier: str | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """Tokens that are left of a quota; `renews_at` is since the epoch, None: never."""

    name: str
    scope: str
    available: int
    renews_at: float | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a user thinks of a turn; `sentiment` is 1, -1, or None when nothing was said of it."""

    user: str
    request_id: str
    sentiment: int | None = None
    text: str = ""
    categories: tuple[str, ...] = ()
