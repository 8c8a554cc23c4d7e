"""What processes keep of running turns, and who may run which."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from service.domain import Estate, TurnIds
from statemachine import Emission, Interrupter


@dataclass(frozen=True, slots=True)
class Page:
    """Emissions after a cursor, in order. `earliest` is the first number still kept."""

    emissions: Sequence[Emission]
    earliest: int


@dataclass(frozen=True, slots=True)
class Orphan:
    """A turn whose owner has died, with all of it that is kept.

    `digest` covers the payloads of all its emissions, also of those that are no longer kept.
    """

    ids: TurnIds
    estate: Estate
    emissions: Sequence[Emission]
    digest: str


class LogReader(Protocol):
    """One reader of one turn; what it has not read yet stays readable for it until it is closed.

    `after` is the number of the last emission that it has, or is taken to have.
    """

    ids: TurnIds
    after: int

    @property
    def ended(self) -> bool:
        """Whether the turn has ended."""
        ...

    def bytes_after(self, number: int) -> int:
        """Return how much there is after the emission of a number."""
        ...

    async def read(self, wait_s: float) -> Page:
        """Return what follows the last page, after at most `wait_s` an empty one.

        At the end of a turn it is empty at once.

        Raises:
            LogUnavailable: the turn cannot be followed from here for now.
        """
        ...

    def wake(self) -> None:
        """End a wait of `read`; the page may be empty then."""
        ...

    def at_end(self) -> bool:
        """Tell whether the turn has ended and everything was read."""
        ...

    def close(self) -> None:
        """Leave the turn; closing twice does nothing."""
        ...


class TurnControl(Protocol):
    """What a log tells a turn that this process drives, from other processes."""

    def stop(self, by: Interrupter) -> None:
        """Stop the turn, unless it has come to its end already."""
        ...

    def attend(self) -> None:
        """Note that somebody reads the turn, in another process."""
        ...

    def lose(self) -> None:
        """Give the turn up: another process has taken it over, and this one may say no more."""
        ...


class EmissionLog(Protocol):
    """Keeps the emissions of turns, in order, for readers to follow.

    `shared` tells that other processes can read and end the turns as well.
    """

    shared: bool

    @property
    def attached(self) -> bool:
        """Whether other processes get what is said here, at once."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """Hold what is needed to keep turns; nothing works outside of this context."""
        ...

    async def open(self, ids: TurnIds, estate: Estate, control: TurnControl) -> None:
        """Take a new turn, which this process owns from now on.

        Raises:
            TooManyTurns: as many turns run as the log takes.
            LogUnavailable: the log cannot be reached.
        """
        ...

    def append(self, request_id: str, emissions: Sequence[Emission]) -> None:
        """Append the next emissions of a turn and wake its readers; what is there stays.

        Never waits: what others cannot have yet is sent as soon as it can be.
        """
        ...

    async def flush(self, request_id: str) -> bool:
        """Wait, for a bounded time, until others have what was appended.

        Returns whether the turn is still owned by this process: else nothing more may be done
        for it.
        """
        ...

    async def reader(self, request_id: str, after: int, user: str | None = None) -> LogReader:
        """Return a reader of what follows emission number `after` (0 for all).

        `user` is whose turn it has to be, None when that does not matter. Whose it is is known
        before anything of it is read: a stranger waits for as long as for a turn that is not there.

        Raises:
            TurnUnknown: there is no such turn, it is no longer kept, or it is somebody else's.
            CursorInvalid: the turn has not come to `after` yet.
            LogUnavailable: the log cannot be reached, and the turn is not driven here.
        """
        ...

    async def stop(self, request_id: str, by: Interrupter) -> None:
        """Tell the owner of a turn to stop it, wherever it is.

        Raises:
            LogUnavailable: the owner cannot be reached.
        """
        ...

    async def forget(self, request_ids: Sequence[str]) -> None:
        """Let nobody read turns any more, in any process; who is reading one may finish.

        One that runs goes on until it has ended, and is forgotten then. For an id that is not
        kept nothing happens.

        Raises:
            LogUnavailable: the log cannot be reached, and some of them may be read until their
                time is over.
        """
        ...

    async def orphan(self) -> Orphan:
        """Wait for a turn whose owner has died; it is owned by this process then."""
        ...


class Claims(Protocol):
    """Who has something first, for a limited time and over all processes."""

    async def claim(self, key: str, holder: str, ttl_s: float) -> str:
        """Claim `key` unless it is claimed, and return who holds it.

        Raises:
            LogUnavailable, StorageUnavailable: they cannot be reached, here and below.
        """
        ...

    async def replace(self, key: str, holder: str, successor: str, ttl_s: float) -> bool:
        """Give a claim another holder, or the same, and a new time to live.

        Returns whether it was still held by `holder`; else nothing has changed.
        """
        ...

    async def release(self, key: str, holder: str) -> None:
        """End a claim, when it is still held by `holder`."""
        ...
