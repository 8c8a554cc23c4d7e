"""A reader of one turn over any number of connections; it records every byte that it was sent.

Events are folded as the specification says (WHATWG HTML, section 9.2): what no blank line has
closed when a connection ends is forgotten, and the cursor is the id of the last whole event.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.support.faults.lines import Dial, Line, LineLost, parts_of
from tests.support.laws import TERMINAL
from tests.support.sse import Message, SseReader

TURNS = "/v1/streaming_query"
_NOTICE = re.compile(rb"(?::\n)*: ([a-z]+)\nretry: ([0-9]+)\n")
_VISITS = 400
"""More connections than any reader needs for one turn."""


class Ending(StrEnum):
    """How an answer ended."""

    TERMINAL = "in a terminal event"
    SENT_AWAY = "with a reason and a time to come back"
    UNAVAILABLE = "in an event that says so"
    COMPLETE = "without a stream"
    LEFT = "because the reader left"
    LOST = "with its connection"
    STOPPED = "without a word"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its id, empty when it has none, and its data as it was sent."""

    id: str
    payload: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        """The data, parsed."""
        envelope: dict[str, Any] = json.loads(self.payload)
        return envelope

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.envelope["event"])

    @property
    def terminal(self) -> bool:
        """Tell whether nothing may follow it."""
        return self.name in TERMINAL


@dataclass(slots=True)
class Visit:
    """One answer: of a request that said `after`, as far as it was read."""

    method: str
    after: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    events: list[Event] = field(default_factory=list)
    ending: Ending | None = None
    reason: str = ""
    parser: SseReader = field(default_factory=SseReader)

    @property
    def streams(self) -> bool:
        """Tell whether it is a stream of events."""
        kind = self.headers.get("content-type", "")
        return self.status == 200 and kind.startswith("text/event-stream")

    @property
    def cursor(self) -> str:
        """The id of the last whole event that had one."""
        return next((each.id for each in reversed(self.events) if each.id), self.after)

    @property
    def tail(self) -> bytes:
        """What follows the last blank line."""
        return bytes(self.body).rpartition(b"\n\n")[2]

    def take(self, data: bytes) -> None:
        """Take what was sent."""
        self.body += data
        if self.streams:
            self.events += map(_event, self.parser.feed(data))

    def end(self) -> None:
        """Note that the answer has ended in order."""
        self.ending = self._ending()

    def _ending(self) -> Ending:
        if not self.streams or self.method == "HEAD":
            return Ending.COMPLETE
        notice = _NOTICE.fullmatch(self.tail)
        if notice:
            self.reason = notice[1].decode()
            return Ending.SENT_AWAY
        last = self.events[-1] if self.events and not self.tail else None
        if last is not None and last.terminal:
            return Ending.TERMINAL
        if last is not None and last.name == "unavailable":
            return Ending.UNAVAILABLE
        return Ending.STOPPED


def _event(message: Message) -> Event:
    """An event keeps the id of the one before it unless it has an own one; its data tells."""
    payload = message.data.encode()
    numbered = "id" in json.loads(payload)["data"]
    return Event(message.last_id if numbered else "", payload)


class Reader:
    """See the module. `request_id` is known once the turn was asked for.

    `loses_lines` tells that it does what it is cut off for.
    """

    def __init__(self, dial: Dial, request_id: str = "", after: str = "") -> None:
        self.dial = dial
        self.request_id = request_id
        self.question = ""
        self.loses_lines = False
        self.after = after
        self.visits: list[Visit] = []
        self._line: Line | None = None
        self._unread = b""

    @property
    def visit(self) -> Visit:
        """The last answer."""
        return self.visits[-1]

    @property
    def cursor(self) -> str:
        """Where it goes on."""
        return self.visit.cursor if self.visits else self.after

    @property
    def events(self) -> list[Event]:
        """All events of all answers, those without a number too."""
        return [event for visit in self.visits for event in visit.events]

    @property
    def numbered(self) -> list[Event]:
        """What was said in the turn, as this reader has folded it."""
        return [each for each in self.events if each.id]

    @property
    def ended(self) -> bool:
        """Tell whether it has seen the end of the turn."""
        return any(each.terminal for each in self.numbered)

    @property
    def refused(self) -> bool:
        """Tell whether its question was answered with an error."""
        return bool(self.visits) and self.visits[0].status >= 400

    @property
    def refusal(self) -> dict[str, Any]:
        """What it was refused with."""
        refusal: dict[str, Any] = json.loads(self.visits[0].body)
        return refusal

    async def ask(
        self, query: str, headers: Mapping[str, str] | None = None, **fields: object
    ) -> Visit:
        """Ask a question; the answer is its turn, or a refusal, which is read to its end."""
        self.question = query
        narrow = bool(fields.pop("narrow", False))
        body = json.dumps({"query": query, **fields}).encode()
        visit = await self._send("POST", TURNS, body, headers or {}, narrow=narrow)
        self.request_id = visit.headers.get("x-request-id", self.request_id)
        if self.refused:
            await self.read()
        return visit

    async def resume(self, *, narrow: bool = False) -> Visit:
        """Come back with the cursor."""
        headers = {"Last-Event-ID": self.cursor} if self.cursor else {}
        return await self._send("GET", f"{TURNS}/{self.request_id}", b"", headers, narrow=narrow)

    async def head(self) -> Visit:
        """Ask for the head only, and read the answer, which has no body."""
        visit = await self._send("HEAD", f"{TURNS}/{self.request_id}", b"", {})
        await self.read()
        return visit

    async def interrupt(self) -> dict[str, Any]:
        """Stop the turn, over a connection of its own, and return the answer."""
        line = await self.dial("POST", f"{TURNS}/{self.request_id}/interrupt")
        try:
            answer: dict[str, Any] = json.loads(b"".join([part async for part in parts_of(line)]))
        finally:
            await line.hang_up()
        return answer

    async def read(
        self, *, size: int | None = None, events: int | None = None, pause_s: float = 0.0
    ) -> None:
        """Read on: to the end of this answer, or so many bytes or events of it."""
        visit = self.visit
        until = None if size is None else len(visit.body) + size
        count = None if events is None else len(visit.events) + events
        while self._line is not None:
            if until is not None and len(visit.body) >= until:
                return
            if count is not None and len(visit.events) >= count:
                return
            await self._read_some(self._line, None if until is None else until - len(visit.body))
            if pause_s:
                await asyncio.sleep(pause_s)

    async def drop(self) -> None:
        """Lose the connection."""
        if self._line is not None:
            self.visit.ending = Ending.LEFT
            await self._hang_up()

    async def follow(self, *, pause_s: float = 0.0) -> None:
        """Read to the end of the turn, and come back as often as that takes.

        Who was refused has nothing to follow.
        """
        while not (self.ended or self.refused):
            assert len(self.visits) < _VISITS, "it never ends"
            if self._line is None:
                await self._come_back()
            await self.read(pause_s=pause_s)
            if self.visit.ending is Ending.COMPLETE:
                return
        await self.read()

    async def _come_back(self) -> None:
        """Wait as long as was asked for, and resume."""
        told = self.visits and self.visit.ending in (Ending.SENT_AWAY, Ending.UNAVAILABLE)
        if told and self.visit.parser.retry_ms is not None:
            await asyncio.sleep(self.visit.parser.retry_ms / 1_000)
        await self.resume()

    async def _send(
        self,
        method: str,
        target: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        narrow: bool = False,
    ) -> Visit:
        await self.drop()
        visit = Visit(method, self.cursor)
        self.visits.append(visit)
        try:
            self._line = await self.dial(method, target, body=body, headers=headers, narrow=narrow)
        except LineLost:
            visit.ending = Ending.LOST
            return visit
        except asyncio.CancelledError:
            visit.ending = Ending.LEFT
            raise
        self._unread = b""
        visit.status, visit.headers = self._line.status, self._line.headers
        return visit

    async def _read_some(self, line: Line, limit: int | None) -> None:
        """Take a piece of the answer, or note how it has ended."""
        try:
            data = self._unread or await line.part()
        except LineLost:
            self.visit.ending = Ending.LOST
            await self._hang_up()
            return
        if not data:
            self.visit.end()
            await self._hang_up()
            return
        limit = limit or len(data)
        self._unread = data[limit:]
        self.visit.take(data[:limit])

    async def _hang_up(self) -> None:
        line, self._line = self._line, None
        self._unread = b""
        if line is not None:
            await line.hang_up()
