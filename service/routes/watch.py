"""Looks after one connection, by one timer: a token pays for two notes and no timer.

1. After a silence its reader gets a heartbeat.
2. After a time that may be set it is told to come back.
3. When its credential ends, it is told to come back with another one.
4. A reader that takes nothing is cut off: after a time, or a moment after too much waits for it.
   What an answer begins with may be as long as it is; only what comes later counts as waiting.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Protocol, cast

import structlog

from service.ports import LogReader
from service.settings import Settings
from service.turns.readers import SentAway

logger = structlog.get_logger()

EXTENSION = "turnstile"
"""Under this name a server tells what it knows of the connection (ASGI, "Extensions")."""

_LOOK_S = 1.0
"""How often is looked, and how long a reader may take nothing however much waits for it."""

_SOONEST_S = 0.001
"""Clocks of event loops do not tell less."""


class Connection(Protocol):
    """The transport of a connection."""

    def abort(self) -> None:
        """Close it without waiting until what was written is taken."""
        ...

    def get_write_buffer_size(self) -> int:
        """Return how many bytes were written and not taken yet."""
        ...


def connection_of(scope: MutableMapping[str, Any]) -> Connection | None:
    """Return the connection of a request, when its server tells."""
    told = scope.get("extensions", {}).get(EXTENSION, {})
    return cast("Connection | None", told.get("transport"))


class Watch:
    """The state of one connection.

    `since` is when a send began last, and `sending` whether it is still under way; both are noted
    by who sends. `beat` tells that a heartbeat is due, and `over` that the stream is to end, for
    the reason that `sent_away` has, or because nobody takes it.
    """

    __slots__ = (
        "_connection",
        "_expires_at",
        "_framed",
        "_give_up",
        "_reader",
        "_rotated_at",
        "_settings",
        "_timer",
        "_unsent_bytes",
        "beat",
        "cut",
        "now",
        "over",
        "sending",
        "sent_away",
        "since",
    )

    def __init__(
        self,
        reader: LogReader,
        settings: Settings,
        unsent_bytes: Callable[[], int],
        *,
        framed: bool,
    ) -> None:
        """`unsent_bytes` tells what waits to be sent, without what an answer begins with."""
        self.since = 0.0
        self.sending = True
        self.beat = False
        self.over = False
        self.sent_away: SentAway | None = None
        self.cut = False
        self.now = asyncio.get_running_loop().time
        self._reader = reader
        self._settings = settings
        self._unsent_bytes = unsent_bytes
        self._framed = framed
        self._connection: Connection | None = None
        self._give_up: Callable[[], None] | None = None
        self._rotated_at = math.inf
        self._expires_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def allow(self, until: float | None) -> None:
        """Let the stream last until a time, in seconds since the epoch; None: for ever."""
        if until is not None:
            self._expires_at = self.now() + until - time.time()

    @property
    def waiting_bytes(self) -> int:
        """What was written to the connection and not taken yet."""
        return 0 if self._connection is None else self._connection.get_write_buffer_size()

    @contextmanager
    def over_connection(
        self, connection: Connection | None, give_up: Callable[[], None]
    ) -> Iterator[None]:
        """Look after a connection; where it is not known, who takes nothing is given up."""
        self._connection, self._give_up = connection, give_up
        self.since = self.now()
        self._rotated_at = self.since + (self._settings.streams.rotate_s or math.inf)
        self._look()
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def leave(self) -> None:
        """End the stream: there is nobody to take it."""
        self.over = True
        self._reader.wake()

    def send_away(self, why: SentAway) -> None:
        """End the stream, and tell its reader to come back."""
        if self._framed and not self.over:
            self.sent_away = why
            self.leave()

    def _look(self) -> None:
        now = self.now()
        if now >= self._expires_at and not self.over:
            # Text has no other way to say so, and must not go on all the same.
            self.sent_away = SentAway.EXPIRED
            self.leave()
        if self.over:
            # What was read last may not have been a wait that could be ended.
            self._reader.wake()
        if self.sending:
            self._judge(now)
        elif self._framed:
            self._attend(now)
        self._timer = asyncio.get_running_loop().call_later(self._next_s(now), self._look)

    def _judge(self, now: float) -> None:
        """Cut a reader off that has taken nothing for too long, or while too much came."""
        streams = self._settings.streams
        if now >= self.since + streams.write_timeout_s:
            self._cut("write_timeout")
        elif now >= self.since + _LOOK_S:
            waiting_bytes = self.waiting_bytes + self._unsent_bytes()
            if waiting_bytes > streams.waiting_limit_bytes:
                self._cut("waiting_limit")

    def _attend(self, now: float) -> None:
        if now >= self._rotated_at:
            self.send_away(SentAway.ROTATED)
        elif now >= self.since + self._settings.heartbeat_s:
            self.beat = True
            self._reader.wake()

    def _cut(self, why: str) -> None:
        if self.cut:
            return
        self.cut = True
        request_id = self._reader.ids.request_id
        logger.warning(
            "reader.cut", request_id=request_id, reason=why, waiting_bytes=self.waiting_bytes
        )
        self.leave()
        if self._connection is not None:
            self._connection.abort()
        elif self._give_up is not None:
            self._give_up()

    def _next_s(self, now: float) -> float:
        """Return in how many seconds something may be due."""
        settings = self._settings
        limits_s = (settings.heartbeat_s, settings.streams.write_timeout_s)
        # Compared as above: a moment that has come must not be waited for.
        moments = (*(self.since + each for each in limits_s), self._rotated_at, self._expires_at)
        left_s = (each - now for each in moments if each > now)
        return max(min(_LOOK_S, *limits_s, *left_s), _SOONEST_S)
