"""What goes over a connection, and what is kept of it: every byte as a server sees it."""

import gc
import gzip
import socket
from contextlib import ExitStack

import aiohttp
import anyio
import httpx
import pytest

from service.errors import UpstreamError
from service.settings.groups import UpstreamSettings
from service.upstream import transport
from service.upstream.connection import Connection
from tests.support.peers import END, STREAM_HEAD, EventServer, answering, served_by
from tests.support.plans import every

FRAME = b'data: {"n": 1}\n\n'


class Listener:
    """Answers every request, and keeps what it was asked; `more` are headers of its answers."""

    def __init__(self, *more):
        self.asked = []
        self.connections = 0
        self._answer = answering(b"{}").replace(b"\r\n", b"\r\n" + b"".join(more), 1)

    async def __call__(self, peer):
        self.connections += 1
        while True:
            self.asked.append(await peer.request())
            await peer.send(self._answer)


def connection_to(url, **settings):
    return Connection(UpstreamSettings.model_validate({"url": url, "retries_limit": 0} | settings))


async def asked_by(way, *more, before=lambda url: url, **settings):
    """Return what a server was sent."""
    listener = Listener(*more)
    async with served_by(listener) as url:
        connection = connection_to(before(url), **settings)
        async with connection.running():
            await way(connection)
    return listener


async def test_a_path_arrives_as_it_was_written():
    path = "/v1/tools/a%2Fb::c%20d?limit=1&q=%2B%C3%A9"
    server = await asked_by(lambda connection: connection.get(path))

    assert server.asked[0].startswith(f"GET {path} HTTP/1.1\r\n".encode())


async def test_a_large_body_arrives_whole():
    said = "x" * 3_000_000
    server = await asked_by(lambda connection: connection.post("/v1/anything", {"said": said}))

    assert server.asked[0].endswith(f'{{"said":"{said}"}}'.encode())
    assert server.asked[0].lower().count(b"content-length:") == 1
    assert b"expect:" not in server.asked[0].lower()


async def test_credentials_in_the_address_are_sent_as_a_header():
    def before(url):
        return url.replace("://", "://user:word@")

    server = await asked_by(lambda connection: connection.get("/v1/models"), before=before)

    assert b"authorization: basic dxnlcjp3b3jk\r\n" in server.asked[0].lower()


async def test_no_cookie_is_kept():
    async def twice(connection):
        for _ in range(2):
            await connection.get("/v1/models")

    server = await asked_by(twice, b"set-cookie: session=1; path=/\r\n")

    assert not any(b"cookie" in each.lower() for each in server.asked)


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://localhost:1")
    server = await asked_by(lambda connection: connection.get("/v1/models"))

    assert len(server.asked) == 1


async def test_an_answer_may_have_long_headers():
    server = await asked_by(
        lambda connection: connection.get("/v1/models"), b"x-long: " + b"x" * 20_000 + b"\r\n"
    )

    assert len(server.asked) == 1


async def test_but_not_without_end():
    with pytest.raises(UpstreamError) as failed:
        await asked_by(
            lambda connection: connection.get("/v1/models"), b"x: " + b"x" * 200_000 + b"\r\n"
        )

    assert (failed.value.code, failed.value.untaken) == ("upstream_reset", False)


async def test_a_redirect_is_not_followed():
    asked = []

    async def redirect(peer):
        asked.append(await peer.request())
        await peer.send(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n")

    async with served_by(redirect) as url:
        connection = connection_to(url)
        async with connection.running():
            with pytest.raises(UpstreamError) as failed:
                await connection.get("/v1/models")

    assert failed.value.code == "upstream_error"
    assert len(asked) == 1


def answers_held():
    return sum(isinstance(each, aiohttp.ClientResponse) for each in gc.get_objects())


@pytest.mark.slow
async def test_a_connection_that_lives_on_holds_no_answers():
    server = EventServer(FRAME, ends=True)
    async with served_by(server) as url:
        connection = connection_to(url)
        async with connection.running():
            for _ in range(3):
                async with connection.stream("/v1/responses", {}) as batches:
                    await every(batches)
            gc.collect()

            assert answers_held() == 0
            assert server.connections == 1


async def test_an_idle_connection_may_be_reset(caplog):
    read = anyio.Event()

    async def reset(peer):
        await peer.request()
        await peer.send(STREAM_HEAD)
        await peer.part(FRAME)
        await peer.send(END)
        await read.wait()
        peer.reset()
        await peer.wire.aclose()

    async with served_by(reset) as url:
        connection = connection_to(url)
        async with connection.running():
            for _ in range(2):
                async with connection.stream("/v1/responses", {}) as batches:
                    await every(batches)
                read.set()
                await asked_by(lambda other: other.get("/v1/models"))
            gc.collect()

    assert [each for each in caplog.records if each.name == "asyncio"] == []


async def test_a_connection_may_be_lost_before_anybody_looks_at_the_body():
    async def say_nonsense(peer):
        await peer.request()
        await peer.send(STREAM_HEAD)
        await peer.part(FRAME)
        await peer.send(b"no chunk at all\r\n")

    async with served_by(say_nonsense) as url, aiohttp.ClientSession() as session:
        answer = await session.get(url)
        await asked_by(lambda other: other.get("/v1/models"))

        body = aiter(transport._Body(answer))
        assert await anext(body) == FRAME
        with pytest.raises(httpx.ReadError):
            await anext(body)


@pytest.mark.parametrize(("keepalive_s", "connections"), [(3.0, 1), (0.0, 3)])
async def test_a_connection_that_was_idle_for_too_long_is_not_used_again(
    keepalive_s, connections, monkeypatch
):
    monkeypatch.setattr(transport, "_KEEPALIVE_S", keepalive_s)

    async def thrice(connection):
        for _ in range(3):
            await connection.get("/v1/models")

    assert (await asked_by(thrice)).connections == connections


async def test_what_makes_something_is_sent_once_over_a_connection_that_is_lost():
    asked = []

    async def answer_once(peer):
        asked.append(await peer.request())
        await peer.send(answering(b"{}"))
        asked.append(await peer.request())

    async with served_by(answer_once) as url:
        connection = connection_to(url)
        async with connection.running():
            await connection.get("/v1/models")
            with pytest.raises(UpstreamError) as failed:
                await connection.post("/v1/anything", {})

    assert failed.value.code == "upstream_reset"
    assert [each[:4] for each in asked] == [b"GET ", b"POST"]


@pytest.mark.parametrize(
    "said", [b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", b"\x15\x03\x01"]
)
async def test_an_answer_that_is_no_http_was_lost(said):
    async def answer(peer):
        await peer.request()
        await peer.send(said)

    async with served_by(answer) as url:
        connection = connection_to(url)
        async with connection.running():
            with pytest.raises(UpstreamError) as failed:
                await connection.get("/v1/models")

    assert (failed.value.code, failed.value.untaken) == ("upstream_reset", False)


async def test_a_server_that_does_not_answer_to_a_knock():
    with ExitStack() as sockets:
        full = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = sockets.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        connection = connection_to(url, connect_timeout_s=0.2)
        async with connection.running():
            with pytest.raises(UpstreamError) as failed:
                await connection.get("/v1/models")

    assert (failed.value.code, failed.value.untaken) == ("upstream_connect_timeout", True)


async def test_a_stream_may_be_packed():
    head = STREAM_HEAD.replace(b"\r\n", b"\r\ncontent-encoding: gzip\r\n", 1)
    packed = gzip.compress(FRAME * 3)
    server = EventServer(packed[:10], packed[10:], head=head, ends=True)
    async with served_by(server) as url:
        connection = connection_to(url)
        async with connection.running(), connection.stream("/v1/responses", {}) as batches:
            assert await every(batches) == [b'{"n": 1}'] * 3


async def test_a_status_without_a_meaning_of_its_own_may_come_first():
    async def answer(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\n")
        await peer.send(STREAM_HEAD)
        await peer.part(FRAME)
        await peer.send(END)

    async with served_by(answer) as url:
        connection = connection_to(url)
        async with connection.running(), connection.stream("/v1/responses", {}) as batches:
            assert await every(batches) == [b'{"n": 1}']


async def test_a_request_that_is_refused_before_it_was_read_has_its_status():
    body = {"said": "x" * 20_000_000}
    refusing = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"

    async def refuse(peer):
        await peer.wire.receive()
        await peer.send(refusing)
        await peer.until_left()

    async with served_by(refuse) as url:
        connection = connection_to(url)
        async with connection.running():
            with pytest.raises(UpstreamError) as failed, anyio.fail_after(5):
                await connection.post("/v1/anything", body)

    assert failed.value.code == "upstream_too_large"
