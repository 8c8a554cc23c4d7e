"""Our values as columns, and back.

1. JSON is written by the JSON module, not by msgspec: that refuses text with halves of surrogate
   pairs, which a model may send and a client may ask with. Only such text is escaped.
2. Fields that are unknown are passed over and missing ones have their defaults, so that replicas of
   two versions can share a database.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row

from service.domain import AttachmentNote, ConversationNote, Model, Thread, TurnRecord

_HALVES = re.compile("[\ud800-\udfff]")
_NOTHING = "[]"
_MOST_TOKENS = 2**53 - 1


def to_json(value: object) -> str:
    """Return a value as JSON: a dataclass, or what holds some."""
    plain = msgspec.to_builtins(value)
    text = json.dumps(plain, ensure_ascii=False)
    return json.dumps(plain) if _HALVES.search(text) else text


def from_json[T](text: str, kind: type[T]) -> T:
    """Return the value that was written as JSON."""
    return msgspec.convert(json.loads(text), kind)


def model_from(text: str | None) -> Model | None:
    """Return a model that may be missing."""
    return None if text is None else from_json(text, Model)


def thread_from(text: str | None) -> Thread | None:
    """Return a thread that may be missing."""
    return None if text is None else from_json(text, Thread)


def to_ms(time_s: float) -> int:
    """Return a time as it is kept."""
    return round(time_s * 1_000)


def to_s(time_ms: int) -> float:
    """Return a time as everybody else has it."""
    return time_ms / 1_000


def note_from(row: Row[*tuple[Any, ...]]) -> ConversationNote:
    """Return the conversation of a row."""
    return ConversationNote(
        conversation_id=row.conversation_id,
        user=row.user,
        title=row.title,
        model=model_from(row.model),
        created_at=to_s(row.created_ms),
        last_at=to_s(row.last_ms),
        message_count=row.message_count,
    )


def turn_from(row: Row[*tuple[Any, ...]]) -> TurnRecord:
    """Return the turn of a row."""
    return TurnRecord(
        request_id=row.request_id,
        conversation_id=row.conversation_id,
        user=row.user,
        key=row.key,
        question=row.question,
        began_at=to_s(row.began_ms),
        resumes=row.resumes,
        came_from=thread_from(row.came_from),
        attachments=_attachments(row.attachments),
        redactions=row.redactions,
        model=model_from(row.model),
        outcome=row.outcome,
        code=row.code,
        finish_reason=row.finish_reason,
        truncated=row.truncated,
        answer=row.answer,
        told=row.told,
        tool_calls=_listed(row.tool_calls),
        tool_results=_listed(row.tool_results),
        shields=_listed(row.shields),
        referenced_documents=_listed(row.referenced_documents),
        rag_chunks=_listed(row.rag_chunks),
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        usage=row.usage,
        ended_at=None if row.ended_ms is None else to_s(row.ended_ms),
    )


def columns_of(turn: TurnRecord) -> dict[str, object]:
    """Return the columns of a turn, but for those that say which process drives it."""
    return {
        "request_id": turn.request_id,
        "conversation_id": turn.conversation_id,
        "user": turn.user,
        "key": turn.key,
        "question": turn.question,
        "began_ms": to_ms(turn.began_at),
        "resumes": turn.resumes,
        "came_from": thread_column(turn.came_from),
        "attachments": _list(turn.attachments),
        "redactions": turn.redactions,
        "model": model_column(turn.model),
        **outcome_of(turn),
    }


def outcome_of(turn: TurnRecord) -> dict[str, object]:
    """Return the columns that say how a turn has ended."""
    return {
        "outcome": turn.outcome,
        "code": turn.code,
        "finish_reason": turn.finish_reason,
        "truncated": turn.truncated,
        "answer": turn.answer,
        "told": turn.told,
        "tool_calls": _list(turn.tool_calls),
        "tool_results": _list(turn.tool_results),
        "shields": _list(turn.shields),
        "referenced_documents": _list(turn.referenced_documents),
        "rag_chunks": _list(turn.rag_chunks),
        "input_tokens": _count(turn.input_tokens),
        "output_tokens": _count(turn.output_tokens),
        "usage": turn.usage,
        "ended_ms": None if turn.ended_at is None else to_ms(turn.ended_at),
    }


def model_column(model: Model | None) -> str | None:
    """Return a model that may be missing, as it is kept."""
    return None if model is None else to_json(model)


def thread_column(thread: Thread | None) -> str | None:
    """Return a thread that may be missing, as it is kept."""
    return None if thread is None else to_json(thread)


def _count(tokens: int) -> int:
    """Return a count as far as a column holds it: a server may say anything."""
    return max(0, min(tokens, _MOST_TOKENS))


def _list(values: Sequence[object]) -> str:
    return to_json(values) if values else _NOTHING


def _attachments(text: str) -> tuple[AttachmentNote, ...]:
    return () if text == _NOTHING else from_json(text, tuple[AttachmentNote, ...])


def _listed(text: str) -> Sequence[Mapping[str, object]]:
    return () if text == _NOTHING else tuple(json.loads(text))
