"""What is said to a model in words: attachments, a rebuilt history, what a client's tool said."""

import json
from collections.abc import Iterable

import msgspec

from service.domain import Answer, Approval, Attachment, PastTurn

_DENIED = "The user has denied this call"
_TOOL_FAILED = "Error executing tool: "
"""How Llama Stack itself tells a model that a tool has failed."""


def question_with(query: str, attachments: Iterable[Attachment]) -> str:
    """Return a question followed by its attachments, each under its label."""
    return "".join([query, *map(_labelled, attachments)])


def _labelled(attachment: Attachment) -> str:
    """Return an attachment under a label."""
    kind, content_type = attachment.attachment_type, attachment.content_type
    return f"\n\n[Attachment: {kind}, {content_type}]\n{attachment.content}\n"


def transcript(turns: Iterable[PastTurn]) -> str:
    """Return a history as text, for upstreams that take no messages of an assistant."""
    said = "".join(f"\n\nUser: {each.question}\n\nAssistant: {each.answer}" for each in turns)
    return f"\n\nThe conversation so far:{said}" if said else ""


def output_of(answer: Answer) -> str:
    """Return what a model is told of a client's tool, or of a call that the client has denied."""
    if isinstance(answer, Approval):
        return f"{_DENIED}: {answer.reason}" if answer.reason else f"{_DENIED}."
    return f"{_TOOL_FAILED}{answer.content}" if answer.failed else answer.content


def utf8[Value](value: Value) -> Value:
    """Return JSON as UTF-8 can say it: models and shields may say half a surrogate pair."""
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        whole: Value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
        return whole
    return value
