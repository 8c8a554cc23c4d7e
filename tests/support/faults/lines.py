"""How a service is reached: one request, and every byte of its answer."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.support.asgi import Exchange, exchange


class LineLost(Exception):
    """The connection broke before the answer had come to its end."""


class Line(Protocol):
    """A connection over which one request went. Its answer has begun."""

    status: int
    headers: Mapping[str, str]

    async def part(self) -> bytes:
        """Wait for the next piece of the body; empty when it has ended in order.

        Raises:
            LineLost: it has ended otherwise.
        """
        ...

    async def hang_up(self) -> None:
        """Close the connection, whatever state it is in."""
        ...


async def parts_of(line: Line) -> AsyncIterator[bytes]:
    """Yield the pieces of an answer until it has ended in order."""
    while part := await line.part():
        yield part


class Dial(Protocol):
    """Sends requests to a service."""

    async def __call__(
        self,
        method: str,
        target: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        narrow: bool = False,
    ) -> Line:
        """Send a request and wait for the head of its answer; a `narrow` line holds little.

        Raises:
            LineLost: there is none.
        """
        ...


class InProcess:
    """Calls an application; see `Dial`. A narrow line holds nothing at all."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(
        self,
        method: str,
        target: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        narrow: bool = False,
    ) -> "ProcessLine":
        """See `Dial`."""
        line = ProcessLine(self._app)
        await line.open(method, target, body, headers or {}, 0 if narrow else math.inf)
        return line


class ProcessLine:
    """See `Line`. A task of its own holds the exchange, so that any task may use the line."""

    def __init__(self, app: ASGIApp) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._app = app
        self._complete = False
        self._left = asyncio.Event()
        self._holding: asyncio.Task[None] | None = None
        self._exchange: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()

    async def open(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str], window: float
    ) -> None:
        """Send the request and wait for the head of the answer."""
        holding = self._hold(method, target, body, headers, window)
        self._holding = asyncio.create_task(holding, name=f"line {method} {target}")
        try:
            made = await self._exchange
            await _begun(made)
        except BaseException:
            await self.hang_up()
            raise
        self.status, self.headers = made.status, made.headers
        if not made.status:
            await self.hang_up()
            raise LineLost

    async def part(self) -> bytes:
        """See `Line.part`."""
        made = await self._exchange
        while True:
            # The exchange gives up after a while; a reader has all the time there is.
            with suppress(TimeoutError):
                part = await made.part()
                break
        if not part and not self._complete:
            raise LineLost
        return part

    async def hang_up(self) -> None:
        """See `Line.hang_up`; the application must come to an end soon."""
        self._left.set()
        if self._holding is not None:
            await self._holding

    async def _hold(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str], window: float
    ) -> None:
        async with exchange(
            self._watched, method, target, body=body, headers=headers, window=window
        ) as made:
            if not self._exchange.done():
                self._exchange.set_result(made)
            await self._left.wait()

    async def _watched(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application and note whether it has completed its answer."""

        async def send_on(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._complete = True

        await self._app(scope, receive, send_on)


async def _begun(made: Exchange) -> None:
    while True:
        with suppress(TimeoutError):
            await made.begun()
            return
