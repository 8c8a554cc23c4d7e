"""How a response of the Responses API ended: what its last chunk says."""

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
from statemachine.upstream.fields import Fields, mappings_in, optional_text_in
from statemachine.upstream.items import APPROVAL, SERVER_TOOLS, owed_call

_FINISH = {
    "length": FinishReason.LENGTH,
    "max_output_tokens": FinishReason.LENGTH,
    "max_iterations_exceeded": FinishReason.MAX_ITERATIONS,
    "content_filter": FinishReason.SHIELD,
}


def guardrail(refusal: str, usage: Usage | None, *, spoke: bool) -> tuple[TurnEvent, ...]:
    """A guardrail that stepped in has judged the question, or what the model began to say."""
    touchpoint = Touchpoint.ASSISTANT_OUTPUT if spoke else Touchpoint.USER_INPUT
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
    return TurnAwaitingInput(turn_id, calls, reason)


def finish_reason(response: Fields) -> FinishReason:
    """Return why a response is incomplete; an unknown reason is some limit too.

    Servers before 0.4 give no reason: a tool as the last item then means the iteration limit.
    """
    details = response.get("incomplete_details")
    stated = details.get("reason") if isinstance(details, dict) else None
    known = _FINISH.get(stated) if isinstance(stated, str) else None
    if known is None and stated is None and _ends_in_tool(response):
        return FinishReason.MAX_ITERATIONS
    return known or FinishReason.LENGTH


def _ends_in_tool(response: Fields) -> bool:
    output = response.get("output")
    last = output[-1] if isinstance(output, list) and output else None
    return isinstance(last, dict) and str(last.get("type")) in SERVER_TOOLS


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
    """Return the text of a refusal part in the output of a response."""
    for item in output:
        if item.get("type") == "message":
            for part in _parts(item):
                if part.get("type") == "refusal":
                    refusal = optional_text_in(part, "refusal", "content")
                    return refusal or "The model refused to answer."
    return None


def answer_of(output: list[Fields]) -> str:
    """Return the answer text in the output of a response."""
    parts = [part for item in output if item.get("type") == "message" for part in _parts(item)]
    texts = (optional_text_in(part, "text", "content") for part in parts)
    return "".join(text for text in texts if text)


def _parts(item: Fields) -> list[Fields]:
    content = item.get("content")
    if isinstance(content, str):
        return [{"type": "output_text", "text": content}]
    return mappings_in(item, "content", "item(message)")
