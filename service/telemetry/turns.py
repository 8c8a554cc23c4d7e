"""The log lines of a turn: one canonical line at its end, and a warning per unknown kind."""

import structlog

from service.domain import TurnIds, TurnRecord, hashed
from service.telemetry.quotes import without_quotes
from statemachine import TurnStream

logger = structlog.get_logger()

_SHOWN_OF_USER = 16
"""Enough of the hash to tell users apart."""


def warn_unknown(unknown: dict[str, int], known: int, ids: TurnIds) -> int:
    """Warn of every kind that was not there before; return how many there are now."""
    if len(unknown) == known:
        return known
    for kind in list(unknown)[known:]:
        logger.warning("chunk.kind_skipped", kind=kind, request_id=ids.request_id)
    return len(unknown)


def log_end(
    record: TurnRecord, stream: TurnStream, recording: str | None, duration_s: float
) -> None:
    """Write the canonical line of a turn: no answer, no argument, and nothing of the question.

    What a failing upstream says of it is (`detail`, `cause`), without what that quotes of the
    question.
    """
    summary, failure = stream.summary, stream.failure
    fields = {
        "request_id": record.request_id,
        "conversation_id": record.conversation_id,
        "user": hashed(record.user)[:_SHOWN_OF_USER],
        "upstream_dialect": stream.dialect,
        "model": record.model.model_id if record.model else None,
        "recording": recording,
        "state": stream.state.value,
        "outcome": summary.outcome,
        "finish_reason": summary.finish_reason,
        "truncated": summary.truncated,
        "code": summary.code,
        "detail": _unquoted(failure.detail, record) if failure else None,
        "cause": _unquoted(failure.cause, record) if failure else None,
        "emissions": stream.count,
        "tool_calls": len(summary.calls),
        "shields": len(summary.shields),
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "usage": record.usage,
        "unknown_chunks": sum(stream.unknown.values()),
        "ignored_chunks": stream.ignored,
        "duration_s": round(duration_s, 3),
    }
    shown = {name: value for name, value in fields.items() if value is not None}
    (logger.warning if failure else logger.info)("turn.ended", **shown)


def _unquoted(said: str | None, record: TurnRecord) -> str | None:
    return None if said is None else without_quotes(said, record.question)
