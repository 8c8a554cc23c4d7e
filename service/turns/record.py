"""What is kept of a turn: made before it runs, and again when it has ended."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.domain import Attachment, AttachmentNote, PausedTurn, Plan, TurnIds, TurnRecord
from statemachine import End, FinishReason, Output, Summary, prompt_of, wire_fields


@dataclass(frozen=True, slots=True)
class Opening:
    """What is known of a turn before it is asked; `redactions` counts what was taken out."""

    began_at: float
    attachments: tuple[AttachmentNote, ...] = ()
    redactions: int = 0


def begun(ids: TurnIds, plan: Plan, key: str, opening: Opening) -> TurnRecord:
    """Return the record of a turn that is about to run."""
    return TurnRecord(
        ids.request_id,
        ids.conversation_id,
        ids.user,
        key,
        plan.query,
        opening.began_at,
        came_from=plan.conversation.thread,
        attachments=opening.attachments,
        redactions=opening.redactions,
        model=plan.model,
    )


def resumed(ids: TurnIds, paused: PausedTurn, opening: Opening, request_id: str) -> TurnRecord:
    """Return the record of a stream that is about to go on with a turn that waits."""
    record = begun(ids, paused.plan, paused.key, opening)
    return replace(record, resumes=request_id, came_from=paused.thread)


def ended(record: TurnRecord, summary: Summary, *, told: bool, ended_at: float) -> TurnRecord:
    """Return the record of a turn that has ended; `told` tells that a history holds it."""
    usage = summary.usage
    found: dict[str, Any] = wire_fields(summary.ended(End(FinishReason.STOP, usage=None)))
    return replace(
        record,
        outcome=summary.outcome,
        code=summary.code,
        finish_reason=summary.finish_reason,
        truncated=summary.truncated,
        answer=summary.answer,
        told=told,
        tool_calls=_fields(summary.calls),
        tool_results=_fields(summary.results),
        shields=_fields(summary.shields),
        referenced_documents=found["referenced_documents"],
        rag_chunks=found["rag_chunks"],
        input_tokens=usage.input_tokens if usage else 0,
        output_tokens=usage.output_tokens if usage else 0,
        usage="exact" if summary.exact else "estimated",
        ended_at=ended_at,
    )


def at_no_cost(record: TurnRecord) -> TurnRecord:
    """Return the record of a turn that has used nothing."""
    return replace(record, input_tokens=0, output_tokens=0)


def notes(attachments: Iterable[Attachment]) -> tuple[AttachmentNote, ...]:
    """Return what is kept of attachments."""
    return tuple(
        AttachmentNote(
            each.attachment_type, each.content_type, len(each.content.encode("utf-8", "replace"))
        )
        for each in attachments
    )


def prompt_sent(plan: Plan) -> str:
    """Return what the model is sent for a turn, but for its history: tokens are estimated by it."""
    return prompt_of(plan.query, plan.system_prompt, (each.content for each in plan.attachments))


def _fields(outputs: Iterable[Output]) -> tuple[Mapping[str, object], ...]:
    return tuple(map(wire_fields, outputs))
