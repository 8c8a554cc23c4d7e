"""Chunks of agent turns as Llama Stack 0.3 writes them (UPSTREAM, section 2)."""

from collections.abc import Sequence

type Chunk = dict[str, object]


def payload(event_type: str, **fields: object) -> Chunk:
    """Wrap a payload as the server does."""
    return {"event": {"payload": {"event_type": event_type, **fields}}}


def step_start(step_id: str, kind: str = "inference", **metadata: object) -> Chunk:
    """A step opens."""
    return payload("step_start", step_id=step_id, step_type=kind, metadata=metadata)


def progress(step_id: str, delta: object, kind: str = "inference") -> Chunk:
    """A step goes on."""
    return payload("step_progress", step_id=step_id, step_type=kind, delta=delta)


def text(step_id: str, piece: str, kind: str = "inference") -> Chunk:
    """The model says a piece."""
    return progress(step_id, {"type": "text", "text": piece}, kind)


def call(call_id: str, tool_name: str = "get_weather", arguments: object = "{}") -> Chunk:
    """A tool call, as it stands inside chunks."""
    return {"call_id": call_id, "tool_name": tool_name, "arguments": arguments}


def fragment(step_id: str, piece: str, status: str = "in_progress") -> Chunk:
    """The model writes a piece of a call."""
    return progress(step_id, {"type": "tool_call", "tool_call": piece, "parse_status": status})


def whole_call(step_id: str, tool_call: object, kind: str = "inference") -> Chunk:
    """The model has written a call, or the server executes it."""
    status = "succeeded" if kind == "inference" else "in_progress"
    delta = {"type": "tool_call", "tool_call": tool_call, "parse_status": status}
    return progress(step_id, delta, kind)


def step_complete(step_id: str, kind: str = "inference", **details: object) -> Chunk:
    """A step closes."""
    return payload("step_complete", step_id=step_id, step_type=kind, step_details=details)


def inference_complete(step_id: str, stop_reason: str = "end_of_turn") -> Chunk:
    """An inference step closes."""
    return step_complete(step_id, model_response={"stop_reason": stop_reason})


def response(call_id: str, content: object, tool_name: str = "get_weather") -> Chunk:
    """A tool response, as it stands inside chunks."""
    return {"call_id": call_id, "tool_name": tool_name, "content": content, "metadata": None}


def tool_complete(step_id: str, *responses: object, calls: Sequence[object] = ()) -> Chunk:
    """A tool execution step closes."""
    details: Chunk = {"turn_id": "t1", "tool_calls": list(calls), "tool_responses": list(responses)}
    return step_complete(step_id, "tool_execution", **details)


def verdict(step_id: str, violation: object = None) -> Chunk:
    """A shield step closes."""
    return step_complete(step_id, "shield_call", violation=violation)


def violation(message: str = "I can't answer that.") -> Chunk:
    """What a shield objects to."""
    return {"violation_level": "error", "user_message": message, "metadata": {"type": "S1"}}


def turn_complete(content: object, stop_reason: str = "end_of_turn") -> Chunk:
    """The turn is complete."""
    message = {"role": "assistant", "content": content, "stop_reason": stop_reason}
    return payload("turn_complete", turn={"turn_id": "t1", "output_message": message})


def awaiting(*calls: object, stop_reason: str = "end_of_message") -> Chunk:
    """The turn waits for the client."""
    message = {"role": "assistant", "stop_reason": stop_reason, "tool_calls": list(calls)}
    return payload("turn_awaiting_input", turn={"turn_id": "t1", "output_message": message})


def error(message: object) -> Chunk:
    """The server gives up."""
    return {"error": {"message": message}}
