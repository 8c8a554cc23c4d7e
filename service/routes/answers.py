"""What is answered in JSON besides streams: one shape for each answer, as it is on the wire."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, NotRequired, TypedDict

import msgspec
from starlette.responses import Response

type Fields = Mapping[str, object]


class AttachmentAnswer(TypedDict):
    """What is kept of an attachment: not its content."""

    attachment_type: str
    content_type: str
    size_bytes: int


class TurnAnswer(TypedDict):
    """One stream of a turn; what its tools and shields said is as in their events."""

    request_id: str
    resumes: str | None
    question: str
    answer: str
    outcome: str | None
    code: str | None
    finish_reason: str | None
    truncated: bool
    tool_calls: Sequence[Fields]
    tool_results: Sequence[Fields]
    shields: Sequence[Fields]
    referenced_documents: Sequence[Fields]
    rag_chunks: Sequence[Fields]
    input_tokens: int
    output_tokens: int
    usage: str
    attachments: list[AttachmentAnswer]
    model: str | None
    provider: str | None
    started_at: str
    completed_at: str | None


class ConversationAnswer(TypedDict):
    """A conversation; `user_id` is there for who sees those of others.

    `message_count` is how many questions were asked; one counts when its turn has ended.
    """

    conversation_id: str
    title: str
    model: str | None
    provider: str | None
    created_at: str
    last_message_at: str
    message_count: int
    user_id: NotRequired[str]


class ConversationsAnswer(TypedDict):
    """A page of conversations, the newest first."""

    conversations: list[ConversationAnswer]
    next_cursor: str | None


class ReadConversationAnswer(ConversationAnswer):
    """A conversation with its last turns, the oldest first, or with those before a cursor."""

    turns: list[TurnAnswer]
    earlier_cursor: str | None


class DeletedAnswer(TypedDict):
    """What was deleted."""

    conversation_id: str
    deleted: bool


class QueryAnswer(TypedDict):
    """A turn as one answer: what its stream would have said."""

    conversation_id: str
    request_id: str
    response: str
    outcome: str | None
    finish_reason: str | None
    truncated: bool
    referenced_documents: Sequence[Fields]
    rag_chunks: Sequence[Fields]
    tool_calls: Sequence[Fields]
    tool_results: Sequence[Fields]
    shields: Sequence[Fields]
    calls: Sequence[Fields]
    answer_within_s: int | None
    by: str | None
    input_tokens: int
    output_tokens: int
    usage: str
    stored: bool
    count: int
    digest: str
    available_quotas: Mapping[str, int]


class ModelAnswer(TypedDict):
    """A model; `guards` tells that a shield asks it."""

    identifier: str
    provider_id: str
    provider_resource_id: str
    model_type: str
    guards: bool


class ModelsAnswer(TypedDict):
    """The models that the upstream offers."""

    models: list[ModelAnswer]


class ShieldAnswer(TypedDict):
    """A shield that can be chosen."""

    identifier: str


class ShieldsAnswer(TypedDict):
    """The shields that can be chosen."""

    shields: list[ShieldAnswer]


class ToolAnswer(TypedDict):
    """A tool, or a group of tools whose members are not told.

    `server_source` is `builtin`, `mcp:` and the name of a configured server, `mcp` for any other
    server, or `client`.
    """

    identifier: str
    type: Literal["tool", "tool_group"]
    description: str
    parameters: Fields | None
    tool_group: str | None
    server_source: str


class ToolsAnswer(TypedDict):
    """The tools of the upstream, of MCP servers and of clients."""

    tools: list[ToolAnswer]


class FeedbackAnswer(TypedDict):
    """That feedback is kept."""

    response: str


class QuotaAnswer(TypedDict):
    """A quota; `renews_at` is null when it never does."""

    name: str
    scope: str
    available: int
    renews_at: str | None


class QuotasAnswer(TypedDict):
    """The quotas that the caller has part in."""

    quotas: list[QuotaAnswer]


class AuthorizedAnswer(TypedDict):
    """Who the caller is, and what it may do."""

    user_id: str
    username: str
    roles: list[str]
    actions: list[str]


class JsonAnswer(Response):
    """An answer in JSON, which nobody else may keep."""

    media_type = "application/json"

    def __init__(
        self, content: Fields, status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(content, status_code, {"Cache-Control": "no-store", **(headers or {})})

    def render(self, content: Fields) -> bytes:
        """Return the body."""
        try:
            return msgspec.json.encode(content)
        except UnicodeEncodeError:
            # Half a surrogate pair, which models may say, goes out escaped.
            return json.dumps(content).encode()


def timestamp(moment: float) -> str:
    """Return a time since the epoch as it is on the wire."""
    stated = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return stated.replace("+00:00", "Z")
