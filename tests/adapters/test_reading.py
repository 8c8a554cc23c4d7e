"""Reading the body of a stream: at any cut of its bytes, and whatever breaks it."""

from contextlib import asynccontextmanager
from functools import partial

import anyio
import httpx
import pytest

from service.errors import UpstreamError, UpstreamReset
from service.settings.groups import UpstreamSettings
from service.upstream.connection import Connection
from statemachine.upstream.frames import FRAME_LIMIT_BYTES
from tests.support.peers import STREAM_HEAD, EventServer, answering, served_by
from tests.support.plans import every
from tests.support.stack import FakeStack, live, mocked, streams

FRAME = b'data: {"n": 1}\n\n'


@asynccontextmanager
async def streamed_by(url):
    connection = Connection(UpstreamSettings(url=url))
    async with connection.running(), connection.stream("/v1/responses", {}) as batches:
        yield batches


async def one(batches):
    assert (await anext(batches))[0] == b'{"n": 1}'


async def test_bytes_may_be_cut_anywhere():
    body = 'data: {"t": "é\u2028"}\r\n\r\n: hello\n\ndata: {"n": 1}\n\n'.encode()
    server = EventServer(*(bytes([each]) for each in body), ends=True)
    async with served_by(server) as url, streamed_by(url) as batches:
        found = await every(batches)

    assert found == ['{"t": "é\u2028"}'.encode(), b'{"n": 1}']


@pytest.mark.parametrize(
    "cut", [FRAME[:7], FRAME + b"data: {", FRAME[:-1]], ids=["first", "second", "before its end"]
)
async def test_a_body_that_ends_inside_a_frame_was_cut(cut):
    async with served_by(EventServer(cut, ends=True)) as url, streamed_by(url) as batches:
        with pytest.raises(UpstreamReset):
            await every(batches)


async def test_what_arrives_together_is_given_together():
    async with served_by(EventServer(FRAME * 3, ends=True)) as url, streamed_by(url) as batches:
        assert [list(batch) async for batch in batches] == [[b'{"n": 1}'] * 3]


CHUNKED = (STREAM_HEAD, b"%x\r\n%s\r\n" % (len(FRAME), FRAME))
UNSIZED = (STREAM_HEAD.replace(b"transfer-encoding: chunked\r\n", b""), FRAME)
SIZED = (STREAM_HEAD.replace(b"transfer-encoding: chunked", b"content-length: 99"), FRAME)
GARBAGE = b"no chunk at all\r\n"


class Lossy:
    """Goes away in the middle of a body, as soon as it is let go, in order or by a reset."""

    def __init__(self, said, last=b"", *, reset=False):
        self.let_go, self.gone = anyio.Event(), anyio.Event()
        self._said, self._last, self._reset = said, last, reset

    async def __call__(self, peer):
        await peer.request()
        for part in self._said:
            await peer.send(part)
        await self.let_go.wait()
        await peer.send(self._last)
        if self._reset:
            peer.reset()
        await peer.wire.aclose()
        self.gone.set()


async def arrived():
    """Wait until what was sent has arrived: what is sent now, to another server, has been."""

    async def answer(peer):
        await peer.request()
        await peer.send(answering(b"{}"))

    async with served_by(answer) as url:
        connection = Connection(UpstreamSettings(url=url))
        async with connection.running():
            await connection.get("/v1/models")


@pytest.fixture(
    params=[
        partial(Lossy, CHUNKED),
        partial(Lossy, CHUNKED, reset=True),
        partial(Lossy, CHUNKED, GARBAGE),
        partial(Lossy, SIZED),
        partial(Lossy, UNSIZED, reset=True),
    ],
    ids=["closed", "reset", "garbage", "too short", "without a size and reset"],
)
def lossy(request):
    return request.param()


async def test_what_came_before_a_connection_was_lost_is_given_first(lossy):
    async with served_by(lossy) as url, streamed_by(url) as batches:
        lossy.let_go.set()
        await lossy.gone.wait()
        await arrived()

        await one(batches)
        with pytest.raises(UpstreamReset):
            await anext(batches)


async def test_who_waits_hears_of_the_loss(lossy):
    async with served_by(lossy) as url, streamed_by(url) as batches:
        await one(batches)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lost, batches)
            await arrived()
            lossy.let_go.set()


async def lost(batches):
    with pytest.raises(UpstreamReset), anyio.fail_after(2):
        await anext(batches)


async def test_a_server_of_these_tests_may_reset_a_connection_that_is_gone():
    """As when a client leaves between what is said last to it and the reset."""
    ended = anyio.Event()

    async def leave(peer):
        await peer.wire.aclose()
        peer.reset()
        ended.set()

    async with served_by(leave) as url:
        port = int(url.rpartition(":")[2])
        async with await anyio.connect_tcp("127.0.0.1", port) as wire:
            with pytest.raises(anyio.EndOfStream):
                await wire.receive()
            await ended.wait()


async def test_a_body_may_end_with_its_connection():
    server = Lossy(UNSIZED)
    server.let_go.set()
    async with served_by(server) as url, streamed_by(url) as batches:
        assert await every(batches) == [b'{"n": 1}']


async def test_a_frame_may_be_too_large():
    piece = b"data: " + b"x" * (1024 * 1024) + b"\n"
    pieces = [FRAME + piece, *[piece] * (FRAME_LIMIT_BYTES // len(piece) + 2)]
    async with mocked_stream(*pieces) as batches:
        await one(batches)
        with pytest.raises(UpstreamError) as failed:
            await every(batches)

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
    async with mocked_stream(FRAME, raised) as batches:
        await one(batches)
        with pytest.raises(UpstreamReset):
            await anext(batches)


@pytest.mark.parametrize("failure", [httpx.ReadError("reset"), b"x" * FRAME_LIMIT_BYTES * 2])
async def test_what_follows_the_last_thing_that_matters_may_break(failure):
    async with mocked_stream(FRAME, failure) as batches:
        await one(batches)
