"""What is kept of a turn when it has ended, before its terminal emission is said."""

from dataclasses import dataclass, replace

import structlog

from service.domain import PastTurn, PausedTurn, Plan, Thread
from service.errors import LogUnavailable
from service.ports import Conversations, Orphan, PausedTurns, Upstream
from service.turns.admission import Admission
from service.turns.turn import RunningTurn
from statemachine import AwaitingInput, InputReason, Summary

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Settled:
    """What has become of a turn.

    `stored` tells that it is kept where it outlives this process; `answer_within_s` is for how
    many seconds its calls can be answered.
    """

    stored: bool
    answer_within_s: int | None = None


@dataclass(frozen=True, slots=True)
class Settler:
    """Keeps what later turns need. `answer_timeout_s` is how long answers are waited for."""

    conversations: Conversations
    paused: PausedTurns
    upstream: Upstream
    admission: Admission
    answer_timeout_s: float

    async def settle(self, turn: RunningTurn) -> Settled:
        """Keep a turn that has ended, as far as its stores can be reached."""
        try:
            settled = await self._keep(turn)
        except LogUnavailable as unavailable:
            logger.warning(
                "turn.not_stored", request_id=turn.ids.request_id, cause=unavailable.cause
            )
            settled = Settled(stored=False)
        await self.admission.leave(turn.ids, turn.idempotency)
        return settled

    async def settle_orphan(self, orphan: Orphan, summary: Summary) -> Settled:
        """Keep what a turn has said whose process has died; where the upstream is, nobody knows."""
        estate, kept = orphan.estate, self.conversations
        said = "\n\n".join(filter(None, (estate.said, summary.answer)))
        past = PastTurn(estate.key, estate.question, said) if summary.told else None
        try:
            unneeded = await kept.save(orphan.ids.conversation_id, past, None, None, known=())
            stored = kept.shared
        except LogUnavailable as unavailable:
            logger.warning(
                "turn.not_stored", request_id=orphan.ids.request_id, cause=unavailable.cause
            )
            unneeded, stored = (), False
        for each in unneeded:
            self.upstream.forget(each)
        await self.admission.leave(orphan.ids, None)
        return Settled(stored)

    async def _keep(self, turn: RunningTurn) -> Settled:
        summary = turn.stream.summary
        unsent = turn.untaken or turn.asked_at is None
        if turn.resumes is not None and unsent:
            await self.paused.release(turn.resumes, turn.ids.request_id)
            return Settled(stored=False)
        thread = turn.upstream.thread(summary)
        waits = turn.accepted and thread is not None and _owes(summary)
        if waits and thread is not None:
            await self._pause(turn, thread, summary)
        past = past_turn(turn)
        unneeded = await self.conversations.save(
            turn.ids.conversation_id,
            past,
            # A model that could not answer is not gone on with.
            turn.plan.model if past is not None or waits else None,
            None if waits else thread,
            known=turn.plan.conversation.turns,
        )
        left = [turn.came_from] if turn.came_from != thread else []
        for each in dict.fromkeys([*unneeded, *left, *await self.paused.expired()]):
            if each is not None:
                self.upstream.forget(each)
        within_s = round(self.answer_timeout_s) if waits else None
        return Settled(self.conversations.shared, within_s)

    async def _pause(self, turn: RunningTurn, thread: Thread, summary: Summary) -> None:
        awaiting = summary.awaiting
        if awaiting is None:
            return
        labelled = (each.call_id for each in awaiting.calls if each.server_label is not None)
        approvals = frozenset(labelled if awaiting.reason is InputReason.APPROVAL else ())
        paused = PausedTurn(
            turn.key,
            without_headers(turn.plan),
            thread,
            awaiting.turn_id,
            awaiting.calls,
            approvals,
            all_said(turn),
        )
        for each in await self.paused.pause(turn.ids.request_id, paused):
            self.upstream.forget(each)


def without_headers(plan: Plan) -> Plan:
    """Return a plan that can be kept for a while: credentials are not."""
    servers = tuple(replace(each, headers={}) for each in plan.mcp_servers)
    return replace(plan, mcp_servers=servers)


def past_turn(turn: RunningTurn) -> PastTurn | None:
    """Return what a history says of a turn, also of one that was cut."""
    summary = turn.stream.summary
    if not (turn.accepted and summary.told):
        return None
    return PastTurn(turn.key, turn.plan.query, all_said(turn))


def all_said(turn: RunningTurn) -> str:
    """Return what the model has said in all streams of a turn."""
    return "\n\n".join(filter(None, (turn.said, turn.stream.summary.answer)))


def _owes(summary: Summary) -> bool:
    """Tell whether the client can answer: at its iteration limit a server waits for nothing."""
    awaiting: AwaitingInput | None = summary.awaiting
    return awaiting is not None and awaiting.reason is not InputReason.MAX_ITERATIONS
