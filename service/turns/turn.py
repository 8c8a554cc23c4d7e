"""One running turn: what drives it, and how it is stopped."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from service.domain import Estate, Plan, TurnIds, TurnRecord
from service.errors import TurnRefused
from service.ports import Tape, UpstreamTurn
from service.turns.admission import Claim
from statemachine import Emission, Ending, Failure, Interrupted, Interrupter, TurnStream

_OPENING_EMISSIONS = 1
"""A stream opens with `start`; nothing else comes before the upstream has said something."""


class Moment:
    """Something that happens once. Every turn has two, and an event takes a kilobyte."""

    __slots__ = ("_happened", "_waiters")

    def __init__(self) -> None:
        self._happened = False
        self._waiters: list[asyncio.Future[None]] = []

    def is_set(self) -> bool:
        """Tell whether it has happened."""
        return self._happened

    def set(self) -> None:
        """Let it happen; later there is nothing more to it."""
        self._happened = True
        waiters, self._waiters = self._waiters, []
        for each in waiters:
            if not each.done():
                each.set_result(None)

    async def wait(self) -> None:
        """Wait until it happens."""
        if not self._happened:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter


@dataclass(slots=True, eq=False)
class RunningTurn:
    """A turn that this process drives.

    `record` is what was kept of it when it began; `said` what the model has said in earlier
    streams. `titled` tells that its conversation is to get a title.
    `accepted` tells that the upstream took the turn, `untaken` that it certainly has not even
    begun to. `settled` is set when the first upstream chunk was applied or the turn has ended, so
    that a route can tell whether there is anything to stream. `reading` ends the wait for the
    upstream. `idempotency` is the claim by which the turn was started, `lost` tells that another
    process has taken the turn over. `cancels` tells that the turn ends when nobody reads it, and
    `attended_at` when somebody last did. All times are of the event loop, in seconds;
    that of `asked_at` is when the upstream was asked, `heard_at` when it has first said something,
    `patient_until` until when it may be silent.
    """

    ids: TurnIds
    upstream: UpstreamTurn
    stream: TurnStream
    started_at: float
    plan: Plan
    record: TurnRecord
    said: str = ""
    titled: bool = False
    tape: Tape | None = None
    ending: Ending = Ending.END
    asked_at: float | None = None
    received_bytes: int = 0
    patient_until: float = 0.0
    heard_at: float | None = None
    now: Callable[[], float] = field(default_factory=lambda: asyncio.get_running_loop().time)
    accepted: bool = False
    untaken: bool = False
    idempotency: Claim | None = None
    cancels: bool = False
    attended_at: float = 0.0
    lost: bool = False
    terminal: Emission | None = None
    stopped_by: Interrupter | None = None
    reading: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    settled: Moment = field(default_factory=Moment)
    done: Moment = field(default_factory=Moment)

    def stop(self, by: Interrupter) -> None:
        """Stop the turn, unless it has come to its end already; the first to stop it counts."""
        if self.terminal is None and self.stopped_by is None:
            self.stopped_by = by
            self.reading.cancel()

    def attend(self) -> None:
        """Note that somebody reads the turn, or did until now."""
        self.attended_at = anyio.current_time()

    def lose(self) -> None:
        """Give the turn up: another process ends it, and this one may say no more."""
        self.lost = True
        self.reading.cancel()

    @property
    def estate(self) -> Estate:
        """What another process must know to store the turn."""
        return Estate(self.record.key, self.plan.query, self.said, self.cancels)

    @property
    def interrupted(self) -> bool:
        """Tell whether the turn was stopped, or is about to be."""
        if self.terminal is None:
            return self.stopped_by is not None
        return isinstance(self.terminal.output, Interrupted)

    @property
    def refusal(self) -> TurnRefused | None:
        """The failure that the turn began with, when nothing else was said."""
        if self.terminal is None:
            return None
        return refusal_of(self.terminal, verdicts=len(self.stream.summary.shields))


def refusal_of(terminal: Emission, *, verdicts: int) -> TurnRefused | None:
    """Return the failure that a stream began with; that its question has passed says nothing."""
    output = terminal.output
    if not isinstance(output, Failure) or terminal.number > _OPENING_EMISSIONS + verdicts + 1:
        return None
    return TurnRefused(output.code, output.status_code, output.response, output.cause)
