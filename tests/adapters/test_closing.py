"""Streams over a real socket: how they are opened and left; the server sees all of it."""

import asyncio
import time

import anyio
import pytest

from service.errors import UpstreamError
from service.settings.groups import UpstreamSettings
from service.upstream.connection import Connection
from tests.support.peers import STREAM_HEAD, EventServer, answering, served_by
from tests.support.plans import every

pytestmark = pytest.mark.slow

FRAME = b'data: {"n": 1}\n\n'


async def opened(url, read, **settings):
    """Open one stream and let the test read it."""
    connection = Connection(UpstreamSettings.model_validate({"url": url} | settings))
    async with connection.running(), connection.stream("/v1/responses", {}) as batches:
        await read(batches)


async def one(batches):
    assert (await anext(batches))[0] == b'{"n": 1}'


async def forever(batches):
    await one(batches)
    await anyio.sleep_forever()


async def leave(url):
    """Leave a stream after its first payload, and return how long that took, and who runs on."""
    connection = Connection(UpstreamSettings(url=url))
    async with connection.running():
        before = asyncio.all_tasks()
        async with connection.stream("/v1/responses", {}) as batches:
            await one(batches)
            began = time.monotonic()
        took = time.monotonic() - began
        begun = asyncio.all_tasks() - before
        return took, [each for each in begun if "peers" not in each.get_name()]


async def test_who_leaves_early_closes_the_connection():
    server = EventServer(FRAME)
    async with served_by(server) as url:
        _, running = await leave(url)
        with anyio.fail_after(1):
            await server.left.wait()

    assert running == []


@pytest.mark.parametrize(
    "server", [EventServer(FRAME), EventServer(head=b"")], ids=["body", "headers"]
)
async def test_who_is_cancelled_closes_the_connection(server):
    async with served_by(server) as url, anyio.create_task_group() as tasks:
        tasks.start_soon(opened, url, forever)
        await server.sent.wait()
        tasks.cancel_scope.cancel()
        with anyio.fail_after(1, shield=True):
            await server.left.wait()


async def test_a_failure_of_the_reader_closes_the_connection():
    async def fail(batches):
        raise ZeroDivisionError

    server = EventServer(FRAME)
    async with served_by(server) as url:
        with pytest.raises(ZeroDivisionError):
            await opened(url, fail)
        with anyio.fail_after(1):
            await server.left.wait()


async def test_a_server_that_never_stops_sending_is_left_at_once():
    left = anyio.Event()

    async def flood(peer):
        await peer.request()
        await peer.send(STREAM_HEAD)
        try:
            while True:
                await peer.part(FRAME * 1_000)
        finally:
            left.set()

    async with served_by(flood) as url:
        took, _ = await leave(url)
        with anyio.fail_after(1):
            await left.wait()

    assert took < 1


async def test_a_peer_that_never_closes_its_side_is_not_waited_for():
    over = anyio.Event()

    async def stay(peer):
        await peer.request()
        await peer.send(STREAM_HEAD)
        await peer.part(FRAME)
        await over.wait()

    async with served_by(stay) as url:
        took, _ = await leave(url)
        over.set()

    assert took < 1


async def test_a_body_that_was_read_to_its_end_leaves_its_connection_for_the_next():
    server = EventServer(FRAME, ends=True)
    async with served_by(server) as url:
        connection = Connection(UpstreamSettings(url=url))
        async with connection.running():
            for _ in range(3):
                async with connection.stream("/v1/responses", {}) as batches:
                    await one(batches)

    assert server.connections == 1


async def test_a_connection_that_is_lost_before_the_headers_was_reset():
    async def hang_up(peer):
        await peer.request()

    async with served_by(hang_up) as url:
        with pytest.raises(UpstreamError) as failed:
            await opened(url, every)

    assert (failed.value.code, failed.value.status_code) == ("upstream_reset", 502)


async def test_nobody_listens():
    async with served_by(EventServer()) as url:
        pass
    with pytest.raises(UpstreamError) as failed:
        await opened(url, every)

    assert (failed.value.code, failed.value.status_code) == ("upstream_unreachable", 503)


async def test_all_connections_are_in_use():
    server = EventServer(FRAME)
    async with served_by(server) as url:
        settings = UpstreamSettings(url=url, connections_limit=1, connect_timeout_s=0.5)
        connection = Connection(settings)
        async with connection.running(), connection.stream("/v1/responses", {}):
            with pytest.raises(UpstreamError) as failed:
                async with connection.stream("/v1/responses", {}):
                    pass

    assert (failed.value.code, failed.value.status_code) == ("upstream_busy", 503)


async def test_silence_before_an_answer_has_a_limit():
    async with served_by(EventServer(head=b"")) as url:
        connection = Connection(UpstreamSettings(url=url, request_timeout_s=0.1))
        async with connection.running():
            with pytest.raises(UpstreamError) as failed:
                await connection.post("/v1/anything", {})

    assert (failed.value.code, failed.value.status_code) == ("upstream_timeout", 504)


async def test_an_endless_answer_has_a_limit():
    """The time of a request is for all of it, not for each read."""

    async def drip(peer):
        await peer.request()
        await peer.send(STREAM_HEAD)
        while True:
            await peer.part(b" ")
            await anyio.sleep(0.01)

    async with served_by(drip) as url:
        connection = Connection(UpstreamSettings(url=url, request_timeout_s=0.2))
        async with connection.running():
            with pytest.raises(UpstreamError) as failed:
                await connection.post("/v1/anything", {})

    assert failed.value.code == "upstream_timeout"


async def test_a_server_that_closes_an_idle_connection_is_not_a_failure():
    """Some servers close after an error without saying so."""

    async def answer_once(peer):
        await peer.request()
        await peer.send(answering(b'{"a": 1}'))

    async with served_by(answer_once) as url:
        connection = Connection(UpstreamSettings(url=url, retries_limit=1))
        async with connection.running():
            answers = [await connection.get("/v1/models") for _ in range(3)]

    assert answers == [{"a": 1}] * 3
