"""What is kept of a turn: made before it runs, and again when it has ended."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.domain import Attachment, AttachmentNote, Plan, TurnIds, TurnRecord
from statemachine import End, FinishReason, Output, Summary, prompt_of, wire_fields


@dataclass(frozen=True, slots=True)
class Opening:
    """What is known of a turn before it is asked; `redactions` counts what was taken out."""

    began_at: float
    attachments: tuple[AttachmentNote, ...] = ()
    redactions: int = 0


def begun(
    ids: TurnIds, plan: Plan, key: str, opening: Opening, resumes: str | None = None
) -> TurnRecord:
    """Return the record of a turn that is about to run."""
    return TurnRecord(
        ids.request_id,
        ids.conversation_id,
        ids.user,
        key,
        plan.query,
        opening.began_at,
        resumes,
        opening.attachments,
        opening.redactions,
        plan.model,
    )


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
