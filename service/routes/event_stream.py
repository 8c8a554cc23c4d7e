"""A turn as a streaming response: one encoder, one reader of the log, one connection.

What is ready goes out in one send, and nothing waits for more to come.
"""

import asyncio
import math
import random
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Self
from urllib.parse import quote

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.domain import TurnIds
from service.errors import CredentialExpired, LogUnavailable
from service.ports import LogReader
from service.routes.watch import Watch, connection_of
from service.settings import Settings
from service.turns.readers import Readers, SentAway
from service.turns.services import Services
from statemachine import HEARTBEAT, Emission, Encoder, farewell, retry

_PIECE_BYTES = 64 * 1024
"""What is handed over at once; after that a reader must have taken most of it."""

_PART_BYTES = 32 * 1024
"""How much of what a reader has missed is sent together, in whole events."""

_FLUSH_POLL_S = 0.05
_LEAST_MS = 1_000


def stream_headers(ids: TurnIds, recording: str | None = None) -> dict[str, str]:
    """Return the headers of every answer about a turn."""
    headers = {**_headers(ids.request_id), "X-Conversation-Id": ids.conversation_id}
    if recording:
        headers["X-Turnstile-Recording"] = quote(recording)
    return headers


def sent_away(request_id: str, why: SentAway, encoder: Encoder, settings: Settings) -> Response:
    """Return the answer to a reader that has to come back before anything is said to it.

    It is a 200: an `EventSource` gives up for good on anything else.
    """
    body = farewell(why, _delay_ms(why, settings.retry_ms))
    return Response(body, headers=_headers(request_id), media_type=encoder.content_type)


def unavailable(request_id: str, encoder: Encoder, settings: Settings) -> Response:
    """Return the answer about a turn that cannot be followed from here for now."""
    body = _unavailable(encoder, settings)
    return Response(body, headers=_headers(request_id), media_type=encoder.content_type)


class EventStream(Response):
    """Follows a turn until it ends, its reader leaves, or its reader has to.

    `held` is what the reader has taken, its place in the log too; it is given back in every case.
    """

    def __init__(
        self,
        services: Services,
        reader: LogReader,
        encoder: Encoder,
        headers: dict[str, str],
        held: ExitStack,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({**headers, "Content-Type": encoder.content_type})
        self._settings = services.settings
        self._readers: Readers = services.readers
        self._reader = reader
        self._after = reader.after
        self._encoder = encoder
        self._opening = retry(services.settings.retry_ms) if encoder.framed else b""
        self._past: int | None = None
        self._watch = Watch(reader, services.settings, self._unsent_bytes, framed=encoder.framed)
        self._held = held

    def lasting(self, until: float | None) -> Self:
        """End with the credential of the reader, at a time since the epoch; return the stream."""
        self._watch.allow(until)
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream.

        Raises:
            ConnectionAbortedError: the reader takes nothing, and only the server can cut it off.
        """
        connection = connection_of(scope)
        with self._held, self._readers.present(self._watch):
            # Not anyio's group, in which every task has an event of its own: a kilobyte.
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._listen(receive))
                # A server may say so when it is told to send and nobody is there any more.
                with (
                    anyio.CancelScope() as sending,
                    suppress(OSError),
                    self._watch.over_connection(connection, sending.cancel),
                ):
                    await self._answer(send)
                listening.cancel()
        if self._watch.cut and connection is None:
            raise ConnectionAbortedError("the reader takes nothing")

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._watch.leave()

    async def _answer(self, send: Send) -> None:
        headers, self.raw_headers = self.raw_headers, []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        self._watch.sending = False
        try:
            ended = await self._follow(send)
        except LogUnavailable:
            await self._send(send, _unavailable(self._encoder, self._settings), more=False)
        else:
            if not ended and self._watch.sent_away is not None:
                await self._send(send, self._farewell(self._watch.sent_away), more=False)
        await self._flush()

    def _farewell(self, why: SentAway) -> bytes:
        delay_ms = _delay_ms(why, self._settings.retry_ms)
        if why is SentAway.EXPIRED:
            # Not only a time to come back: without another credential that would be in vain.
            expired = CredentialExpired
            return self._encoder.unavailable(expired.code, expired.response, delay_ms)
        return farewell(why, delay_ms)

    async def _follow(self, send: Send) -> bool:
        """Send what comes, and tell whether that was to the end."""
        watch, read = self._watch, self._reader.read
        while not watch.over:
            emissions = (await read(math.inf)).emissions
            if emissions:
                if await self._tell(send, emissions):
                    return True
            elif self._reader.at_end():
                # It has had the end before this process had it.
                await self._send(send, b"", more=False)
                return True
            elif watch.beat:
                watch.beat = False
                await self._send(send, HEARTBEAT, more=True)
        return False

    async def _tell(self, send: Send, emissions: Sequence[Emission]) -> bool:
        """Send emissions, and tell whether the last one is terminal."""
        last = emissions[-1]
        if self._past is None:
            self._past = last.number
        if len(emissions) == 1:
            data = self._whole(self._encoder.encode(last), last.number, last.number)
        else:
            data = await self._send_past(send, emissions)
            if self._watch.over:
                return False
        if data or last.terminal:
            await self._send(send, data, more=not last.terminal)
        return last.terminal

    async def _send_past(self, send: Send, emissions: Sequence[Emission]) -> bytes:
        """Send what is more than a part, as long as somebody takes it, and return the last one."""
        encode, first = self._encoder.encode, emissions[0].number
        parts: list[bytes] = []
        size_bytes = 0
        for emission in emissions:
            part = encode(emission)
            if parts and size_bytes + len(part) > _PART_BYTES:
                data = self._whole(b"".join(parts), first, emission.number - 1)
                await self._send(send, data, more=True)
                if self._watch.over:
                    return b""
                first, parts, size_bytes = emission.number, [], 0
            parts.append(part)
            size_bytes += len(part)
        return self._whole(b"".join(parts), first, emissions[-1].number)

    def _whole(self, data: bytes, first: int, last: int) -> bytes:
        """Return what goes out for the emissions from `first` to `last`."""
        if first != self._after + 1:
            # What is between is lost, or the turn has ended before where its reader was.
            data = self._encoder.gap(self._after + 1, first) + data
        self._after = last
        if data and self._opening:
            data, self._opening = self._opening + data, b""
        return data

    async def _send(self, send: Send, data: bytes, *, more: bool) -> None:
        watch = self._watch
        watch.since, watch.sending = watch.now(), True
        if len(data) > _PIECE_BYTES:
            data = await self._send_most(send, data)
        await send({"type": "http.response.body", "body": data, "more_body": more})
        watch.sending = False

    async def _send_most(self, send: Send, data: bytes) -> bytes:
        """Send all but the last piece, and return that; each may take its time."""
        last = (len(data) - 1) // _PIECE_BYTES * _PIECE_BYTES
        for first in range(0, last, _PIECE_BYTES):
            piece = data[first : first + _PIECE_BYTES]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            self._watch.since = self._watch.now()
        return data[last:]

    def _unsent_bytes(self) -> int:
        """Return how much has come since the beginning that nobody has taken."""
        return self._reader.bytes_after(max(self._after, self._past or 0))

    async def _flush(self) -> None:
        """Stay until the reader has taken everything: a server would wait for that for ever."""
        watch = self._watch
        watch.since, watch.sending = watch.now(), True
        while watch.waiting_bytes and not watch.cut:  # noqa: ASYNC110 # a transport does not tell
            await anyio.sleep(_FLUSH_POLL_S)


def _headers(request_id: str) -> dict[str, str]:
    """An id that nobody knows yet may be anything."""
    named = quote(request_id, safe="")
    return {
        "Cache-Control": "no-cache, no-transform",
        "X-Accel-Buffering": "no",
        "Content-Location": f"/v1/streaming_query/{named}",
        "X-Request-Id": named,
    }


def _unavailable(encoder: Encoder, settings: Settings) -> bytes:
    delay_ms = _delay_ms(SentAway.BUSY, settings.retry_ms)
    return encoder.unavailable(LogUnavailable.code, LogUnavailable.response, delay_ms)


def _delay_ms(why: SentAway, retry_ms: int) -> int:
    """Return when to come back, so that not all come at once; to who is busy not too soon."""
    least_ms, most = (max(retry_ms, _LEAST_MS), 3) if why is SentAway.BUSY else (retry_ms, 2)
    return round(random.uniform(least_ms, most * least_ms))  # noqa: S311 # spreads load
