"""Follows streams of Redis: what other processes say, and what they tell this one.

One blocked request waits for all of them. Whenever another stream is to be followed, a word to the
inbox of this process, which is always among them, ends the wait.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import cast

import structlog

from service.errors import LogUnavailable
from service.storage.redis.connection import Argument, Command, milliseconds
from service.storage.redis.entries import Entry, Unreadable, emission_of
from service.storage.redis.process import Process
from service.storage.turn_buffer import TurnBuffer

logger = structlog.get_logger()

_BLOCK_S = 1.0
_ENTRIES = 1_000
_INBOX_ENTRIES = 10_000
"""More signals than can be under way; the oldest of too many go."""

_INBOX_MS = 3_600_000
_WAKE = "wake"


class Tail:
    """Feeds the buffers of turns that other processes drive."""

    def __init__(
        self,
        process: Process,
        told: Callable[[str, str], None],
        ended: Callable[[TurnBuffer], None],
        failed: Callable[[], None],
    ) -> None:
        """`told` gets a request id and a signal, `ended` a turn from which nothing more will come.

        `failed` is called when nothing can be read.
        """
        self._name = process.name
        self._redis = process.redis
        self._keys = process.keys
        self._told = told
        self._ended = ended
        self._failed = failed
        self._followed: dict[bytes, TurnBuffer] = {}
        self._inbox = process.keys.inbox(process.name).encode()
        self._inbox_read = b"0-0"

    async def follow(self, buffer: TurnBuffer) -> None:
        """Feed a buffer from where it stands.

        Raises:
            LogUnavailable: it cannot be told when that begins.
        """
        self._followed[self._keys.log(buffer.ids.request_id).encode()] = buffer
        await self.tell(self._name, "", _WAKE)

    def leave(self, request_id: str) -> None:
        """Feed a buffer no more."""
        self._followed.pop(self._keys.log(request_id).encode(), None)

    async def tell(self, process: str, request_id: str, signal: str) -> None:
        """Put a signal into the inbox of a process; nobody empties that of a dead one.

        Raises:
            LogUnavailable: it cannot be told whether it is there.
        """
        await self.tell_all(((process, request_id, signal),))

    async def tell_all(self, signals: Iterable[tuple[str, str, str]]) -> None:
        """Put signals into inboxes, in one round trip; see `tell`."""
        commands: list[Command] = []
        for process, request_id, signal in signals:
            inbox = self._keys.inbox(process)
            fields: Command = ("r", request_id, "s", signal)
            commands.append(("XADD", inbox, "MAXLEN", "~", _INBOX_ENTRIES, "*", *fields))
            commands.append(("PEXPIRE", inbox, _INBOX_MS))
        if commands:
            await self._redis.ask_all(commands)

    async def run(self) -> None:
        """Feed until cancelled."""
        delay_s = 0.0
        while True:
            try:
                await self._read()
                delay_s = 0.0
            except LogUnavailable:
                self._failed()
                delay_s = min(max(2 * delay_s, 0.05), 1.0)
                await asyncio.sleep(delay_s)

    async def _read(self) -> None:
        followed = dict(self._followed)
        places = {key: b"%d-0" % each.latest for key, each in followed.items()}
        places[self._inbox] = self._inbox_read
        asked: list[Argument] = ["XREAD", "COUNT", _ENTRIES, "BLOCK", milliseconds(_BLOCK_S)]
        asked += ["STREAMS", *places, *places.values()]
        reply = await self._redis.ask(*asked, wait_s=_BLOCK_S)
        for key, entries in cast("list[tuple[bytes, list[Entry]]]", reply or []):
            if key == self._inbox:
                self._listen(entries)
            elif self._followed.get(key) is followed[key]:
                self._feed(key, followed[key], entries)

    def _feed(self, key: bytes, buffer: TurnBuffer, entries: list[Entry]) -> None:
        try:
            for entry in entries:
                buffer.add(emission_of(entry))
        except Unreadable:
            # Only its own readers are sent away; what comes before it can be read.
            buffer.unavailable = True
            buffer.wake()
        buffer.publish(buffer.latest)
        if buffer.over:
            del self._followed[key]
            self._ended(buffer)

    def _listen(self, entries: list[Entry]) -> None:
        """Do what is understood; other versions may say more."""
        for name, fields in entries:
            self._inbox_read = name
            said = dict(zip(fields[::2], fields[1::2], strict=False))
            request_id, signal = said.get(b"r", b""), said.get(b"s", b"")
            if request_id and signal:
                self._told(request_id.decode("utf-8", "replace"), signal.decode("utf-8", "replace"))
