"""Bytes on a connection that are no request, or half of one: answered or cut off, and forgotten."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from select import select

import pytest
from anyio import EndOfStream, connect_tcp, fail_after
from anyio.from_thread import start_blocking_portal
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from uvicorn import Config
from uvicorn.server import ServerState

from service.cli.protocol import HEAD_LIMIT_BYTES, TurnstileProtocol
from service.settings import Settings
from service.wiring import services_on
from tests.support.asgi import PATIENCE_S
from tests.support.described import complaints
from tests.support.server import served_here
from tests.support.upstreams import Script, ScriptedUpstream, answer

pytestmark = pytest.mark.slow

HEAD = b"POST /v1/streaming_query HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
BODY = b'{"query": "What is a pod?"}'
REQUEST = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
GET = b"GET /v1/info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


def with_headers(*lines: bytes) -> bytes:
    """Return a question with these lines in its head."""
    return REQUEST.replace(
        b"Host: localhost\r\n", b"Host: localhost\r\n" + b"".join(map(b"%b\r\n".__mod__, lines))
    )


SOON_S = 0.01
GARBAGE = {
    "nothing": b"",
    "line breaks": b"\r\n" * 1_000,
    "zeros": bytes(10_000),
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another protocol": b"EHLO test\r\nMAIL FROM:<a@test>\r\n",
    "a version of its own": b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "an address with bytes of any kind": b"GET /\xff\xfe\x80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an address with NUL": b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no address": b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "a tunnel": b"CONNECT test:443 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "an address of another": b"GET http://a/livez HTTP/1.1\r\nConnection: close\r\n\r\n",
    "no host": b"GET /v1/info HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two hosts": GET + b"Host: elsewhere\r\n\r\n",
    "a long address": b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"a" * 1_000_000),
    "a long header": GET + b"X: %b\r\n\r\n" % (b"a" * 1_000_000),
    "many headers": GET + b"".join(b"X-%d: a\r\n" % each for each in range(50_000)) + b"\r\n",
    "a header without a colon": GET + b"nonsense\r\n\r\n",
    "a header with NUL": GET + b"X: \0\r\n\r\n",
    "a header that goes on": GET + b"X: a\r\n b\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "a huge length": HEAD + b"Content-Length: 99999999999999999999\r\n\r\n",
    "a length and chunks": HEAD
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks that are none": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
    "a chunk of any size": HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    "another encoding": HEAD + b"Transfer-Encoding: gzip\r\n\r\n" + BODY,
    "a WebSocket": GET + b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "half a body": REQUEST[:-5],
    "half a head": HEAD[:40],
    "two keys": with_headers(b"Idempotency-Key: a", b"Idempotency-Key: b"),
    "two cursors": with_headers(b"Last-Event-ID: 1", b"Last-Event-ID: x"),
    "two credentials": with_headers(b"Authorization: Bearer a", b"Authorization: Bearer b"),
    "two lists of headers": with_headers(b"MCP-HEADERS: {}", b"MCP-HEADERS: {}"),
    "two types": with_headers(b"Content-Type: text/plain", b"Content-Type: application/xml"),
}


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """Where a service is that serves in another thread."""
    chosen = {"database": {"url": "sqlite://"}, "titles": {"generate": False}}
    with start_blocking_portal("asyncio", {"use_uvloop": True}) as portal:
        upstream = ScriptedUpstream(Script(answer("Hi")))
        services = portal.call(services_on, upstream, Settings(**chosen))
        with portal.wrap_async_context_manager(served_here(services)) as url:
            yield "127.0.0.1", int(url.rpartition(":")[2])


def sent(address: tuple[str, int], data: bytes, patience_s: float = 0.3) -> bytes:
    """Send bytes, and return all that is answered; after a while that is the end of them."""
    answered = bytearray()
    with (
        socket.create_connection(address, PATIENCE_S) as connection,
        # Who is cut off while it sends may not get to read why.
        suppress(ConnectionResetError, BrokenPipeError),
    ):
        connection.sendall(data)
        while select([connection], [], [], patience_s)[0]:
            part = connection.recv(65_536)
            if not part:
                return bytes(answered)
            answered += part
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65_536):
            answered += part
    return bytes(answered)


def status_of(answered: bytes) -> int | None:
    """Return the status of the first answer, None when there is none."""
    return int(answered.split(b" ", 2)[1]) if answered else None


def is_well(address: tuple[str, int]) -> bool:
    head, _, body = sent(address, GET.replace(b"/v1/info", b"/livez") + b"\r\n").partition(
        b"\r\n\r\n"
    )
    return head.startswith(b"HTTP/1.1 200") and json.loads(body) == {"alive": True}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_answered_or_cut_off(address, data, log):
    answered = sent(address, data)

    assert (status_of(answered) or 0) < 500
    assert b"Traceback" not in answered
    assert is_well(address)
    assert [each for each in log if each["log_level"] == "error"] == []


@pytest.mark.parametrize(
    "data",
    [
        GARBAGE["a long address"],
        GARBAGE["a long header"],
        GARBAGE["many headers"],
        GET + b"X: " + b"a" * 500_000,
        b"\r\n" * 100_000,
    ],
    ids=["address", "header", "headers", "no end", "no beginning"],
)
def test_a_head_is_bounded(address, data):
    head, _, body = sent(address, data).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert json.loads(body)["code"] == "head_too_large"


@pytest.mark.parametrize(
    "name", ["zeros", "TLS", "an address with NUL", "two lengths", "no host", "two hosts"]
)
def test_what_is_no_request_is_answered_like_any_error(address, name):
    head, _, body = sent(address, GARBAGE[name]).partition(b"\r\n\r\n")

    assert status_of(head) == 400
    assert b"connection: close" in head.lower()
    assert complaints("#/components/schemas/Problem", json.loads(body)) == []


def test_an_old_request_may_be_without_a_host(address):
    answered = sent(address, b"GET /livez HTTP/1.0\r\n\r\n")

    assert status_of(answered) == 200


def test_a_body_that_is_announced_too_large_is_not_invited(address):
    asked = b"Content-Length: 3000000\r\nExpect: 100-continue\r\n\r\n"

    assert status_of(sent(address, HEAD + asked)) == 413


def test_a_head_of_just_the_limit_is_taken(address):
    name, size_bytes = b"x", HEAD_LIMIT_BYTES - len(b"/v1/infohostlocalhostconnectionclosex")
    data = GET + b"%b: %b\r\n\r\n" % (name, b"a" * size_bytes)

    assert status_of(sent(address, data)) == 200
    assert status_of(sent(address, data.replace(b"a" * 9, b"a" * 10, 1))) == 431


class Impatient(TurnstileProtocol):
    head_timeout_s = 0.01


@pytest.mark.parametrize("data", [b"", b"\r\n", HEAD[:40], GET])
async def test_a_head_that_does_not_end_in_time_is_cut_off(data):
    config, state = Config(Starlette(), log_config=None), ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Impatient(config, state, {}), "127.0.0.1", 0)
    async with server, await connect_tcp(*server.sockets[0].getsockname()) as connection:
        await connection.send(data)
        with fail_after(PATIENCE_S), pytest.raises(EndOfStream):
            await connection.receive()


def test_garbage_after_a_question_does_not_get_into_the_answer(address):
    asked = REQUEST.replace(b"Connection: close\r\n", b"")

    answered = sent(address, asked + b"\0\0\0")

    assert answered.count(b"HTTP/1.1") <= 1


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_request_that_was_damaged_is_answered_or_cut_off(address, data):
    at = data.draw(st.integers(0, len(REQUEST) - 1))
    rest = data.draw(st.integers(at, min(len(REQUEST), at + 9)))
    damaged = REQUEST[:at] + data.draw(st.binary(max_size=9)) + REQUEST[rest:]

    answered = sent(address, damaged, SOON_S)

    assert (status_of(answered) or 0) < 500
    assert b"Traceback" not in answered


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=500))
@example(data=b"\r\n\r\n\0")
def test_any_bytes_are_answered_or_cut_off(address, data):
    assert (status_of(sent(address, data, SOON_S)) or 0) < 500
