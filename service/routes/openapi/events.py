"""The events of the native dialect: what each of them holds, as clients get it.

What an event says of a call, a verdict or a document is there once: the data of the event has a
number besides, and answers that tell of a turn afterwards have none.
"""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from pydantic import Field

from statemachine import (
    CallStatus,
    FinishReason,
    InputReason,
    Interrupter,
    Release,
    State,
    Touchpoint,
)

Count = Annotated[int, Field(ge=0)]


class Document(TypedDict):
    """A document that an answer refers to."""

    doc_url: Annotated[str | None, Field(description="http or https, or null.")]
    doc_title: str
    document_id: NotRequired[str]


class RagChunk(TypedDict):
    """A passage that a search has found."""

    content: str
    source: str | None
    score: float | None


class CalledTool(TypedDict):
    """A tool and what it is given: an object when what the model wrote is one, else its text."""

    tool_name: str
    arguments: dict[str, Any] | str


class ReturnedTool(TypedDict):
    """A tool and its response, or the summary of what it has found."""

    tool_name: str
    response: NotRequired[str]
    summary: NotRequired[str]


class ToolCall(TypedDict):
    """A call that is executed."""

    call_id: str
    token: CalledTool
    server_label: NotRequired[str]


class ToolResult(TypedDict):
    """What has come of a call."""

    call_id: str
    token: ReturnedTool
    status: CallStatus
    referenced_documents: NotRequired[list[Document]]


class ShieldVerdict(TypedDict):
    """What a shield has judged; `metadata` is the upstream's."""

    touchpoint: Touchpoint
    verdict: Literal["passed", "violation"]
    message: NotRequired[str]
    violation_level: NotRequired[str]
    metadata: NotRequired[Any]


class OwedCall(CalledTool):
    """A call that the client answers."""

    call_id: str
    server_label: NotRequired[str]


class Numbered(TypedDict):
    """What the data of every event has."""

    id: Annotated[int, Field(ge=1, description="The number of the event, as in `id:`.")]


class StartData(Numbered):
    """By what the turn is known."""

    conversation_id: str
    request_id: str
    turn_id: NotRequired[str]
    output_release: NotRequired[Release]


class TextData(Numbered):
    """A piece of text, or all of it."""

    token: str


class ToolCallDeltaData(Numbered):
    """A piece of the JSON arguments of a call."""

    call_id: NotRequired[str]
    tool_name: NotRequired[str]
    token: str


class ToolCallData(Numbered, ToolCall):
    """A call, with its number."""


class ToolResultData(Numbered, ToolResult):
    """What has come of a call, with its number."""


class ShieldData(Numbered, ShieldVerdict):
    """A verdict, with its number."""


class SealedData(Numbered):
    """What every terminal event says of its whole stream."""

    stored: Annotated[bool, Field(description="Whether the turn is kept where it outlives us.")]
    count: Annotated[int, Field(ge=1, description="How many events the stream has, with this one.")]
    digest: Annotated[
        str,
        Field(
            pattern="^[0-9a-f]{64}$",
            description="SHA-256 of all `data:` before this one, each followed by LF.",
        ),
    ]


class EndData(SealedData):
    """How an answer ended, what it refers to and what it cost."""

    referenced_documents: list[Document]
    rag_chunks: list[RagChunk]
    truncated: bool
    finish_reason: FinishReason
    input_tokens: Count
    output_tokens: Count
    usage: Literal["exact", "estimated"]


class AwaitingInputData(SealedData):
    """What the client owes, and for how long it is waited for."""

    turn_id: str | None
    calls: list[OwedCall]
    reason: InputReason
    answer_within_s: NotRequired[Count]


class InterruptedData(SealedData):
    """Who stopped the turn."""

    request_id: str
    by: Interrupter


class ErrorData(SealedData):
    """Why the turn cannot go on, and where it was."""

    code: str
    status_code: int
    response: str
    cause: str
    state: State


# `from` is a word of the language.
GapData = TypedDict("GapData", {"from": Count, "to": Count})
"""Which events are not told: those from the one up to before the other."""


class UnavailableData(TypedDict):
    """When to come back."""

    code: str
    response: str
    retry_ms: Count


EVENT_DATA: dict[str, type] = {
    "start": StartData,
    "token": TextData,
    "reasoning": TextData,
    "tool_call_delta": ToolCallDeltaData,
    "tool_call": ToolCallData,
    "tool_result": ToolResultData,
    "shield": ShieldData,
    "turn_complete": TextData,
    "end": EndData,
    "awaiting_input": AwaitingInputData,
    "interrupted": InterruptedData,
    "error": ErrorData,
}
"""What is the data of an event, by its name on the wire."""

NOTICES: dict[str, tuple[type, str]] = {
    "gap": (GapData, "No event of the turn: what lies between is no longer kept."),
    "unavailable": (UnavailableData, "No event of the turn: it cannot be followed for now."),
}
"""What a reader is told besides the events of the turn."""
