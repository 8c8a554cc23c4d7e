"""Requests that offer another protocol, which nobody here speaks: they are answered like any other.

What a request brings after its head is its body. Were it taken for the next request, whoever writes
a body could ask in the name of others behind the same proxy.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest
from anyio import BrokenResourceError, EndOfStream, connect_tcp, fail_after
from anyio.abc import SocketStream
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn import Config
from uvicorn.server import ServerState

from service.cli.protocol import HEAD_LIMIT_BYTES, TurnstileProtocol
from service.settings import Settings
from service.wiring import services_on
from tests.support.asgi import PATIENCE_S
from tests.support.server import served_here
from tests.support.upstreams import Script, ScriptedUpstream, answer

pytestmark = pytest.mark.slow

QUESTION = b'{"query": "What is a pod?"}'
HIDDEN = b"DELETE /v1/conversations/a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
OFFERS = {
    "HTTP/2": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAEAAEAA\r\n",
    "WebSocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "any": b"connection: keep-alive\r\nconnection: UPGRADE\r\nupgrade: a\r\nUPGRADE: b/1, c\r\n",
}
LAST = b"Connection: close\r\n"


def cut(data: bytes, at: Iterable[int]) -> list[bytes]:
    """Return the parts of what is cut at these places."""
    inside = sorted(place for place in at if place < len(data))
    return [data[place:end] for place, end in pairwise([0, *inside, len(data)])]


def request(
    body: bytes, offer: bytes = b"", path: bytes = b"/echo", *, chunked: bool = False
) -> bytes:
    """Return a request; its body comes whole or in chunks."""
    head = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\n%b" % (path, offer)
    if chunked:
        halves = cut(body, {len(body) // 2} - {0}) if body else []
        parts = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in halves)
        return b"%bTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (head, parts)
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


async def echoed(asked: Request) -> Response:
    """Answer with what has come."""
    return Response(await asked.body())


def whole(data: bytes) -> list[bytes]:
    """Cut nothing."""
    return [data]


@asynccontextmanager
async def connected_to_echo(
    parts_of: Callable[[bytes], Iterable[bytes]] = whole,
) -> AsyncIterator[SocketStream]:
    """Connect to an application that answers a body with itself, and reads what comes in parts."""

    class InParts(TurnstileProtocol):
        def data_received(self, data: bytes) -> None:
            for part in parts_of(data):
                super().data_received(part)

    config = Config(Starlette(routes=[Route("/echo", echoed, methods=["POST"])]), ws="none")
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: InParts(config, state, {}), "127.0.0.1", 0)
    async with server, await connect_tcp(*server.sockets[0].getsockname()) as connection:
        yield connection


@asynccontextmanager
async def connected_to_service() -> AsyncIterator[SocketStream]:
    """Connect to a service that answers every question."""
    chosen = Settings(database={"url": "sqlite://"}, titles={"generate": False})
    services = services_on(ScriptedUpstream(Script(answer("Hi"))), chosen)
    async with (
        served_here(services) as url,
        await connect_tcp("127.0.0.1", int(url.rpartition(":")[2])) as connection,
    ):
        yield connection


async def told(connection: SocketStream) -> list[tuple[int, dict[str, str], bytes]]:
    """Return all answers until the connection is closed: status, headers and body of each."""
    said = bytearray()
    with fail_after(PATIENCE_S), suppress(EndOfStream, BrokenResourceError):
        while True:
            said += await connection.receive()
    answers = []
    while said:
        head, _, rest = bytes(said).partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        answers.append((int(status.split()[1]), headers, rest[:length]))
        said = bytearray(rest[length:])
    return answers


def heads_apart(data: bytes) -> list[bytes]:
    """Cut behind each head, and wherever else there is an empty line."""
    return [each + b"\r\n\r\n" for each in data.split(b"\r\n\r\n")[:-1]]


def bytes_apart(data: bytes) -> list[bytes]:
    """Cut everywhere."""
    return cut(data, range(1, len(data)))


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
async def test_a_question_that_offers_another_protocol_has_its_answer(offer):
    async with connected_to_service() as connection:
        await connection.send(
            request(QUESTION, offer, b"/v1/query") + request(b"", LAST, b"/nothing")
        )
        [(status, _, body), after] = await told(connection)

    assert (status, json.loads(body)["response"]) == (200, "Hi")
    assert after[0] == 404


async def test_an_offer_is_answered_as_if_it_were_none():
    looks = b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n%b\r\n"
    async with connected_to_service() as connection:
        for offer in (*OFFERS.values(), b""):
            await connection.send(looks % offer + request(HIDDEN, offer, b"/v1/query"))
        await connection.send(request(b"", LAST, b"/nothing"))
        *answers, _ = await told(connection)

    assert [(status, body) for status, _, body in answers] == [
        (status, body) for status, _, body in answers[-2:]
    ] * 4
    assert [status for status, _, _ in answers[-2:]] == [200, 400]
    assert [headers.keys() for _, headers, _ in answers] == [
        headers.keys() for _, headers, _ in answers[-2:]
    ] * 4


@pytest.mark.parametrize("parts_of", [whole, heads_apart, bytes_apart])
@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
async def test_a_body_is_never_a_request(offer, parts_of, chunked):
    async with connected_to_echo(parts_of) as connection:
        await connection.send(request(HIDDEN, offer, chunked=chunked) + request(HIDDEN, LAST))
        answers = await told(connection)

    assert [(status, body) for status, _, body in answers] == [(200, HIDDEN)] * 2


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
async def test_a_body_is_no_request_either_when_its_answer_has_gone(offer):
    head, _, body = request(HIDDEN, offer, b"/nothing").partition(b"\r\n\r\n")
    async with connected_to_echo() as connection:
        await connection.send(head + b"\r\n\r\n")
        early = await connection.receive()
        await connection.send(body + request(b"after", LAST))
        answers = await told(connection)

    assert early.startswith(b"HTTP/1.1 404 ")
    assert [body for _, _, body in answers] == [b"after"]


@pytest.mark.parametrize("count", [3, 500])
async def test_requests_behind_an_offer_are_answered_in_their_order(count):
    offers = [*OFFERS.values(), b""]
    bodies = [b"%d" % number for number in range(count)]
    asked = [request(body, offers[place % 4]) for place, body in enumerate(bodies)]
    async with connected_to_echo() as connection:
        await connection.send(b"".join(asked) + request(b"", LAST))
        answers = await told(connection)

    assert [body for _, _, body in answers] == [*bodies, b""]


@given(
    asked=st.lists(
        st.tuples(
            st.sampled_from([b"", b"a", HIDDEN, b"\r\n" * 5]),
            st.sampled_from([*OFFERS.values(), b""]),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    ),
    places=st.sets(st.integers(1, 1_500)),
)
async def test_where_segments_end_makes_no_difference(asked, places):
    sent = [request(body, offer, chunked=chunked) for body, offer, chunked in asked]
    async with connected_to_echo(lambda data: cut(data, places)) as connection:
        await connection.send(b"".join(sent) + request(b"", LAST))
        answers = await told(connection)

    bodies = [*(body for body, _, _ in asked), b""]
    assert [(status, body) for status, _, body in answers] == [(200, body) for body in bodies]


@pytest.mark.parametrize("parts_of", [whole, heads_apart, bytes_apart])
async def test_an_offer_after_a_body_is_none(parts_of):
    chunks = request(b"hello", chunked=True)[:-2]
    async with connected_to_echo(parts_of) as connection:
        await connection.send(chunks + OFFERS["HTTP/2"] + b"\r\n" + request(HIDDEN, LAST))
        answers = await told(connection)

    assert [body for _, _, body in answers] == [b"hello", HIDDEN]


async def test_an_offer_by_http_1_0_is_answered_and_the_connection_closed():
    asked = request(HIDDEN, OFFERS["HTTP/2"]).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    async with connected_to_echo() as connection:
        await connection.send(asked + HIDDEN)
        [(status, headers, body)] = await told(connection)

    assert (status, headers["connection"], body) == (200, "close", HIDDEN)


@pytest.mark.parametrize("place", [b"test:443", b"/v1/query", b"http://test/"])
@pytest.mark.parametrize("offer", [b"", *OFFERS.values()], ids=["none", *OFFERS])
async def test_a_tunnel_is_refused_and_nothing_in_it_is_read(place, offer):
    head = b"CONNECT %b HTTP/1.1\r\nHost: 127.0.0.1\r\n%b\r\n" % (place, offer)
    async with connected_to_service() as connection:
        await connection.send(head + HIDDEN)
        [(status, headers, body)] = await told(connection)

    assert (status, json.loads(body)["code"]) == (400, "request_not_http")
    assert headers["connection"] == "close"


async def test_a_head_with_an_offer_is_bounded_like_any():
    long = b"X: %b\r\n" % (b"a" * HEAD_LIMIT_BYTES)
    async with connected_to_service() as connection:
        await connection.send(request(HIDDEN, OFFERS["HTTP/2"] + long))
        [(status, _, body)] = await told(connection)

    assert (status, json.loads(body)["code"]) == (431, "head_too_large")
