"""What must not leave is taken out of what clients say, before anything else is done with it."""

from collections.abc import Mapping
from dataclasses import replace

import structlog

from service.domain import Answers, Approval, ToolAnswer, TurnRequest
from service.ports import Redactor
from service.telemetry.metrics import Metrics

logger = structlog.get_logger()


async def redacted(
    redactor: Redactor, metrics: Metrics, request: TurnRequest
) -> tuple[TurnRequest, int]:
    """Return a question as it may leave, and how much was taken out of it.

    Raises:
        RedactionFailed: see `Redactor.redact`.
    """
    attachments, prompt = request.attachments, request.system_prompt
    texts = [request.query, *(each.content for each in attachments)]
    found = await redactor.redact(texts if prompt is None else [*texts, prompt])
    query, *contents = found.texts
    if not found.counts:
        return request, 0
    cleared = replace(
        request,
        query=query,
        attachments=tuple(
            replace(each, content=content)
            for each, content in zip(attachments, contents, strict=False)
        ),
        system_prompt=None if prompt is None else contents[-1],
    )
    return cleared, _counted(metrics, found.counts)


async def redacted_answers(
    redactor: Redactor, metrics: Metrics, answers: Answers
) -> tuple[Answers, int]:
    """Return answers as they may leave, and how much was taken out of them.

    Raises:
        RedactionFailed: see `Redactor.redact`.
    """
    found = await redactor.redact([_words(each) for each in answers])
    cleared = tuple(
        _with_words(each, text) for each, text in zip(answers, found.texts, strict=True)
    )
    return (cleared, _counted(metrics, found.counts)) if found.counts else (answers, 0)


async def redacted_text(redactor: Redactor, metrics: Metrics, text: str) -> str:
    """Return what somebody has written beside that, as it may leave.

    Raises:
        RedactionFailed: see `Redactor.redact`.
    """
    found = await redactor.redact([text])
    if found.counts:
        _counted(metrics, found.counts)
    return found.texts[0]


def _words(answer: ToolAnswer | Approval) -> str:
    return answer.content if isinstance(answer, ToolAnswer) else answer.reason or ""


def _with_words(answer: ToolAnswer | Approval, text: str) -> ToolAnswer | Approval:
    if isinstance(answer, ToolAnswer):
        return replace(answer, content=text)
    return replace(answer, reason=text or None)


def _counted(metrics: Metrics, counts: Mapping[str, int]) -> int:
    """Say how often something was taken out, never what it was; and return how much."""
    metrics.redacted(counts)
    logger.info("request.redacted", counts=dict(counts))
    return sum(counts.values())
