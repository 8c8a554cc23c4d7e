"""The only loop of a turn: payloads of the upstream in, emissions into the log.

However the upstream, the clock or an operator ends it, the turn ends through the table, with one
terminal emission, and that is settled before it is said.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

import anyio
import structlog

from service.errors import InternalError, UpstreamError, UpstreamReset
from service.ports import EmissionLog, Recorder, UpstreamBody
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.telemetry.turns import log_end, warn_unknown
from service.turns.afterwards import Afterwards
from service.turns.settle import Settler
from service.turns.tape import begin_tape, end_tape
from service.turns.turn import RunningTurn
from statemachine import (
    Emission,
    Ending,
    Interrupter,
    MachineMisuse,
    ShieldChecked,
    State,
    Touchpoint,
    TurnResumed,
    TurnStarted,
    TurnStream,
    settle,
)

logger = structlog.get_logger()

type Emissions = tuple[Emission, ...]

_SLACK = 0.01
"""The share of the time for silence by which it may be longer: a timer per token is not free."""


@dataclass(frozen=True, slots=True)
class Driver:
    """Drives turns from their upstream into a log."""

    log: EmissionLog
    settler: Settler
    recorder: Recorder
    afterwards: Afterwards
    metrics: Metrics
    settings: Settings

    async def drive(self, turn: RunningTurn) -> None:
        """Drive one turn from its start to its one terminal emission."""
        self.metrics.turn_started()
        turn.reading.deadline = min(
            turn.started_at + self.settings.first_chunk_timeout_s, self._last_moment(turn)
        )
        try:
            with turn.reading:
                await self._read(turn)
        finally:
            with anyio.CancelScope(shield=True):
                await self._end_somehow(turn)

    async def _read(self, turn: RunningTurn) -> None:
        """Read the upstream to its end; a failure of it becomes a failure of the turn."""
        try:
            await self._ask(turn)
        except UpstreamError as error:
            turn.untaken = error.untaken and not turn.accepted
            self._begin_at_least(turn)
            self._append(turn, _failed(turn.stream, error))
        except Exception as error:  # the pump: a bug of ours must still end the stream
            logger.exception("turn.crashed", request_id=turn.ids.request_id)
            self._begin_at_least(turn)
            self._append(turn, _crashed(turn.stream, error))

    async def _ask(self, turn: RunningTurn) -> None:
        """Ask the upstream, unless a shield objects to the question: then it hears of nothing."""
        verdict = await self._judge_question(turn)
        if verdict is not None and verdict.violation is not None:
            turn.untaken = True
            self._begin(turn, TurnStarted())
            self._take_verdict(turn, verdict)
            return
        turn.asked_at = anyio.current_time()
        try:
            async with turn.upstream.open() as body:
                turn.accepted = True
                self._begin(turn, body.opening)
                self._take_verdict(turn, verdict)
                await self._pump(turn, body)
        except UpstreamReset:
            await self._finish(turn, Ending.RESET)

    def _begin(self, turn: RunningTurn, opening: TurnStarted | TurnResumed) -> None:
        turn.tape = begin_tape(self.recorder, turn, opening)
        self._append(turn, turn.stream.begin(opening))

    def _begin_at_least(self, turn: RunningTurn) -> None:
        """Every stream begins with `start`, also one of a turn that nobody has accepted."""
        if turn.stream.state is State.IDLE:
            self._append(turn, turn.stream.begin(TurnStarted()))

    async def _pump(self, turn: RunningTurn, body: UpstreamBody) -> None:
        """Apply payloads until the turn has ended; what an upstream sends after that is left."""
        known = 0
        async with aclosing(body.payloads()) as batches:
            async for batch in batches:
                self._heard(turn)
                await self._apply(turn, batch)
                known = warn_unknown(turn.stream.unknown, known, turn.ids)
                if turn.stream.ended:
                    return
                if not turn.settled.is_set():
                    turn.heard_at = turn.now()
                    turn.settled.set()
        await self._finish(turn, Ending.END)

    async def _apply(self, turn: RunningTurn, batch: Sequence[bytes | ShieldChecked]) -> None:
        """Apply what has arrived together; what it says goes into the log together."""
        said: list[Emission] = []
        try:
            for each in batch:
                if turn.stream.ended:
                    break
                said += self._taken(turn, each)
                if turn.stream.unjudged is not None:
                    self._append(turn, said)
                    said = []
                    await self._judge_answer(turn)
        finally:
            self._append(turn, said)

    def _taken(self, turn: RunningTurn, each: bytes | ShieldChecked) -> Emissions:
        if not isinstance(each, bytes):
            return self._verdict(turn, each)
        turn.received_bytes += len(each)
        if turn.received_bytes > self.settings.upstream.turn_limit_bytes:
            raise _too_much(self.settings.upstream.turn_limit_bytes)
        if turn.tape:
            turn.tape.frame(each)
        return turn.stream.feed_payload(each)

    async def _finish(self, turn: RunningTurn, ending: Ending) -> None:
        """Take note of the end of a body; what was said until then is judged first."""
        turn.ending = ending
        self._begin_at_least(turn)
        self._append(turn, turn.stream.finish(reset=ending is Ending.RESET))
        await self._judge_answer(turn)
        # A recording may stop before a verdict: what waits for it is never said.
        self._append(turn, turn.stream.cut())

    async def _judge_question(self, turn: RunningTurn) -> ShieldChecked | None:
        moderator = turn.upstream.moderator
        if moderator is None or moderator.question is None:
            return None
        return await moderator.judge(Touchpoint.USER_INPUT, moderator.question)

    async def _judge_answer(self, turn: RunningTurn) -> None:
        moderator, said = turn.upstream.moderator, turn.stream.unjudged
        if moderator is None or said is None:
            return
        verdict = await moderator.judge(Touchpoint.ASSISTANT_OUTPUT, said)
        self._heard(turn)
        self._take_verdict(turn, verdict)

    def _take_verdict(self, turn: RunningTurn, verdict: ShieldChecked | None) -> None:
        if verdict is not None:
            self._append(turn, self._verdict(turn, verdict))

    def _verdict(self, turn: RunningTurn, verdict: ShieldChecked) -> Emissions:
        if turn.tape:
            turn.tape.verdict(verdict)
        return turn.stream.judge(verdict)

    def _heard(self, turn: RunningTurn) -> None:
        """Give the upstream time again, within that of the turn; not for every token anew."""
        idle_s = self.settings.idle_timeout_s
        until, longest = turn.now() + idle_s, idle_s * _SLACK
        if not until <= turn.patient_until <= until + longest:
            turn.patient_until = until + longest
            turn.reading.deadline = min(turn.patient_until, self._last_moment(turn))

    def _last_moment(self, turn: RunningTurn) -> float:
        return turn.started_at + self.settings.turn_timeout_s

    def _append(self, turn: RunningTurn, emissions: Sequence[Emission]) -> None:
        """Hand emissions to the log; the terminal one waits until the turn is settled."""
        if emissions and emissions[-1].terminal:
            turn.terminal = emissions[-1]
            emissions = emissions[:-1]
        if emissions:
            self.log.append(turn.ids.request_id, emissions)

    async def _end_somehow(self, turn: RunningTurn) -> None:
        try:
            await self._end(turn)
        except Exception:  # a bug of ours must not leave readers without an end
            logger.exception("turn.crashed", request_id=turn.ids.request_id)
            turn.terminal = turn.stream.abandon()
            self.log.append(turn.ids.request_id, (turn.terminal,))

    async def _end(self, turn: RunningTurn) -> None:
        """Settle the turn, then say so; one that was cut short is ended first."""
        if turn.terminal is None:
            self._begin_at_least(turn)
            self._append(turn, self._cut_short(turn))
        if turn.terminal is None:
            message = "a turn ended without a terminal emission"
            raise MachineMisuse(message)
        end_tape(turn)
        if turn.lost or not await self.log.flush(turn.ids.request_id):
            # Its new owner stores the turn and says how it has ended.
            logger.warning("turn.lost", request_id=turn.ids.request_id)
            return
        settled = await self.settler.settle(turn)
        turn.terminal = settle(
            turn.terminal,
            stored=settled.stored,
            available_quotas=dict(settled.available_quotas),
            answer_within_s=settled.answer_within_s,
        )
        self.log.append(turn.ids.request_id, (turn.terminal,))
        await self.log.flush(turn.ids.request_id)
        duration_s = anyio.current_time() - turn.started_at
        self.metrics.stored(settled.stored)
        heard_s = None if turn.heard_at is None else turn.heard_at - turn.started_at
        self.metrics.turn_ended(settled.record, duration_s, heard_s)
        log_end(settled.record, turn.stream, turn.upstream.recording, duration_s)
        self.afterwards.add(turn, settled)
        await self.settler.leave_key(turn)

    def _cut_short(self, turn: RunningTurn) -> Emissions:
        if turn.stopped_by is not None:
            return turn.stream.interrupt(turn.stopped_by)
        if turn.reading.cancelled_caught:
            return self._timed_out(turn)
        return turn.stream.interrupt(Interrupter.DRAIN)

    def _timed_out(self, turn: RunningTurn) -> Emissions:
        """Tell a turn that took too long from an upstream that was silent too long."""
        if turn.reading.deadline >= self._last_moment(turn):
            message = f"The turn took longer than {self.settings.turn_timeout_s:g} s."
            return turn.stream.fail("turn_timeout", message, status_code=504)
        message = "The upstream was silent for too long."
        return turn.stream.fail("upstream_timeout", message, status_code=504)


def _too_much(limit_bytes: int) -> UpstreamError:
    return UpstreamError(
        "upstream_too_much",
        "The upstream sent more than a turn may hold.",
        cause=f"The limit is {limit_bytes} bytes.",
    )


def _failed(stream: TurnStream, error: UpstreamError) -> Emissions:
    return stream.fail(
        error.code,
        error.response,
        status_code=error.status_code,
        cause=error.cause,
        detail=error.detail,
    )


def _crashed(stream: TurnStream, error: Exception) -> Emissions:
    bug = InternalError
    detail = repr(error)[:500]
    return stream.fail(bug.code, bug.response, status_code=bug.status_code, detail=detail)
