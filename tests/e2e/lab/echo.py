"""Answers that tell what the model was really sent, one fact a line, texts as JSON."""

import json
from collections.abc import Iterator

from tests.e2e.lab.chat_request import ChatRequest, Message

LONGEST = 400


def history(request: ChatRequest, question_at: int) -> str:
    """Return model, system prompt, tools, and every message before the question."""
    return "\n".join(_history(request, question_at))


def _history(request: ChatRequest, question_at: int) -> Iterator[str]:
    yield f"model: {request.model}"
    yield f"system: {_quoted(request.system_prompt)}"
    yield f"tools: {', '.join(request.tools) or 'none'}"
    for message in request.messages[:question_at]:
        if message.role not in {"system", "developer"}:
            yield _line(message)


def _line(message: Message) -> str:
    calls = f" calls {', '.join(message.calls)}" if message.calls else ""
    return f"{message.role}{calls}: {_quoted(message.text)}"


def attachments(request: ChatRequest, question_at: int, question: str) -> str:
    """Return what came with the question: text behind it, and other messages of this turn."""
    with_question = request.messages[question_at].text.removeprefix(question)
    others = [
        each.text
        for index, each in enumerate(request.messages)
        if index >= request.turn_start and index != question_at and each.role == "user"
    ]
    texts = [each for each in [with_question, *others] if each.strip()]
    return "\n".join(f"attachment: {_quoted(each)}" for each in texts) or "attachments: none"


def _quoted(text: str) -> str:
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return json.dumps(shown, ensure_ascii=False)
