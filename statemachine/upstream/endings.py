"""How a response of the Responses API ended: what its last chunk says."""

from collections.abc import Iterator

from statemachine.events import (
    FinishReason,
    InputReason,
    ShieldChecked,
    Touchpoint,
    TurnAwaitingInput,
    TurnCompleted,
    TurnEvent,
    Usage,
)
from statemachine.upstream.fields import Fields, mappings_in, optional_text_in, text_in
from statemachine.upstream.items import APPROVAL, SERVER_TOOLS, owed_call

_FINISH = {
    "length": FinishReason.LENGTH,
    "max_output_tokens": FinishReason.LENGTH,
    "max_iterations_exceeded": FinishReason.MAX_ITERATIONS,
    "content_filter": FinishReason.SHIELD,
}


def output_of(response: Fields, kind: str) -> list[Fields]:
    """Return the output of a response; what it means hangs on the types in it.

    Raises:
        MalformedChunk: it is no list of objects that have a type.
    """
    where = f"{kind}.response"
    output = mappings_in(response, "output", where)
    for index, item in enumerate(output):
        text_in(item, "type", f"{where}.output[{index}]")
    return output


def guardrail(refusal: str, usage: Usage | None, *, spoke: bool) -> tuple[TurnEvent, ...]:
    """A guardrail that stepped in has judged the question, or what the model began to say."""
    touchpoint = Touchpoint.ASSISTANT_OUTPUT if spoke else Touchpoint.USER_INPUT
    refusal = refusal or "The model refused to answer."
    return (
        ShieldChecked(touchpoint, refusal),
        TurnCompleted(refusal, FinishReason.SHIELD, usage),
    )


def awaiting(response: Fields, owed: list[Fields], *, resumed: bool) -> TurnAwaitingInput:
    """The client owes function results or approvals; a resumed turn has its id already."""
    calls = tuple(owed_call(item, item["type"]) for item in owed)
    approval = any(item["type"] == APPROVAL for item in owed)
    reason = InputReason.APPROVAL if approval else InputReason.TOOL_RESULT
    turn_id = None if resumed else optional_text_in(response, "id", "response")
    return TurnAwaitingInput(turn_id, calls, reason, usage_of(response))


def finish_reason(response: Fields, output: list[Fields]) -> FinishReason:
    """Return why a response is incomplete; an unknown reason is some limit too.

    Servers before 0.4 give no reason: a tool as the last item then means the iteration limit.
    """
    details = response.get("incomplete_details")
    stated = details.get("reason") if isinstance(details, dict) else None
    known = _FINISH.get(stated) if isinstance(stated, str) else None
    if stated is None and output and output[-1]["type"] in SERVER_TOOLS:
        return FinishReason.MAX_ITERATIONS
    return known or FinishReason.LENGTH


def usage_of(response: Fields) -> Usage | None:
    """Return the token counts of a response, when it has them."""
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return None
    read, written = usage.get("input_tokens"), usage.get("output_tokens")
    if type(read) is not int or type(written) is not int or min(read, written) < 0:
        return None
    return Usage(read, written)


def refusal_of(output: list[Fields]) -> str | None:
    """Return the text of the refusal parts in the output of a response, None when it has none."""
    refusals = [part for part in _parts(output) if part["type"] == "refusal"]
    return _joined(refusals, "refusal") if refusals else None


def answer_of(output: list[Fields]) -> str:
    """Return the answer text in the output of a response."""
    return _joined([part for part in _parts(output) if part["type"] == "output_text"], "text")


def _joined(parts: list[Fields], name: str) -> str:
    return "".join(optional_text_in(part, name, "content") or "" for part in parts)


def _parts(output: list[Fields]) -> Iterator[Fields]:
    """Yield what the assistant says; a message with another role is not its word."""
    for item in output:
        if item["type"] == "message" and item.get("role") in (None, "assistant"):
            yield from _content(item)


def _content(item: Fields) -> list[Fields]:
    content = item.get("content")
    if isinstance(content, str):
        return [{"type": "output_text", "text": content}]
    parts = mappings_in(item, "content", "item(message)")
    for part in parts:
        text_in(part, "type", "content")
    return parts
