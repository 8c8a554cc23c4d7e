"""Shields of a server beside its stream: a question before the turn, an answer at checkpoints."""

from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import msgspec

from service.errors import UpstreamError
from service.upstream.connection import Connection
from service.upstream.faults import fault
from statemachine import ShieldChecked, Touchpoint

_OWN_STATUS = (503, 504)
_REMARKS = ("info", "warn")
_REFUSED = "The request was refused by a safety shield."

type Messages = list[dict[str, str]]
type Violation = dict[str, object]


@dataclass(slots=True, eq=False)
class ShieldModerator:
    """Asks the shields of one turn; see `Moderator`.

    `asked` is the question that an answer is judged together with. A server judges the last of
    the messages, and would drop the first of two by a user.
    """

    connection: Connection
    input_shields: Sequence[str]
    output_shields: Sequence[str]
    asked: str
    timeout_s: float
    question: str | None = None

    async def judge(self, touchpoint: Touchpoint, text: str) -> ShieldChecked:
        """Ask all shields at once; the first in their order that objects has the word."""
        answers = touchpoint is Touchpoint.ASSISTANT_OUTPUT
        shields = self.output_shields if answers else self.input_shields
        messages = _exchange(self.asked, text) if answers else [_user(text)]
        verdicts: dict[str, Violation | UpstreamError | None] = {}

        async def ask(shield: str) -> None:
            verdicts[shield] = await self._violation(shield, messages)

        async with anyio.create_task_group() as tasks:
            for shield in shields:
                tasks.start_soon(ask, shield)
        objections: list[Violation] = []
        for shield in shields:
            verdict = verdicts[shield]
            if isinstance(verdict, UpstreamError):
                raise verdict
            if verdict is not None:
                objections.append(verdict)
        return _checked(touchpoint, objections[0] if objections else None)

    async def _violation(self, shield: str, messages: Messages) -> Violation | UpstreamError | None:
        """Return what a shield objects to, or why it could not be asked."""
        body = {"shield_id": shield, "messages": messages, "params": {}}
        try:
            with anyio.fail_after(self.timeout_s):
                answer = await self.connection.post("/v1/safety/run-shield", body, repeatable=True)
            return _read(answer)
        except (UpstreamError, TimeoutError) as refused:
            detail = getattr(refused, "detail", None) or repr(refused)
            return UpstreamError(
                "moderation_failed",
                "The shields could not be asked.",
                _status(refused),
                detail=f"{shield}: {detail}",
                untaken=True,
            )


def _status(refused: UpstreamError | TimeoutError) -> int:
    """Whatever a shield refuses, the caller has no part in it."""
    if isinstance(refused, TimeoutError):
        return 504
    return refused.status_code if refused.status_code in _OWN_STATUS else 502


def _read(answer: object) -> Violation | None:
    """Return what a shield objects to; who says neither yes nor no has not judged."""
    odd = fault("upstream_unexpected", f"no verdict in {answer!r}"[:500])
    if not isinstance(answer, dict) or "violation" not in answer:
        raise odd
    violation = answer["violation"]
    if violation is not None and not isinstance(violation, dict):
        raise odd
    # What is only remarked on passes, as it does in agent turns.
    remark = violation is not None and violation.get("violation_level") in _REMARKS
    return None if remark else violation


def _checked(touchpoint: Touchpoint, violation: Violation | None) -> ShieldChecked:
    if violation is None:
        return ShieldChecked(touchpoint, None)
    message, level = violation.get("user_message"), violation.get("violation_level")
    metadata = violation.get("metadata")
    return ShieldChecked(
        touchpoint,
        message if isinstance(message, str) and message else _REFUSED,
        violation_level=level if isinstance(level, str) else None,
        metadata=msgspec.json.encode(metadata).decode() if metadata else None,
    )


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _exchange(question: str, answer: str) -> Messages:
    """Return an answer after its question; servers before 0.4 ask for a stop reason."""
    said = {"role": "assistant", "content": answer, "stop_reason": "end_of_turn"}
    return [_user(question), said]
