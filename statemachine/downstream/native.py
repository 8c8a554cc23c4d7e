"""The default dialect: `{"event": name, "data": {...}}` (protocol, section 4).

The payload made here is also what the digest of a stream covers, whatever dialect is spoken.
"""

import json
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import to_builtins

from statemachine.downstream.sse import CONTENT_TYPE, frame, retry
from statemachine.emissions import (
    AwaitingInput,
    Emission,
    End,
    Failure,
    Interrupted,
    Output,
    Reasoning,
    Seal,
    Shield,
    Start,
    Token,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    TurnComplete,
)
from statemachine.events import Call, Document, FinishReason

type Data = dict[str, object]

_encode = msgspec.json.Encoder().encode
_TRUNCATED = (FinishReason.LENGTH, FinishReason.MAX_ITERATIONS)


class _TokenData(msgspec.Struct, gc=False):
    id: int
    token: str


class _Token(msgspec.Struct, gc=False, tag_field="event", tag="token"):
    data: _TokenData


class NativeEncoder:
    """Encodes emissions as native frames, optionally with event names or machine states."""

    content_type = CONTENT_TYPE
    framed = True

    def __init__(self, *, names: bool = False, states: bool = False) -> None:
        self._names = names
        self._states = states

    def encode(self, emission: Emission) -> bytes:
        """Return the frame of an emission."""
        if not (self._names or self._states):
            return b"id: %d\ndata: %b\n\n" % (emission.number, emission.payload)
        event = EVENT_NAMES[type(emission.output)] if self._names else None
        states = " ".join(emission.path) if self._states else None
        return frame(emission.payload, emission.number, event, states)

    def gap(self, first: int, to: int) -> bytes:
        """Return the frame that says that the emissions from `first` up to before `to` are lost."""
        payload = to_json({"event": "gap", "data": {"from": first, "to": to}})
        return frame(payload, None, "gap" if self._names else None)

    def unavailable(self, code: str, response: str, retry_ms: int) -> bytes:
        """Return the frame that says so, with the time to come back in the same block."""
        data = {"code": code, "response": response, "retry_ms": retry_ms}
        payload = to_json({"event": "unavailable", "data": data})
        return retry(retry_ms) + frame(payload, None, "unavailable" if self._names else None)


def payload(number: int, output: Output, seal: Seal | None = None) -> bytes:
    """Return the native JSON of an output; `seal` is given with the terminal one."""
    if output.__class__ is Token:
        return to_json(_Token(_TokenData(number, output.text)))
    envelope: Data = {
        "event": EVENT_NAMES[type(output)],
        "data": _DATA[type(output)](number, output),
    }
    if seal is not None:
        _add_seal(envelope, seal)
    return to_json(envelope)


def wire_fields(output: Output) -> dict[str, object]:
    """Return the data of an output's event without its number, as plain JSON values."""
    encoded = to_json(_DATA[type(output)](0, output))
    try:
        data: dict[str, object] = msgspec.json.decode(encoded)
    except msgspec.DecodeError:
        # Half a surrogate pair is taken by the other decoder only.
        data = json.loads(encoded)
    del data["id"]
    return data


def to_json(value: object) -> bytes:
    """Return compact JSON in UTF-8; half a surrogate pair, which UTF-8 lacks, goes out escaped."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        # Raw JSON and structs only the other encoder takes as they are, and only that one writes
        # null for a number that JSON lacks.
        plain = json.loads(json.dumps(value, default=_plain), parse_constant=lambda _: None)
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "backslashreplace")


def _plain(value: object) -> object:
    return json.loads(bytes(value)) if isinstance(value, msgspec.Raw) else to_builtins(value)


def _add_seal(envelope: Data, seal: Seal) -> None:
    data: Any = envelope["data"]
    data |= {"stored": seal.stored, "count": seal.count, "digest": seal.digest}
    if envelope["event"] == "end":
        envelope["available_quotas"] = seal.available_quotas
    if seal.answer_within_s is not None:
        data["answer_within_s"] = seal.answer_within_s


def _start(number: int, output: Start) -> Data:
    data: Data = {"id": number}
    data |= {"conversation_id": output.conversation_id, "request_id": output.request_id}
    return data | _present(turn_id=output.turn_id, output_release=output.output_release)


def _text(number: int, output: Reasoning | TurnComplete) -> Data:
    return {"id": number, "token": output.text}


def _tool_call_delta(number: int, output: ToolCallDelta) -> Data:
    names = _present(call_id=output.call_id, tool_name=output.tool_name)
    return {"id": number, **names, "token": output.text}


def _tool_call(number: int, output: ToolCall) -> Data:
    call = output.call
    token = {"tool_name": call.tool_name, "arguments": _arguments(call)}
    label = _present(server_label=call.server_label)
    return {"id": number, "call_id": call.call_id, "token": token, **label}


def _tool_result(number: int, output: ToolResult) -> Data:
    token = {"tool_name": output.tool_name}
    if output.summary is None:
        token["response"] = output.response
    else:
        token["summary"] = output.summary
    documents = [_document(document) for document in output.documents]
    data: Data = {"id": number, "call_id": output.call_id, "token": token, "status": output.status}
    return data | _present(referenced_documents=documents or None)


def _shield(number: int, output: Shield) -> Data:
    verdict = "passed" if output.violation is None else "violation"
    data: Data = {"id": number, "touchpoint": output.touchpoint, "verdict": verdict}
    metadata = msgspec.Raw(output.metadata.encode()) if output.metadata else None
    return data | _present(
        message=output.violation, violation_level=output.violation_level, metadata=metadata
    )


def _end(number: int, output: End) -> Data:
    usage = output.usage
    return {
        "id": number,
        "referenced_documents": [_document(document) for document in output.documents],
        "rag_chunks": [
            {"content": chunk.content, "source": chunk.source, "score": chunk.score}
            for chunk in output.chunks
        ],
        "truncated": output.finish_reason in _TRUNCATED,
        "finish_reason": output.finish_reason,
        "input_tokens": usage.input_tokens if usage else 0,
        "output_tokens": usage.output_tokens if usage else 0,
        "usage": "exact" if output.exact else "estimated",
    }


def _awaiting_input(number: int, output: AwaitingInput) -> Data:
    calls = [
        {"call_id": call.call_id, "tool_name": call.tool_name, "arguments": _arguments(call)}
        | _present(server_label=call.server_label)
        for call in output.calls
    ]
    return {"id": number, "turn_id": output.turn_id, "calls": calls, "reason": output.reason}


def _interrupted(number: int, output: Interrupted) -> Data:
    return {"id": number, "request_id": output.request_id, "by": output.by}


def _failure(number: int, output: Failure) -> Data:
    return {
        "id": number,
        "code": output.code,
        "status_code": output.status_code,
        "response": output.response,
        "cause": output.cause,
        "state": output.state,
    }


def _document(document: Document) -> Data:
    data: Data = {"doc_url": document.url, "doc_title": document.title}
    return data | _present(document_id=document.document_id)


def _arguments(call: Call) -> object:
    """Arguments are an object when they parse as one, else the model's own text."""
    try:
        parsed = msgspec.json.decode(call.arguments)
        # Nested as deep as can be read, they could not be written inside an envelope.
        _encode([[[[[[[[parsed]]]]]]]])
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return call.arguments
    return parsed if isinstance(parsed, dict) else call.arguments


def _present(**fields: object) -> Data:
    return {name: value for name, value in fields.items() if value is not None}


_DATA: dict[type, Callable[[int, Any], Data]] = {
    Start: _start,
    Reasoning: _text,
    ToolCallDelta: _tool_call_delta,
    ToolCall: _tool_call,
    ToolResult: _tool_result,
    Shield: _shield,
    TurnComplete: _text,
    End: _end,
    AwaitingInput: _awaiting_input,
    Interrupted: _interrupted,
    Failure: _failure,
}

EVENT_NAMES: dict[type, str] = {
    Start: "start",
    Token: "token",
    Reasoning: "reasoning",
    ToolCallDelta: "tool_call_delta",
    ToolCall: "tool_call",
    ToolResult: "tool_result",
    Shield: "shield",
    TurnComplete: "turn_complete",
    End: "end",
    AwaitingInput: "awaiting_input",
    Interrupted: "interrupted",
    Failure: "error",
}
"""The wire name of every output."""
