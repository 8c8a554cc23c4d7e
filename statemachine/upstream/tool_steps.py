"""Tool calls and tool results as agent turns write them."""

from statemachine.errors import MalformedChunk
from statemachine.events import Call, CallStatus, ToolCallCompleted
from statemachine.upstream.fields import Fields, content_in, json_text, mappings_in, text_in
from statemachine.upstream.knowledge import plain_text, read_tool_response

_TOOL_FAILED = "Error executing tool"


def tool_call(fields: Fields, where: str) -> Call:
    """Return a tool call."""
    return Call(
        text_in(fields, "call_id", where),
        text_in(fields, "tool_name", where),
        _arguments(fields, where),
    )


def _arguments(fields: Fields, where: str) -> str:
    """Servers write JSON text, older ones an object."""
    arguments = fields.get("arguments")
    if isinstance(arguments, dict):
        return json_text(arguments)
    if isinstance(arguments, str):
        return str.__str__(arguments)
    raise MalformedChunk(f"{where}.arguments", "a string or an object")


def tool_calls(fields: Fields, where: str) -> tuple[Call, ...]:
    """Return the tool calls listed in a step or a message."""
    return tuple(
        tool_call(call, f"{where}.tool_calls") for call in mappings_in(fields, "tool_calls", where)
    )


def answered_calls(details: Fields, where: str) -> tuple[Call, ...]:
    """Return the calls that a step answers; some servers list the answers but not the calls."""
    asked = {call.call_id: call for call in tool_calls(details, where)}
    answered = [
        Call(
            text_in(response, "call_id", f"{where}.tool_responses"),
            text_in(response, "tool_name", f"{where}.tool_responses"),
            "{}",
        )
        for response in mappings_in(details, "tool_responses", where)
    ]
    return tuple(asked.get(call.call_id, call) for call in answered) or tuple(asked.values())


def tool_results(step_id: str, details: Fields) -> list[ToolCallCompleted]:
    """Return the results that a completed tool execution step reports."""
    where = "step_complete.step_details"
    return [
        _result(step_id, response, f"{where}.tool_responses")
        for response in mappings_in(details, "tool_responses", where)
    ]


def _result(step_id: str, response: Fields, where: str) -> ToolCallCompleted:
    """A tool that raised is told by its text alone; only retrieval has a summary."""
    content, metadata = content_in(response, where), response.get("metadata")
    tool_name = text_in(response, "tool_name", where)
    text = plain_text(content)
    failed = text.startswith(_TOOL_FAILED)
    retrieval = tool_name == "knowledge_search" or (
        isinstance(metadata, dict) and "document_ids" in metadata
    )
    known = read_tool_response(content, metadata) if retrieval and not failed else None
    return ToolCallCompleted(
        text_in(response, "call_id", where),
        tool_name,
        CallStatus.FAILED if failed else CallStatus.OK,
        text,
        step_id,
        known.summary if known else None,
        known.documents if known else (),
        known.chunks if known else (),
    )
