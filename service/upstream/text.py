"""What is said to a model in words: attachments, a rebuilt history, what a client's tool said."""

from collections.abc import Iterable

from service.domain import Attachment, PastTurn

_TOOL_FAILED = "Error executing tool: "
"""How Llama Stack itself tells a model that a tool has failed."""


def question_with(query: str, attachments: Iterable[Attachment]) -> str:
    """Return a question followed by its attachments, each under its label."""
    return "".join([query, *map(labelled, attachments)])


def labelled(attachment: Attachment) -> str:
    """Return an attachment under a label; servers put nothing between it and what precedes it."""
    kind, content_type = attachment.attachment_type, attachment.content_type
    return f"\n\n[Attachment: {kind}, {content_type}]\n{attachment.content}\n"


def transcript(turns: Iterable[PastTurn]) -> str:
    """Return a history as text, for upstreams that take no messages of an assistant."""
    said = "".join(f"\n\nUser: {each.question}\n\nAssistant: {each.answer}" for each in turns)
    return f"\n\nThe conversation so far:{said}" if said else ""


def tool_output(content: str, *, failed: bool) -> str:
    """Return what a model is told of a client's tool."""
    return f"{_TOOL_FAILED}{content}" if failed else content
