"""Inputs: everything that can happen to a turn, as dialect-free facts in the past tense.

The docstring of each event is printed in the generated event table.
"""

from dataclasses import dataclass
from enum import StrEnum


class StepKind(StrEnum):
    """The kinds of step that an upstream opens."""

    INFERENCE = "inference"
    TOOL_EXECUTION = "tool_execution"
    SHIELD_CALL = "shield_call"
    MEMORY_RETRIEVAL = "memory_retrieval"


class CallStatus(StrEnum):
    """How a tool call returned."""

    OK = "ok"
    FAILED = "failed"


class Touchpoint(StrEnum):
    """What a shield looked at."""

    USER_INPUT = "user-input"
    ASSISTANT_OUTPUT = "assistant-output"


class FinishReason(StrEnum):
    """Why the upstream closed a turn."""

    STOP = "stop"
    LENGTH = "length"
    MAX_ITERATIONS = "max_iterations"
    REFUSAL = "refusal"
    SHIELD = "shield"


class InputReason(StrEnum):
    """Why the upstream stopped for the client."""

    TOOL_RESULT = "tool_result"
    APPROVAL = "approval"
    MAX_ITERATIONS = "max_iterations"


class Release(StrEnum):
    """When the text of an answer is released, while shields judge it beside the stream."""

    AFTER_VERDICT = "after_verdict"
    AT_ONCE = "at_once"


class Interrupter(StrEnum):
    """Who stopped a turn."""

    USER = "user"
    OPERATOR = "operator"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Document:
    """A source that a retrieval tool referred to; `url` is http(s) or None."""

    url: str | None
    title: str
    document_id: str | None = None


@dataclass(frozen=True, slots=True)
class RagChunk:
    """A passage that a retrieval tool found; `score` has no fixed range."""

    content: str
    source: str | None
    score: float | None


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call as the model asked for it; `arguments` is the JSON text."""

    call_id: str
    tool_name: str
    arguments: str
    server_label: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the upstream reported them."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The upstream accepted the turn, or named its id before any work began."""

    turn_id: str | None = None


@dataclass(frozen=True, slots=True)
class TurnResumed:
    """The upstream accepted what the client owed to an earlier stream of the same turn.

    `calls` are those whose results this stream will report; their tool execution step was
    opened by the earlier stream. `answers` are results that the upstream does not repeat, nor
    the end of a step with them.
    """

    turn_id: str | None = None
    calls: tuple[Call, ...] = ()
    answers: "tuple[ToolCallCompleted, ...]" = ()


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step opened."""

    step_id: str
    kind: StepKind


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The model said a piece of its answer."""

    step_id: str
    kind: StepKind
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The model said a piece of its thinking."""

    step_id: str
    kind: StepKind
    text: str


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """The model said a piece of its refusal."""

    step_id: str
    kind: StepKind
    text: str


@dataclass(frozen=True, slots=True)
class ToolArgumentsDelta:
    """The model wrote a piece of a call's JSON arguments."""

    step_id: str
    kind: StepKind
    text: str
    call_id: str | None = None
    tool_name: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    """A complete tool call began to execute; `step_id` is None where calls have no step."""

    call: Call
    step_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCallCompleted:
    """An open tool call returned; `summary` stands for a response too long to show."""

    call_id: str
    tool_name: str
    status: CallStatus
    response: str
    step_id: str | None = None
    summary: str | None = None
    documents: tuple[Document, ...] = ()
    chunks: tuple[RagChunk, ...] = ()


@dataclass(frozen=True, slots=True)
class ShieldChecked:
    """A shield judged; this closes its step where shields have one.

    `step_id` is None for a shield that was asked beside the stream: before the upstream was, or
    about what the model has said so far. A violation then ends whatever is open.
    `violation` is None for a passed check, else the sentence for the user.
    `metadata` is JSON text.
    """

    touchpoint: Touchpoint
    violation: str | None
    step_id: str | None = None
    violation_level: str | None = None
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class StepCompleted:
    """The open step closed."""

    step_id: str
    kind: StepKind


@dataclass(frozen=True, slots=True)
class TurnAwaitingInput:
    """The upstream stopped until the client answers the calls."""

    turn_id: str | None
    calls: tuple[Call, ...]
    reason: InputReason = InputReason.TOOL_RESULT
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class TurnCompleted:
    """The upstream closed the turn; `text` is the whole answer."""

    text: str
    finish_reason: FinishReason = FinishReason.STOP
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class TurnInterrupted:
    """Someone with the right to do so stopped the turn."""

    by: Interrupter


@dataclass(frozen=True, slots=True)
class TurnFailed:
    """The turn cannot go on.

    `response` and `cause` are safe to show; `detail` is for the log only.
    """

    code: str
    status_code: int
    response: str
    cause: str
    detail: str | None = None
    usage: Usage | None = None


type TurnEvent = (
    TurnStarted
    | TurnResumed
    | StepStarted
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolArgumentsDelta
    | ToolCallStarted
    | ToolCallCompleted
    | ShieldChecked
    | StepCompleted
    | TurnAwaitingInput
    | TurnCompleted
    | TurnInterrupted
    | TurnFailed
)

EVENTS: tuple[type[TurnEvent], ...] = (
    TurnStarted,
    TurnResumed,
    StepStarted,
    TextDelta,
    ReasoningDelta,
    RefusalDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    ToolCallCompleted,
    ShieldChecked,
    StepCompleted,
    TurnAwaitingInput,
    TurnCompleted,
    TurnInterrupted,
    TurnFailed,
)
"""Every event, in lifecycle order."""
