"""What a server may make us hold: nothing of it is without end."""

from itertools import repeat

import anyio
import pytest

from service.errors import UpstreamError
from service.settings.groups import UpstreamSettings
from service.upstream import bounded_body
from service.upstream.connection import Connection
from tests.support import responses_chunks as responses
from tests.support.live_applications import live_application
from tests.support.peers import answering, served_by
from tests.support.stack import Answer, FakeStack, frame

ENDLESS = "HTTP/1.1 {}\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n"
LIMIT_BYTES = 100_000


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(bounded_body, "_LIMIT_BYTES", LIMIT_BYTES)


def pouring(status, content_type="application/json"):
    """Return a server whose answer has no end, and what it tells of being left."""
    left = anyio.Event()

    async def pour(peer):
        await peer.request()
        await peer.send(ENDLESS.format(status, content_type).encode())
        try:
            while True:
                await peer.part(b"[" * 10_000)
        finally:
            left.set()

    return pour, left


async def stream(connection):
    async with connection.stream("/v1/responses", {}):
        pass


WAYS = {
    "list": lambda connection: connection.get("/v1/models"),
    "post": lambda connection: connection.post("/v1/anything", {}),
    "delete": lambda connection: connection.delete("/v1/responses/r"),
    "stream": stream,
}


async def failure_of(url, way):
    connection = Connection(UpstreamSettings(url=url, retries_limit=0))
    async with connection.running():
        with pytest.raises(UpstreamError) as failed, anyio.fail_after(5):
            await way(connection)
    return failed.value


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("status", ["400 Bad Request", "500 Internal Server Error"])
async def test_the_body_of_an_error_may_have_no_end(way, status, content_type):
    pour, left = pouring(status, content_type)
    async with served_by(pour) as url:
        failed = await failure_of(url, way)
        with anyio.fail_after(1):
            await left.wait()

    assert (failed.code, failed.status_code) == ("upstream_unexpected", 502)
    assert not failed.untaken


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("way", ["list", "post", "delete"])
async def test_json_may_have_no_end(way):
    pour, left = pouring("200 OK")
    async with served_by(pour) as url:
        failed = await failure_of(url, WAYS[way])
        with anyio.fail_after(1):
            await left.wait()

    assert (failed.code, failed.status_code) == ("upstream_unexpected", 502)


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("size", [LIMIT_BYTES, LIMIT_BYTES + 1])
async def test_the_limit_itself_is_not_too_much(size):
    async def answer(peer):
        await peer.request()
        await peer.send(answering(b"1" + b" " * (size - 1)))

    async with served_by(answer) as url:
        connection = Connection(UpstreamSettings(url=url, retries_limit=0))
        async with connection.running():
            if size > LIMIT_BYTES:
                with pytest.raises(UpstreamError, match="not what it should be"):
                    await connection.get("/v1/models")
            else:
                assert await connection.get("/v1/models") == 1


class Counted:
    """Pieces without end, which counts how many were taken."""

    def __init__(self, *before, piece):
        self.taken = 0
        self._before, self._piece = before, piece

    def __iter__(self):
        yield from self._before
        for piece in repeat(self._piece, 10_000):
            self.taken += 1
            yield piece


async def test_a_turn_without_end_is_ended_as_soon_as_it_is_too_much():
    opened = (responses.created(), responses.item_added("m1"), responses.part_added("m1"))
    pieces = Counted(*map(frame, opened), piece=frame(responses.text("m1", "x" * 1_000)))
    stack = FakeStack().on("POST", "/v1/responses", Answer(200, pieces, "text/event-stream"))
    limits = {"url": "http://stack.test", "turn_limit_bytes": 50_000}
    async with live_application(stack, upstream=limits) as app:
        _, told = await app.turn(shield_ids=[])

    names = [each["event"] for each in told]
    assert names == ["start", *["token"] * names.count("token"), "error"]
    assert told[-1]["data"]["code"] == "upstream_too_much"
    assert told[-1]["data"]["cause"] == "The limit is 50000 bytes."
    assert 40 < names.count("token") < 50
    assert pieces.taken < 100
