"""Reading the body of a stream: at any cut of its bytes, and whatever breaks it."""

from contextlib import asynccontextmanager

import httpx
import pytest

from service.errors import UpstreamError, UpstreamReset
from service.settings.groups import UpstreamSettings
from service.upstream.connection import Connection
from statemachine.upstream.frames import FRAME_LIMIT_BYTES
from tests.support.peers import STREAM_HEAD, EventServer, served_by
from tests.support.stack import FakeStack, live, mocked, streams

FRAME = b'data: {"n": 1}\n\n'


async def opened(url, read, **settings):
    """Open one stream and let the test read it."""
    connection = Connection(UpstreamSettings.model_validate({"url": url} | settings))
    async with connection.running(), connection.stream("/v1/responses", {}) as payloads:
        await read(payloads)


async def everything(payloads):
    return [payload async for payload in payloads]


async def one(payloads):
    assert await anext(payloads) == b'{"n": 1}'


async def test_bytes_may_be_cut_anywhere():
    body = 'data: {"t": "é\u2028"}\r\n\r\n: hello\n\ndata: {"n": 1}\n\n'.encode()
    server = EventServer(*(bytes([each]) for each in body), ends=True)
    found = []

    async def read(payloads):
        found.extend(await everything(payloads))

    async with served_by(server) as url:
        await opened(url, read)

    assert found == ['{"t": "é\u2028"}'.encode(), b'{"n": 1}']


@pytest.mark.parametrize(
    "cut", [FRAME[:7], FRAME + b"data: {", FRAME[:-1]], ids=["first", "second", "before its end"]
)
async def test_a_body_that_ends_inside_a_frame_was_cut(cut):
    async with served_by(EventServer(cut, ends=True)) as url:
        with pytest.raises(UpstreamReset):
            await opened(url, everything)


async def test_a_connection_that_is_lost_in_the_body_was_reset():
    async def hang_up(peer):
        await peer.request()
        await peer.send(STREAM_HEAD)
        await peer.part(FRAME)

    async with served_by(hang_up) as url:
        with pytest.raises(UpstreamReset):
            await opened(url, everything)


async def test_a_frame_may_be_too_large():
    piece = b"data: " + b"x" * (1024 * 1024) + b"\n"
    upstream = live()
    stack = FakeStack().on(
        "POST", "/v1/responses", streams(*[piece] * (FRAME_LIMIT_BYTES // len(piece) + 2))
    )
    async with mocked(stack), upstream._connection.running():
        with pytest.raises(UpstreamError) as failed:
            async with upstream._connection.stream("/v1/responses", {}) as payloads:
                await everything(payloads)

    assert (failed.value.code, failed.value.status_code) == ("upstream_frame_too_large", 502)


@asynccontextmanager
async def mocked_stream(*pieces):
    stack, connection = (
        FakeStack().on("POST", "/v1/responses", streams(*pieces)),
        live()._connection,
    )
    async with mocked(stack), connection.running(), connection.stream("/v1/responses", {}) as body:
        yield body


@pytest.mark.parametrize("raised", [httpx.ReadTimeout("slow"), httpx.StreamClosed()])
async def test_whatever_breaks_a_body_it_was_lost(raised):
    async with mocked_stream(FRAME, raised) as payloads:
        await one(payloads)
        with pytest.raises(UpstreamReset):
            await anext(payloads)


@pytest.mark.parametrize("failure", [httpx.ReadError("reset"), b"x" * FRAME_LIMIT_BYTES * 2])
async def test_what_follows_the_last_thing_that_matters_may_break(failure):
    async with mocked_stream(FRAME, failure) as payloads:
        await one(payloads)
