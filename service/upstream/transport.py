"""HTTP for the client library by aiohttp: httpx's own costs three times as much for each read.

Differences from the package `httpx-aiohttp`, each with its reason:

1. What was lost on its way is told from what never left: that takes both for the latter.
2. A connection that is waited for is told from one that cannot be made.
3. What had arrived before a connection was lost is still read.
4. No cookie is kept.
"""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp
import anyio
import httpx

BODY = "body"
"""The extension of an answer that holds its body as it arrives."""

_KEEPALIVE_S = 3.0
"""Servers close idle connections after 5 s (uvicorn's default): a request on one that closes at
that moment would fail, so ours are closed first."""

_CLOSE_WAIT_S = 1.0
"""How long connections may take to close; what waits for them is only our own end."""

_HEADER_LIMIT_BYTES = 64 * 1024

_MEANINGS: tuple[tuple[type[Exception], type[httpx.RequestError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.NonHttpUrlClientError, httpx.UnsupportedProtocol),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (Exception, httpx.ReadError),
)
"""What aiohttp raises in httpx's words, the narrow ones first."""


@dataclass(slots=True)
class _Connecting:
    """How far a request has come before it is sent."""

    queued: bool = False


@dataclass(slots=True, eq=False)
class Transport(httpx.AsyncBaseTransport):
    """The connections to one server."""

    tls: ssl.SSLContext
    connections_limit: int
    _session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its answer as soon as the headers of that have come."""
        connecting = _Connecting()
        with _translated(connecting):
            answer = await self._opened().request(
                request.method,
                # What stands before the host is in a header by now.
                str(request.url.copy_with(userinfo=b"")),
                headers=_spoken(request),
                data=io.BytesIO(request.content) if request.content else None,
                allow_redirects=False,
                timeout=_timeout(request),
                trace_request_ctx=connecting,
            )
        body = _Body(answer)
        return httpx.Response(
            answer.status,
            headers=answer.raw_headers,
            stream=body,
            request=request,
            extensions={BODY: body},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            with anyio.move_on_after(_CLOSE_WAIT_S):
                await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        """Return the session; it belongs to the event loop, which has to run by then."""
        if self._session is None:
            queue = aiohttp.TraceConfig()
            queue.on_connection_queued_start.append(_queued)
            queue.on_connection_queued_end.append(_served)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=self.tls, limit=self.connections_limit, keepalive_timeout=_KEEPALIVE_S
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_line_size=_HEADER_LIMIT_BYTES,
                max_field_size=_HEADER_LIMIT_BYTES,
                trace_configs=[queue],
            )
        return self._session


class _Body(httpx.AsyncByteStream):
    """The body of an answer, by what arrives together."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self._content = answer.content
        sized = "content-length" in answer.headers or "transfer-encoding" in answer.headers
        self._ends_by_closing = not sized
        self._closed = _end_of(answer.connection)
        if self._closed is not None:
            self._closed.add_done_callback(self._lose)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            with _translated():
                while data := await self._read():
                    yield data
        except httpx.ReadError:
            # What came before the loss is still there, but nobody is given it any more.
            if rest := self._content._read_nowait(-1):  # noqa: SLF001 # nothing public has it
                yield rest
            raise
        finally:
            await self.aclose()

    async def _read(self) -> bytes:
        """Return what has arrived, nothing at the end; where that is the connection's, it counts.

        Raises:
            ClientError: the connection was lost.
        """
        if self._closed is not None and self._closed.done():
            self._lose()
        data = await self._content.readany()
        if not data and self._ends_by_closing and (lost := _heard(self._closed)):
            raise aiohttp.ClientPayloadError("The connection was reset.") from lost
        return data

    def _lose(self, _: object = None) -> None:
        """Tell who waits for more; where that is no HTTP, aiohttp would let them wait."""
        if not self._content.is_eof() and self._content.exception() is None:
            self._content.set_exception(aiohttp.ClientPayloadError("The connection was lost."))

    async def aclose(self) -> None:
        """Close the connection at once, unless the body was read to its end."""
        if self._closed is not None:
            self._closed.remove_done_callback(self._lose)
        connection = self._answer.connection
        if connection is not None and connection.transport is not None:
            # No farewell: whoever does not listen to that would keep the connection.
            connection.transport.abort()
        self._answer.close()


def _spoken(request: httpx.Request) -> list[tuple[str, str]]:
    """Return the headers of a request without what the client library tells of itself.

    No server asks for it, and it would be kept for as long as the body comes.
    """
    headers = request.headers.multi_items()
    return [each for each in headers if not each[0].startswith("x-stainless-")]


def _end_of(connection: aiohttp.connector.Connection | None) -> asyncio.Future[None] | None:
    """Return what tells that a connection was closed; a body that is complete has none any more."""
    protocol = connection.protocol if connection else None
    if protocol is None:
        return None
    closed = protocol.closed
    if closed is None:
        closed = asyncio.get_running_loop().create_future()
        closed.set_result(None)
    closed.remove_done_callback(_heard)
    closed.add_done_callback(_heard)
    return closed


def _heard(closed: asyncio.Future[None] | None) -> BaseException | None:
    """Return why a connection was closed, if not in order; who never asks is complained about."""
    if closed is None or not closed.done() or closed.cancelled():
        return None
    return closed.exception()


def _timeout(request: httpx.Request) -> aiohttp.ClientTimeout:
    """Return the limits of a request; waiting for a connection counts as making one."""
    limits = request.extensions["timeout"]
    return aiohttp.ClientTimeout(connect=limits["connect"], sock_read=limits["read"])


@contextmanager
def _translated(connecting: _Connecting | None = None) -> Iterator[None]:
    """Raise what aiohttp raises as the client library expects it."""
    try:
        yield
    except (aiohttp.ClientError, OSError) as lost:
        meaning = next(meaning for kind, meaning in _MEANINGS if isinstance(lost, kind))
        if meaning is httpx.ConnectTimeout and connecting and connecting.queued:
            meaning = httpx.PoolTimeout
        raise meaning(str(lost) or type(lost).__name__) from lost


async def _queued(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.queued = True


async def _served(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.queued = False
