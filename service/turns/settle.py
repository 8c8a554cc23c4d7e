"""What is kept of a turn when it has ended, before its terminal emission is said."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import structlog

from service.domain import Kept, Leavings, PausedTurn, Plan, Thread, TurnRecord
from service.errors import StorageUnavailable
from service.ports import Orphan, PausedTurns, Turns, Upstream
from service.turns.admission import Admission
from service.turns.record import at_no_cost, ended
from service.turns.turn import RunningTurn
from service.turns.unstored import NOT_OURS, Unstored
from statemachine import AwaitingInput, InputReason, Summary

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Settled:
    """What has become of a turn.

    `stored` tells that it is kept where it outlives this process; `answer_within_s` is for how
    many seconds its calls can be answered.
    """

    record: TurnRecord
    stored: bool
    answer_within_s: int | None = None
    available_quotas: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settler:
    """Keeps turns that have ended. `answer_timeout_s` is how long answers are waited for.

    `durable` tells that what is kept outlives this process.
    """

    turns: Turns
    paused: PausedTurns
    upstream: Upstream
    admission: Admission
    unstored: Unstored
    answer_timeout_s: float
    durable: bool

    async def settle(self, turn: RunningTurn) -> Settled:
        """Keep a turn that has ended; what cannot be kept now is tried again later.

        Its key is left until its readers know (`leave_key`): it is held for long enough.
        """
        summary = turn.stream.summary
        told = turn.accepted and summary.told
        record = ended(turn.record, summary, told=told, ended_at=time.time())
        unsent = turn.untaken or turn.asked_at is None
        if turn.refusal is not None or (unsent and turn.interrupted):
            record = at_no_cost(record)
        left, unneeded = Leavings(), tuple[Thread | None, ...]()
        if record.resumes is not None and unsent:
            # What it was to answer still waits, and so does the thread.
            await self._release(record.resumes, record.request_id)
        else:
            left, unneeded = self._left(turn, told=told)
        kept = await self._keep(record, left)
        self._forget(unneeded)
        if kept is not None:
            # Readers wait: where one answer did not come another one would not either.
            self._forget(await self._expired())
        await self.admission.leave(turn.ids)
        waits = left.paused is not None and kept is not None
        return Settled(
            record,
            stored=self.durable and kept is not None,
            answer_within_s=round(self.answer_timeout_s) if waits else None,
            available_quotas=kept.available_quotas if kept else {},
        )

    async def leave_key(self, turn: RunningTurn) -> None:
        """Let the key of a turn stand for it only as long as it is kept, now that it is over."""
        if turn.idempotency is not None:
            await self.admission.keep(turn.idempotency)

    async def settle_orphan(self, orphan: Orphan, summary: Summary) -> Settled:
        """Keep what a turn has said whose process has died; where the upstream is, nobody knows."""
        estate, ids, now = orphan.estate, orphan.ids, time.time()
        begun = await self._begun(ids.request_id) or TurnRecord(
            ids.request_id, ids.conversation_id, ids.user, estate.key, estate.question, now
        )
        record = ended(begun, summary, told=summary.told, ended_at=now)
        kept = await self._keep(record, Leavings(inherited=True))
        await self.admission.leave(ids)
        return Settled(record, stored=self.durable and kept is not None)

    async def _begun(self, request_id: str) -> TurnRecord | None:
        try:
            return await self.turns.known(request_id, None)
        except StorageUnavailable:
            # It is said below that the turn cannot be kept.
            return None

    async def _keep(self, record: TurnRecord, left: Leavings) -> Kept | None:
        try:
            kept = await self.turns.end(record, left)
        except StorageUnavailable as unavailable:
            logger.warning("turn.not_stored", request_id=record.request_id, cause=unavailable.cause)
            self.unstored.add(record, left)
            return None
        if kept is None:
            logger.warning("turn.not_stored", request_id=record.request_id, cause=NOT_OURS)
            return None
        self.unstored.wake()
        self._forget(kept.unneeded)
        return kept

    def _left(self, turn: RunningTurn, *, told: bool) -> tuple[Leavings, tuple[Thread | None, ...]]:
        """Return what a turn leaves behind, and threads that it has gone on from."""
        summary, plan = turn.stream.summary, turn.plan
        thread = turn.upstream.thread(summary)
        waits = turn.accepted and thread is not None and _owes(summary)
        paused = _paused(turn, thread, summary, told=told) if waits and thread else None
        left = Leavings(
            None if waits else thread,
            plan.conversation.version,
            # A model that could not answer is not gone on with.
            plan.model if told or waits else None,
            paused,
        )
        came_from = turn.record.came_from
        return left, (came_from,) if came_from != thread else ()

    async def _release(self, request_id: str, by: str) -> None:
        try:
            await self.paused.release(request_id, by)
        except StorageUnavailable as unavailable:
            # The claim of a stream that has come to nothing ends by itself.
            logger.warning("claim.kept", request_id=by, cause=unavailable.cause)

    async def _expired(self) -> Iterable[Thread]:
        try:
            return await self.paused.expired()
        except StorageUnavailable:
            # They are there when it comes back.
            return ()

    def _forget(self, threads: Iterable[Thread | None]) -> None:
        for each in dict.fromkeys(threads):
            if each is not None:
                self.upstream.forget(each)


def _paused(
    turn: RunningTurn, thread: Thread, summary: Summary, *, told: bool
) -> PausedTurn | None:
    awaiting = summary.awaiting
    if awaiting is None:
        return None
    labelled = (each.call_id for each in awaiting.calls if each.server_label is not None)
    approvals = frozenset(labelled if awaiting.reason is InputReason.APPROVAL else ())
    plan = without_headers(turn.plan)
    # The part that is stored now is one more that the thread goes on from.
    version = plan.conversation.version + told
    return PausedTurn(
        turn.record.key,
        replace(plan, conversation=replace(plan.conversation, version=version)),
        thread,
        awaiting.turn_id,
        awaiting.calls,
        approvals,
        all_said(turn),
        turn.titled,
    )


def without_headers(plan: Plan) -> Plan:
    """Return a plan that can be kept for a while: credentials are not."""
    servers = tuple(replace(each, headers={}) for each in plan.mcp_servers)
    return replace(plan, mcp_servers=servers)


def all_said(turn: RunningTurn) -> str:
    """Return what the model has said in all streams of a turn."""
    return "\n\n".join(filter(None, (turn.said, turn.stream.summary.answer)))


def _owes(summary: Summary) -> bool:
    """Tell whether the client can answer: at its iteration limit a server waits for nothing."""
    awaiting: AwaitingInput | None = summary.awaiting
    return awaiting is not None and awaiting.reason is not InputReason.MAX_ITERATIONS
