"""What the use cases need of the world, named by role."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from service.domain import TurnIds, TurnRequest, UpstreamInfo
from statemachine import Decoder, Emission, TurnResumed, TurnStarted


@dataclass(frozen=True, slots=True)
class Page:
    """Emissions after a cursor, in order. `earliest` is the first number still kept."""

    emissions: Sequence[Emission]
    earliest: int


class LogReader(Protocol):
    """One reader of one turn; what it has not read yet stays readable for it."""

    ids: TurnIds

    async def read(self, wait_s: float) -> Page:
        """Return what follows the last page, after at most `wait_s` an empty one."""
        ...

    def at_end(self) -> bool:
        """Tell whether the turn has ended and everything was read."""
        ...


class EmissionLog(Protocol):
    """Keeps the emissions of turns, in order, for readers to follow."""

    async def open(self, ids: TurnIds) -> None:
        """Take a new turn.

        Raises:
            TooManyTurns: as many turns run as the log takes.
        """
        ...

    async def append(self, request_id: str, emission: Emission) -> None:
        """Append the next emission of a turn and wake its readers; one that is there stays."""
        ...

    async def reader(self, request_id: str, after: int) -> LogReader:
        """Return a reader of what follows emission number `after` (0 for all).

        Raises:
            TurnUnknown: there is no such turn, or it is no longer kept.
            CursorInvalid: the turn has not come to `after` yet.
        """
        ...


class UpstreamBody(Protocol):
    """What an upstream sends for a turn that it has accepted."""

    opening: TurnStarted | TurnResumed

    def payloads(self) -> AsyncGenerator[bytes]:
        """Return the `data:` payloads as they arrive.

        Raises:
            UpstreamReset: the connection was lost.
            UpstreamError: the body cannot be read on.
        """
        ...


class UpstreamTurn(Protocol):
    """A turn that is ready to be sent. `recording` is a title when recorded data is played."""

    decoder: Decoder
    recording: str | None

    def open(self) -> AbstractAsyncContextManager[UpstreamBody]:
        """Send the turn; leaving the context makes the upstream stop generating.

        Raises:
            UpstreamError: the upstream does not take the turn.
        """
        ...


class Upstream(Protocol):
    """What answers the questions."""

    info: UpstreamInfo

    async def prepare(self, request: TurnRequest) -> UpstreamTurn:
        """Choose what answers a question, before anything is said to the client.

        Raises:
            UpstreamError: the upstream cannot be asked.
        """
        ...
