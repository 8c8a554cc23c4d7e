"""One running turn: what drives it, and how it is stopped."""

from collections import deque
from dataclasses import dataclass, field

import anyio

from service.domain import TurnIds
from service.errors import TurnRefused
from service.ports import UpstreamTurn
from statemachine import Emission, Failure, Interrupted, Interrupter, TurnStream

_OPENING_EMISSIONS = 1
"""A stream opens with `start`; nothing else comes before the upstream has said something."""


@dataclass(slots=True, eq=False)
class RunningTurn:
    """A turn that this process drives.

    `settled` is set when the first upstream chunk was applied or the turn has ended, so that a
    route can tell whether there is anything to stream. `reading` ends the wait for the upstream.
    `pending` holds emissions on their way into the log, so that an interrupt loses none.
    `started_at` is a time of the event loop, in seconds.
    """

    ids: TurnIds
    upstream: UpstreamTurn
    stream: TurnStream
    started_at: float
    pending: deque[Emission] = field(default_factory=deque)
    terminal: Emission | None = None
    stopped_by: Interrupter | None = None
    reading: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    settled: anyio.Event = field(default_factory=anyio.Event)
    done: anyio.Event = field(default_factory=anyio.Event)

    def stop(self, by: Interrupter) -> None:
        """Stop the turn, unless it has come to its end already; the first to stop it counts."""
        if self.terminal is None and self.stopped_by is None:
            self.stopped_by = by
            self.reading.cancel()

    @property
    def interrupted(self) -> bool:
        """Tell whether the turn was stopped, or is about to be."""
        if self.terminal is None:
            return self.stopped_by is not None
        return isinstance(self.terminal.output, Interrupted)

    @property
    def refusal(self) -> TurnRefused | None:
        """The failure that the turn began with, when nothing else was said."""
        if self.terminal is None or not isinstance(self.terminal.output, Failure):
            return None
        if self.terminal.number > _OPENING_EMISSIONS + 1:
            return None
        output = self.terminal.output
        return TurnRefused(output.code, output.status_code, output.response, output.cause)
