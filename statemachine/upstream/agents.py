"""Agent turns (Llama Stack 0.2 and 0.3): chunks to events (UPSTREAM, section 2).

Chunks are `{"event": {"payload": {"event_type": ...}}}`; an error is `{"error": {"message"}}`.
Order is not judged here: whatever a chunk says becomes an event, and the table decides.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

from statemachine.errors import MalformedChunk
from statemachine.events import (
    FinishReason,
    InputReason,
    ShieldChecked,
    StepCompleted,
    StepKind,
    StepStarted,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Touchpoint,
    TurnAwaitingInput,
    TurnCompleted,
    TurnEvent,
    TurnResumed,
    TurnStarted,
)
from statemachine.upstream.arguments import ArgumentFragments
from statemachine.upstream.failures import in_band_failure
from statemachine.upstream.fields import (
    Fields,
    content_in,
    json_text,
    mapping,
    mapping_in,
    message_text,
    optional_text_in,
    text_in,
)
from statemachine.upstream.tool_steps import answered_calls, tool_call, tool_calls, tool_results
from statemachine.upstream.unknown import note_unknown

type Events = tuple[TurnEvent, ...]

_KINDS = {kind.value: kind for kind in StepKind}
_TOUCHPOINTS = {touchpoint.value: touchpoint for touchpoint in Touchpoint}
_REFUSED = "The request was refused by a safety shield."
_STOPPED_BY_SERVER = "end_of_turn"
_OUT_OF_TOKENS = "out_of_tokens"


class AgentsDecoder:
    """Reads one stream of an agent turn."""

    dialect = "agents"
    __slots__ = ("_fragments", "_inferred", "_refusal", "_stop_reason", "_touchpoint", "unknown")

    def __init__(self, *, resumed: bool = False) -> None:
        self.unknown: dict[str, int] = {}
        self._fragments: ArgumentFragments | None = None
        self._touchpoint: Touchpoint | None = None
        self._stop_reason: str | None = None
        self._inferred = resumed
        self._refusal: str | None = None

    @staticmethod
    def recognises(chunk: Mapping[str, object]) -> bool:
        """Tell whether a chunk is of this dialect."""
        error = chunk.get("error")
        return "event" in chunk or (error is not None and not _has_code(error))

    @staticmethod
    def opening(chunk: object) -> TurnStarted | TurnResumed:
        """Return how the stream opened: one that begins with a finished tool was resumed."""
        try:
            payload = _payload(chunk)
            if payload.get("event_type") != "step_complete":
                return TurnStarted()
            if payload.get("step_type") != StepKind.TOOL_EXECUTION:
                return TurnStarted()
            details = mapping_in(payload, "step_details", "step_complete")
            calls = answered_calls(details, "step_complete.step_details")
            return TurnResumed(optional_text_in(details, "turn_id", "step_complete"), calls)
        except MalformedChunk:
            return TurnStarted()

    def decode(self, chunk: object) -> Events:
        """Return what a chunk says; see `Decoder.decode`."""
        try:
            payload = chunk["event"]["payload"]  # type: ignore[index] # the except clause judges
            handler = self._HANDLERS[payload["event_type"]]
        except (KeyError, TypeError, IndexError):
            return self._irregular(chunk)
        return handler(self, payload)

    def _irregular(self, chunk: object) -> Events:
        fields = mapping(chunk, "chunk")
        if (failed := in_band_failure(fields, "event")) is not None:
            return (failed,)
        kind = text_in(_payload(chunk), "event_type", "event.payload")
        note_unknown(self.unknown, kind)
        return ()

    def _turn_start(self, payload: Fields) -> Events:
        return (TurnStarted(text_in(payload, "turn_id", "turn_start")),)

    def _step_start(self, payload: Fields) -> Events:
        kind = _step_kind(payload, "step_start")
        self._fragments = None
        self._touchpoint = None
        if kind is not StepKind.SHIELD_CALL:
            self._refusal = None
        else:
            metadata = payload.get("metadata")
            stated = metadata.get("touchpoint") if isinstance(metadata, dict) else None
            self._touchpoint = _TOUCHPOINTS.get(stated) if isinstance(stated, str) else None
        self._inferred = self._inferred or kind is StepKind.INFERENCE
        return (StepStarted(text_in(payload, "step_id", "step_start"), kind),)

    def _step_progress(self, payload: Fields) -> Events:
        try:
            delta = payload["delta"]
            if delta["type"] == "text":
                text, step_id = delta["text"], payload["step_id"]
                if text.__class__ is str and step_id.__class__ is str:
                    return (TextDelta(step_id, _KINDS[payload["step_type"]], text),)
        except (KeyError, TypeError, IndexError):
            pass
        return self._other_progress(payload)

    def _other_progress(self, payload: Fields) -> Events:
        """Everything but a well-formed text delta."""
        where = "step_progress"
        kind = _step_kind(payload, where)
        step_id = text_in(payload, "step_id", where)
        delta = mapping_in(payload, "delta", where)
        match text_in(delta, "type", f"{where}.delta"):
            case "text":
                return (TextDelta(step_id, kind, text_in(delta, "text", f"{where}.delta")),)
            case "tool_call" if kind is StepKind.TOOL_EXECUTION:
                return self._tool_progress(step_id, delta)
            case "tool_call":
                return self._arguments(step_id, kind, delta)
            case other:
                note_unknown(self.unknown, f"delta:{other}")
                return ()

    def _tool_progress(self, step_id: str, delta: Fields) -> Events:
        where = "step_progress.delta"
        call = mapping_in(delta, "tool_call", where)
        return (ToolCallStarted(tool_call(call, f"{where}.tool_call"), step_id),)

    def _arguments(self, step_id: str, kind: StepKind, delta: Fields) -> Events:
        """Fragments are unwrapped; the whole call only has to be legal once they came."""
        call = delta.get("tool_call")
        if self._fragments is None:
            self._fragments = ArgumentFragments()
        if isinstance(call, str):
            if delta.get("parse_status") == "failed":
                self._fragments.drop()
                call = ""
            pieces = self._fragments.feed(call)
            return tuple(
                ToolArgumentsDelta(step_id, kind, piece, None, name)
                for name, piece in pieces or [(None, "")]
            )
        where = "step_progress.delta.tool_call"
        whole = tool_call(mapping(call, where), where)
        streamed = self._fragments.calls > 0
        self._fragments.calls -= streamed
        text = "" if streamed else whole.arguments
        return (ToolArgumentsDelta(step_id, kind, text, whole.call_id, whole.tool_name),)

    def _step_complete(self, payload: Fields) -> Events:
        kind = _step_kind(payload, "step_complete")
        step_id = text_in(payload, "step_id", "step_complete")
        if kind is StepKind.SHIELD_CALL:
            return (self._verdict(step_id, mapping_in(payload, "step_details", "step_complete")),)
        completed = StepCompleted(step_id, kind)
        if kind is StepKind.TOOL_EXECUTION:
            details = mapping_in(payload, "step_details", "step_complete")
            return (*tool_results(step_id, details), completed)
        if kind is StepKind.INFERENCE:
            self._stop_reason = _stop_reason(payload)
        return (completed,)

    def _verdict(self, step_id: str, details: Fields) -> ShieldChecked:
        where = "step_complete.step_details.violation"
        supposed = Touchpoint.ASSISTANT_OUTPUT if self._inferred else Touchpoint.USER_INPUT
        touchpoint = self._touchpoint or supposed
        if details.get("violation") is None:
            return ShieldChecked(touchpoint, None, step_id)
        violation = mapping(details["violation"], where)
        self._refusal = optional_text_in(violation, "user_message", where) or _REFUSED
        return ShieldChecked(
            touchpoint,
            self._refusal,
            step_id,
            optional_text_in(violation, "violation_level", where),
            json_text(violation["metadata"]) if violation.get("metadata") else None,
        )

    def _turn_complete(self, payload: Fields) -> Events:
        """At its iteration limit a server rewrites the stop reason of the message only.

        A refusal is the answer also where the server does not repeat it.
        """
        turn = mapping_in(payload, "turn", "turn_complete")
        message = mapping_in(turn, "output_message", "turn_complete.turn")
        stop_reasons = (message.get("stop_reason"), self._stop_reason)
        text = message_text(content_in(message, "turn_complete.turn.output_message"))
        if self._refusal is not None:
            return (TurnCompleted(text or self._refusal, FinishReason.SHIELD),)
        truncated = _OUT_OF_TOKENS in stop_reasons
        return (TurnCompleted(text, FinishReason.LENGTH if truncated else FinishReason.STOP),)

    def _turn_awaiting_input(self, payload: Fields) -> Events:
        """At its iteration limit a server says end_of_turn; for client tools end_of_message.

        One that is out of tokens has given up and waits for nothing: the calls may be cut.
        """
        where = "turn_awaiting_input.turn"
        turn = mapping_in(payload, "turn", "turn_awaiting_input")
        message = mapping_in(turn, "output_message", where)
        turn_id = optional_text_in(turn, "turn_id", where)
        where = f"{where}.output_message"
        calls, stop_reason = tool_calls(message, where), message.get("stop_reason")
        if not calls:
            raise MalformedChunk(f"{where}.tool_calls", "a call that waits")
        if stop_reason == _OUT_OF_TOKENS:
            return (TurnCompleted(message_text(content_in(message, where)), FinishReason.LENGTH),)
        stopped = stop_reason == _STOPPED_BY_SERVER
        reason = InputReason.MAX_ITERATIONS if stopped else InputReason.TOOL_RESULT
        return (TurnAwaitingInput(turn_id, calls, reason),)

    _HANDLERS: ClassVar[dict[object, Callable[["AgentsDecoder", Fields], Events]]] = {
        "turn_start": _turn_start,
        "step_start": _step_start,
        "step_progress": _step_progress,
        "step_complete": _step_complete,
        "turn_complete": _turn_complete,
        "turn_awaiting_input": _turn_awaiting_input,
    }


def _has_code(error: object) -> bool:
    return isinstance(error, dict) and error.get("code") is not None


def _payload(chunk: object) -> Fields:
    event = mapping_in(mapping(chunk, "chunk"), "event", "chunk")
    return mapping_in(event, "payload", "event")


def _step_kind(payload: Fields, where: str) -> StepKind:
    kind = _KINDS.get(text_in(payload, "step_type", where))
    if kind is None:
        raise MalformedChunk(f"{where}.step_type", f"one of {', '.join(_KINDS)}")
    return kind


def _stop_reason(payload: Fields) -> str | None:
    details = payload.get("step_details")
    response = details.get("model_response") if isinstance(details, dict) else None
    stop_reason = response.get("stop_reason") if isinstance(response, dict) else None
    return stop_reason if isinstance(stop_reason, str) else None
