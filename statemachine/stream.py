"""A turn's stream: chunk in, numbered emissions out, and never an exception for the upstream.

A rejected or malformed chunk ends the turn through the table like any other failure. There is
one way to end.
"""

import hashlib
from collections.abc import Iterable

from statemachine.downstream.native import payload
from statemachine.emissions import TERMINALS, Emission, End, Failure, Output, Seal, TurnComplete
from statemachine.errors import MachineMisuse, ProtocolViolation
from statemachine.events import (
    FinishReason,
    Interrupter,
    Release,
    ShieldChecked,
    Touchpoint,
    TurnCompleted,
    TurnEvent,
    TurnFailed,
    TurnInterrupted,
    TurnResumed,
    TurnStarted,
)
from statemachine.hold_back import HoldBack, OutputModeration
from statemachine.machine import TurnMachine
from statemachine.states import FINAL, State
from statemachine.summary import Summary
from statemachine.upstream import Decoder
from statemachine.upstream.failures import violation_failure
from statemachine.upstream.frames import DONE, parse_payload
from statemachine.upstream.unknown import note_unknown

_BUG = TurnFailed("internal_error", 500, "Something went wrong in the service.", "See its log.")

type Emissions = tuple[Emission, ...]

_PATH_LIMIT = 100
"""How many moves in silence are remembered, and after them the last: a reader needs no more."""

_FILLERS = (b"", DONE)
"""Payloads that other servers send and that say nothing."""

_TRUNCATED = TurnFailed(
    "upstream_truncated",
    502,
    "The upstream stopped before the turn was complete.",
    "The upstream closed its stream without a terminal chunk.",
)
_RESET = TurnFailed(
    "upstream_reset",
    502,
    "The connection to the upstream was lost.",
    "The upstream's stream broke off without a terminal chunk.",
)


class TurnStream:
    """One turn from its first chunk to its one terminal emission.

    `ignored` counts the chunks that came after the end. `failure` is the event that ended the
    turn in `error`; its `detail` is for the log. `ended_by` is what ended the turn from outside
    of the upstream's stream.
    """

    __slots__ = (
        "_count",
        "_decoder",
        "_digest",
        "_hold_back",
        "_machine",
        "_path",
        "_sealed",
        "ended_by",
        "failure",
        "ignored",
        "summary",
    )

    def __init__(  # noqa: PLR0913 # the ids and the makings of one turn
        self,
        decoder: Decoder,
        *,
        conversation_id: str,
        request_id: str,
        prompt: str = "",
        moderation: OutputModeration | None = None,
        machine: TurnMachine | None = None,
    ) -> None:
        """`prompt` is the text that was sent upstream; it only serves to estimate its tokens.

        With `moderation`, what the model says waits for verdicts; see `unjudged` and `judge`.
        `machine` is a turn's own machine, for who wants to see the events that it accepts.
        """
        self._decoder = decoder
        checkpoint = moderation.checkpoint_characters if moderation else None
        release = moderation.release if moderation else Release.AT_ONCE
        self._hold_back = HoldBack(checkpoint, release) if checkpoint else None
        self._machine = machine or TurnMachine(conversation_id, request_id)
        self._machine.context.output_release = moderation.release if moderation else None
        self._digest = hashlib.sha256()
        self._count = 0
        self._sealed = False
        self._path: list[State] = []
        self.summary = Summary(prompt)
        self.ignored = 0
        self.failure: TurnFailed | None = None
        self.ended_by: TurnInterrupted | TurnFailed | None = None

    @property
    def state(self) -> State:
        """Where the turn stands."""
        return self._machine.state

    @property
    def ended(self) -> bool:
        """Tell whether the terminal emission has been returned."""
        return self._machine.state in FINAL

    @property
    def dialect(self) -> str:
        """The dialect of the upstream."""
        return self._decoder.dialect

    @property
    def count(self) -> int:
        """How many emissions there are so far."""
        return self._count

    @property
    def unjudged(self) -> str | None:
        """All that the model has said so far when a shield has to judge it now, else None.

        The verdict is on all that was fed until then, so nothing may be fed before `judge` has it.
        """
        return self._hold_back.text if self._hold_back and not self.ended else None

    @property
    def unknown(self) -> dict[str, int]:
        """The kinds of chunk that were skipped, and how often."""
        return self._decoder.unknown

    def begin(self, opening: TurnStarted | TurnResumed) -> Emissions:
        """Open the turn: the upstream has accepted it.

        Raises:
            MachineMisuse: the turn was opened before.
        """
        if self._machine.state is not State.IDLE:
            message = "a turn can only begin once"
            raise MachineMisuse(message)
        answers = opening.answers if isinstance(opening, TurnResumed) else ()
        return self._apply((opening, *answers))

    def judge(self, verdict: ShieldChecked) -> Emissions:
        """Take the verdict of a shield that was asked beside the stream.

        A violation ends the turn with its refusal, and what waited for the verdict is never said.
        A passed question is said at once, a passed answer before its end.
        """
        if self.ended:
            return ()
        if verdict.violation is not None:
            self._drop()
            return self._apply((verdict, TurnCompleted(verdict.violation, FinishReason.SHIELD)))
        if verdict.touchpoint is Touchpoint.USER_INPUT or self._hold_back is None:
            return self._apply((verdict,))
        return self._apply(self._hold_back.release(verdict))

    def feed(self, chunk: object) -> Emissions:
        """Apply one upstream chunk and return what the client must be told.

        A chunk that the rules forbid ends the turn: the last emission is then `error`.
        Unknown kinds are counted and skipped, so that a newer upstream keeps working.
        Anything after the end is counted and ignored.
        """
        if self._machine.state in FINAL:
            self.ignored += 1
            return ()
        try:
            events = self._decoder.decode(chunk)
        except ProtocolViolation as violation:
            return self._take((violation_failure(violation),))
        return self._take(events)

    def feed_payload(self, data: bytes) -> Emissions:
        """Apply one `data:` payload as it was on the wire; see `feed`."""
        if self._machine.state in FINAL:
            self.ignored += 1
            return ()
        if data.strip() in _FILLERS:
            note_unknown(self._decoder.unknown, data.decode().strip() or "(empty)")
            return ()
        try:
            chunk = parse_payload(data)
        except ProtocolViolation as violation:
            return self._take((violation_failure(violation),))
        return self.feed(chunk)

    def finish(self, *, reset: bool = False) -> Emissions:
        """Take note of the end of the upstream body: without a terminal chunk it is an error.

        `reset` tells a lost connection from a body that ended in order.
        """
        return () if self.ended else self._take((_RESET if reset else _TRUNCATED,))

    def interrupt(self, by: Interrupter) -> Emissions:
        """Stop the turn, unless it has ended."""
        return self._stop(TurnInterrupted(by))

    def fail(
        self,
        code: str,
        message: str,
        *,
        status_code: int = 502,
        cause: str | None = None,
        detail: str | None = None,
    ) -> Emissions:
        """End the turn as failed, unless it has ended; `message` is shown to the client."""
        return self._stop(TurnFailed(code, status_code, message, cause or message, detail))

    def cut(self) -> Emissions:
        """End a turn whose recording stops; what waits for a verdict is never said."""
        return self.fail("upstream_truncated", "The recording stops before the turn is complete.")

    def abandon(self) -> Emission:
        """Return an `error` beside the machine, for when a bug of ours cannot end the turn.

        It takes the place of a terminal emission that was not said, and leaves no number out.
        """
        number = self._count + (not self._sealed)
        failed = Failure(_BUG.code, _BUG.status_code, _BUG.response, _BUG.cause, self.state)
        seal = Seal(number, self._digest.hexdigest())
        return Emission(number, failed, payload(number, failed, seal), (), seal)

    def _fail(self, violation: ProtocolViolation) -> Emissions:
        self._drop()
        return self._apply((violation_failure(violation),))

    def _stop(self, event: TurnInterrupted | TurnFailed) -> Emissions:
        """End the turn at once: nobody will judge what waits."""
        if self.ended:
            return ()
        self.ended_by = event
        self._drop()
        return self._apply((event,))

    def _drop(self) -> None:
        if self._hold_back is not None:
            self._hold_back.drop()

    def _take(self, events: Iterable[TurnEvent]) -> Emissions:
        held = self._hold_back
        return self._apply(events if held is None else held.take(events))

    def _apply(self, events: Iterable[TurnEvent]) -> Emissions:
        """Move by the events of one chunk; the first illegal one ends the turn."""
        emissions: list[Emission] = []
        for event in events:
            before = self._machine.state
            if before in FINAL:
                break
            try:
                outputs = self._machine.receive(event)
            except ProtocolViolation as violation:
                emissions.extend(self._fail(violation))
                break
            if self._machine.state is not before:
                self._path[_PATH_LIMIT:] = (self._machine.state,)
            if event.__class__ is TurnFailed:
                self.failure = event
            emissions.extend([self._number(output) for output in outputs])
        return tuple(emissions)

    def _number(self, output: Output) -> Emission:
        number = self._count + 1
        if isinstance(output, (TurnComplete, End)):
            output = self._complete(output)
        self.summary.add(output)
        path: tuple[State, ...] = ()
        if self._path:
            path, self._path = tuple(self._path), []
        if output.__class__ in TERMINALS:
            seal = Seal(number, self._digest.hexdigest())
            emission = Emission(number, output, payload(number, output, seal), path, seal)
            self._count, self._sealed = number, True
            return emission
        native = payload(number, output)
        self._digest.update(native + b"\n")
        self._count = number
        return Emission(number, output, native, path)

    def _complete(self, output: TurnComplete | End) -> Output:
        if isinstance(output, TurnComplete):
            return self.summary.completed(output)
        return self.summary.ended(output)
