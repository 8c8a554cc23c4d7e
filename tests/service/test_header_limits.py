"""What a connection may send around its requests, how much of it, and how slowly."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from anyio import BrokenResourceError, EndOfStream, connect_tcp, fail_after
from anyio.abc import SocketStream
from starlette.applications import Starlette
from uvicorn import Config
from uvicorn.server import ServerState

from service.cli.protocol import FIELDS_LIMIT, HEAD_LIMIT_BYTES, TurnstileProtocol
from service.settings import Settings
from service.wiring import services_on
from tests.support.asgi import PATIENCE_S
from tests.support.server import served_here
from tests.support.upstreams import Script, ScriptedUpstream, answer

pytestmark = pytest.mark.slow

QUESTION = b'{"query": "What is a pod?"}'
HEAD = b"POST /v1/streaming_query HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
CHUNK = b"%x\r\n%b\r\n" % (len(QUESTION), QUESTION)
LAST = b"0\r\n"
GET = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n"
TOO_MUCH = HEAD_LIMIT_BYTES + 64 * 1024


@asynccontextmanager
async def connected() -> AsyncIterator[SocketStream]:
    """Connect to a service that answers one question."""
    chosen = Settings(database={"url": "sqlite://"}, titles={"generate": False})
    services = services_on(ScriptedUpstream(Script(answer("Hi"))), chosen)
    async with (
        served_here(services) as url,
        await connect_tcp("127.0.0.1", int(url.rpartition(":")[2])) as connection,
    ):
        yield connection


class Impatient(TurnstileProtocol):
    head_timeout_s = 0.01


@asynccontextmanager
async def impatient() -> AsyncIterator[SocketStream]:
    """Connect to a server that has no route, and waits for a hundredth of a second."""
    config = Config(Starlette(), log_config=None, timeout_keep_alive=3_600)
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Impatient(config, state, {}), "127.0.0.1", 0)
    async with server, await connect_tcp(*server.sockets[0].getsockname()) as connection:
        yield connection


async def told(connection: SocketStream, until: bytes = b"") -> bytes:
    """Return what is answered, up to an end of it; without one, until the connection is closed."""
    answered = bytearray()
    with fail_after(PATIENCE_S), suppress(EndOfStream, BrokenResourceError):
        while not (until and answered.endswith(until)):
            answered += await connection.receive()
    return bytes(answered)


async def sent(connection: SocketStream, data: bytes, size: int) -> None:
    """Send in pieces, as far as somebody takes them."""
    with suppress(BrokenResourceError):
        for at in range(0, len(data), size):
            await connection.send(data[at : at + size])


# Headers after a body.


@pytest.mark.parametrize(
    "trailer",
    [b"Idempotency-Key: a b", b"MCP-HEADERS: nonsense", b"Authorization: Bearer x", b"Host: a"],
)
async def test_a_header_after_the_body_is_none(trailer):
    """A proxy that looks at headers has not seen it."""
    async with connected() as connection:
        await connection.send(HEAD + b"\r\n" + CHUNK)
        await connection.send(LAST + trailer + b"\r\n\r\n")
        answered = await told(connection, b"\r\n0\r\n\r\n")

    assert answered.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answered.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "endless",
    [
        LAST + b"X: a\r\n" * (TOO_MUCH // 6),
        LAST + b"X: " + b"a" * TOO_MUCH,
        b"5;a=" + b"a" * TOO_MUCH,
        b"0" * TOO_MUCH,
    ],
    ids=["headers", "a header", "an extension", "a size"],
)
async def test_what_follows_a_body_is_bounded(endless):
    async with connected() as connection:
        await connection.send(HEAD + b"\r\n")
        await sent(connection, endless, 8_192)
        answered = await told(connection)

    head, _, body = answered.partition(b"\r\n\r\n")
    assert not head or int(head.split()[1]) in (400, 431)
    assert not body or json.loads(body)["code"] in ("head_too_large", "request_not_http")


async def test_a_body_may_be_longer_than_a_head():
    padded = QUESTION[:-1] + b" " * (2 * HEAD_LIMIT_BYTES) + b"}"
    async with connected() as connection:
        await connection.send(HEAD + b"\r\n")
        await sent(connection, b"%x\r\n%b\r\n" % (len(padded), padded) + LAST + b"\r\n", 8_192)
        answered = await told(connection, b"\r\n0\r\n\r\n")

    assert answered.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_many_requests_on_one_connection_do_not_count_together():
    async with connected() as connection:
        for _ in range(6):
            await connection.send(GET)
            await sent(connection, b"X: %b\r\n\r\n" % (b"a" * (HEAD_LIMIT_BYTES // 3)), 8_192)
            assert (await told(connection, b"}")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_headers_are_counted():
    async with connected() as connection:
        lines = [b"X-%d: a\r\n" % each for each in range(FIELDS_LIMIT - 1)]
        await connection.send(GET + b"".join(lines) + b"\r\n")
        taken = await told(connection, b"}")
        await connection.send(GET + b"".join([*lines, b"Y: a\r\n"]) + b"\r\n")
        refused = await told(connection)

    assert taken.startswith(b"HTTP/1.1 200 OK\r\n")
    assert refused.startswith(b"HTTP/1.1 431 ")
    assert b"connection: close" in refused.lower()


# Slowly.


@pytest.mark.parametrize("rest", [b"5\r\nhello\r\n", b"", LAST, LAST + b"X: a"])
async def test_a_request_that_does_not_end_when_it_was_answered_is_cut_off(rest):
    async with impatient() as connection:
        await connection.send(HEAD + b"\r\n")
        answered = await told(connection, b"Not Found")
        await sent(connection, rest, 8_192)
        more = await told(connection)

    assert answered.startswith(b"HTTP/1.1 404 ")
    assert more == b""


async def dripped(connection: SocketStream, letter: bytes) -> None:
    """Send a letter at a time, until nobody takes them."""
    with fail_after(PATIENCE_S), suppress(BrokenResourceError, EndOfStream):
        while True:
            await connection.send(letter)
            with suppress(TimeoutError), fail_after(0.002):
                await connection.receive()


@pytest.mark.parametrize("begun", [b"", b"GET", b"GET /", GET + b"X", GET + b"X: "])
async def test_a_head_that_comes_letter_by_letter_is_cut_off(begun):
    async with impatient() as connection:
        await connection.send(begun or b"G")
        await dripped(connection, b"\r\n" if not begun else b"a")
