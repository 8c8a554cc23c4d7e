"""Who reads in this process: how many may, and which of them are told to come back later."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import anyio

from service.errors import TooManyOwnStreams, TooManyReaders, TooManyStreams
from service.settings.groups import StreamsSettings


class SentAway(StrEnum):
    """Why a reader is told to come back later, though its turn goes on."""

    BUSY = "busy"
    DRAINING = "draining"
    EXPIRED = "expired"
    ROTATED = "rotated"


class OpenStream(Protocol):
    """What is sent to one reader."""

    def send_away(self, why: SentAway) -> None:
        """End it, and tell its reader to come back; who cannot be told that stays."""
        ...


@dataclass(slots=True, eq=False)
class Readers:
    """The open streams of this process; see the settings for their limits.

    `attended` is told the id of a turn when a reader leaves it.

    A stream counts from before anything is done for it, so that many requests at once cannot
    exceed a limit together.
    """

    limits: StreamsSettings
    attended: Callable[[str], None]
    _open: int = 0
    _of_users: Counter[str] = field(default_factory=Counter)
    _of_turns: Counter[str] = field(default_factory=Counter)
    _present: set[OpenStream] = field(default_factory=set)
    _dismissed_within_s: float | None = None
    _left: anyio.Event = field(default_factory=anyio.Event)

    @property
    def open(self) -> int:
        """How many streams are open, or about to be."""
        return self._open

    @property
    def dismissed(self) -> bool:
        """Tell whether readers are to go to another process."""
        return self._dismissed_within_s is not None

    def count(self, request_id: str) -> int:
        """Return how many read a turn here."""
        return self._of_turns[request_id]

    @contextmanager
    def admitted(self, user: str) -> Iterator[None]:
        """Count a stream of a caller for as long as the context is not left.

        Raises:
            TooManyStreams, TooManyOwnStreams: one more may not be opened.
        """
        limits = self.limits
        if self._open >= limits.limit:
            raise TooManyStreams(f"{limits.limit} streams are open here, which is the limit.")
        if user and self._of_users[user] >= limits.per_user_limit:
            raise TooManyOwnStreams(f"{limits.per_user_limit} of them are yours.")
        self._open += 1
        try:
            with _counted(self._of_users, user):
                yield
        finally:
            self._open -= 1
            self._left.set()

    @contextmanager
    def following(self, request_id: str) -> Iterator[None]:
        """Count a reader of a turn for as long as the context is not left.

        Raises:
            TooManyReaders: one more may not read it.
        """
        if self._of_turns[request_id] >= self.limits.per_turn_limit:
            limit = self.limits.per_turn_limit
            raise TooManyReaders(f"{limit} read this turn, which is the limit.")
        try:
            with _counted(self._of_turns, request_id):
                yield
        finally:
            self.attended(request_id)

    @contextmanager
    def present(self, stream: OpenStream) -> Iterator[None]:
        """Know a stream, so that its reader can be sent away."""
        self._present.add(stream)
        self._dismiss(stream)
        try:
            yield
        finally:
            self._present.discard(stream)

    def dismiss(self, within_s: float) -> None:
        """Send all readers away, each at a moment of its own, and those who are still to come."""
        self._dismissed_within_s = within_s
        for stream in self._present:
            self._dismiss(stream)

    async def gone(self) -> None:
        """Wait until no stream is open."""
        while self._open:
            self._left = anyio.Event()
            await self._left.wait()

    def _dismiss(self, stream: OpenStream) -> None:
        if self._dismissed_within_s is not None:
            delay_s = random.uniform(0, self._dismissed_within_s)  # noqa: S311 # spreads load
            loop = asyncio.get_running_loop()
            loop.call_later(delay_s, stream.send_away, SentAway.DRAINING)


@contextmanager
def _counted(counter: Counter[str], name: str) -> Iterator[None]:
    counter[name] += 1
    try:
        yield
    finally:
        counter[name] -= 1
        if not counter[name]:
            del counter[name]
