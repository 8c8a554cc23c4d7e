"""Outputs: what a transition can tell the client, and how each is made of event and context.

A token and its emission are structs and no dataclasses: there are many of them, they are made four
times as fast, and the garbage collector need not look at what logs hold of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from statemachine.events import (
    Call,
    CallStatus,
    Document,
    FinishReason,
    InputReason,
    Interrupter,
    RagChunk,
    ReasoningDelta,
    RefusalDelta,
    Release,
    ShieldChecked,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallCompleted,
    ToolCallStarted,
    Touchpoint,
    TurnAwaitingInput,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnResumed,
    TurnStarted,
    Usage,
)
from statemachine.guards import Context
from statemachine.states import State

NO_RESULT = "The turn ended before this call returned."


@dataclass(frozen=True, slots=True)
class Start:
    """The turn is open; `output_release` is None when no shield judges the answer."""

    conversation_id: str
    request_id: str
    turn_id: str | None
    output_release: Release | None = None


class Token(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of the model's thinking."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a call's JSON arguments."""

    text: str
    call_id: str | None
    tool_name: str | None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete call starts to execute."""

    call: Call


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A call returned."""

    call_id: str
    tool_name: str
    status: CallStatus
    response: str
    summary: str | None = None
    documents: tuple[Document, ...] = ()
    chunks: tuple[RagChunk, ...] = ()


@dataclass(frozen=True, slots=True)
class Shield:
    """A shield judged; `violation` is None when it passed."""

    touchpoint: Touchpoint
    violation: str | None
    violation_level: str | None
    metadata: str | None


@dataclass(frozen=True, slots=True)
class TurnComplete:
    """The upstream closed the turn; `text` is the whole answer."""

    text: str


@dataclass(frozen=True, slots=True)
class End:
    """Terminal: the answer is complete, or cut by a limit of the model.

    `usage` is exact when the upstream reported it, else estimated by the summary.
    """

    finish_reason: FinishReason
    usage: Usage | None
    exact: bool = True
    documents: tuple[Document, ...] = ()
    chunks: tuple[RagChunk, ...] = ()


@dataclass(frozen=True, slots=True)
class AwaitingInput:
    """Terminal: the client owes answers to `calls`."""

    turn_id: str | None
    calls: tuple[Call, ...]
    reason: InputReason
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Terminal: someone stopped the turn."""

    request_id: str
    by: Interrupter


@dataclass(frozen=True, slots=True)
class Failure:
    """Terminal: the turn cannot go on; `state` is where it was when it failed."""

    code: str
    status_code: int
    response: str
    cause: str
    state: State
    usage: Usage | None = None


type Output = (
    Start
    | Token
    | Reasoning
    | ToolCallDelta
    | ToolCall
    | ToolResult
    | Shield
    | TurnComplete
    | Terminal
)
type Terminal = End | AwaitingInput | Interrupted | Failure
TERMINALS = frozenset({End, AwaitingInput, Interrupted, Failure})
type Emitter = Callable[[Context, Any], tuple[Output, ...]]


@dataclass(frozen=True, slots=True)
class Seal:
    """What every terminal emission says of its whole stream (protocol, section 3).

    `answer_within_s` is how long the calls of an `awaiting_input` can be answered.
    """

    count: int
    digest: str
    stored: bool = False
    answer_within_s: int | None = None
    available_quotas: dict[str, int] = field(default_factory=dict)


class Emission(msgspec.Struct, frozen=True, gc=False):
    """One numbered output of a turn.

    `payload` is its native JSON, the bytes that the digest covers. `path` holds the states that
    the machine moved through since the emission before. `seal` is set on the terminal one only.
    """

    number: int
    output: Output
    payload: bytes
    path: tuple[State, ...] = ()
    seal: Seal | None = None

    @property
    def terminal(self) -> bool:
        """Tell whether this is the last emission of its stream."""
        return self.seal is not None


def start(context: Context, event: TurnStarted | TurnResumed) -> tuple[Output, ...]:
    """Open the stream."""
    ids = context.conversation_id, context.request_id, event.turn_id
    return (Start(*ids, context.output_release),)


def token(_: Context, event: TextDelta | RefusalDelta) -> tuple[Output, ...]:
    """Pass on a piece of the answer."""
    return (Token(event.text),)


def reasoning(_: Context, event: ReasoningDelta) -> tuple[Output, ...]:
    """Pass on a piece of the thinking."""
    return (Reasoning(event.text),)


def tool_call_delta(_: Context, event: ToolArgumentsDelta) -> tuple[Output, ...]:
    """Pass on a piece of arguments; an empty piece only had to be legal."""
    if not event.text:
        return ()
    return (ToolCallDelta(event.text, event.call_id, event.tool_name),)


def tool_call(_: Context, event: ToolCallStarted) -> tuple[Output, ...]:
    """Announce a call."""
    return (ToolCall(event.call),)


def tool_result(_: Context, event: ToolCallCompleted) -> tuple[Output, ...]:
    """Report a call's result."""
    return (
        ToolResult(
            event.call_id,
            event.tool_name,
            event.status,
            event.response,
            event.summary,
            event.documents,
            event.chunks,
        ),
    )


def unfinished_results(context: Context, _: object) -> tuple[Output, ...]:
    """Close every open call as failed, so that nothing stays open after the end."""
    return tuple(
        ToolResult(call.call_id, call.tool_name, CallStatus.FAILED, NO_RESULT)
        for call in context.calls.values()
    )


def shield(_: Context, event: ShieldChecked) -> tuple[Output, ...]:
    """Report a verdict."""
    return (Shield(event.touchpoint, event.violation, event.violation_level, event.metadata),)


def turn_complete(_: Context, event: TurnCompleted) -> tuple[Output, ...]:
    """Give the whole answer."""
    return (TurnComplete(event.text),)


def end(_: Context, event: TurnCompleted) -> tuple[Output, ...]:
    """Close the stream of an answered turn."""
    return (End(event.finish_reason, event.usage),)


def awaiting_input(context: Context, event: TurnAwaitingInput) -> tuple[Output, ...]:
    """Close the stream of a turn that waits for the client."""
    turn_id = event.turn_id or context.turn_id
    return (AwaitingInput(turn_id, event.calls, event.reason, event.usage),)


def interrupted(context: Context, event: TurnInterrupted) -> tuple[Output, ...]:
    """Close the stream of a stopped turn."""
    return (Interrupted(context.request_id, event.by),)


def error(context: Context, event: TurnFailed) -> tuple[Output, ...]:
    """Close the stream of a failed turn; the context still says where it was."""
    told = event.code, event.status_code, event.response, event.cause
    return (Failure(*told, context.state, event.usage),)
