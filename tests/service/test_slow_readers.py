"""Readers that take nothing: they are cut off, and nobody else notices."""

import socket
from contextlib import contextmanager

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint

from service.routes.watch import EXTENSION
from service.settings import Settings
from service.wiring import services_on
from tests.support.applications import TURNS, application, names
from tests.support.asgi import PATIENCE_S, exchange
from tests.support.server import served_here
from tests.support.upstreams import (
    NEVER,
    Script,
    ScriptedUpstream,
    answer,
    closing,
    opening_chunk,
    says,
)

pytestmark = pytest.mark.slow

PIECES = [says("x" * 500_000)] * 8
"""More than a kernel keeps for a connection."""

FLOOD = Script((opening_chunk(), *PIECES, *closing("")))
PATIENT_S = 600


def cuts(log):
    """Return why readers were cut off."""
    return [each["reason"] for each in log if each["event"] == "reader.cut"]


async def until(true):
    """Wait until something outside of this task is so."""
    with anyio.fail_after(PATIENCE_S):
        while not true():
            await checkpoint()


@contextmanager
def never_reads(url, location, *headers):
    """Ask for a stream and take nothing of it."""
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect((host, int(port)))
        head = (f"GET {location} HTTP/1.1", f"Host: {host}", *headers, "", "")
        client.sendall("\r\n".join(head).encode())
        yield client


def rest_of(client):
    """Take what a connection still has, to its end."""
    taken = bytearray()
    while part := client.recv(1_000_000):
        taken += part
    return taken


def services(*scripts, **settings):
    return services_on(ScriptedUpstream(*scripts), Settings(**settings))


async def begun(client):
    """Start a turn, and return where it is once its first event was read."""
    async with client.stream("POST", TURNS, json={"query": "Hi"}) as response:
        await anext(response.aiter_raw())
    return response.headers["content-location"]


async def test_a_reader_that_takes_nothing_is_given_up_where_its_connection_is_not_known(log):
    streams = {"write_timeout_s": 0.05}
    async with application(Script(answer("Hel", "lo")), streams=streams) as app:
        turn = await app.ended()
        async with app.resume(turn, window=0) as stuck:
            await stuck.begun()
            await until(lambda: stuck.crash)

            assert app.services.readers.open == 0
    assert isinstance(stuck.crash, ConnectionAbortedError)
    assert cuts(log) == ["write_timeout"]


async def test_a_reader_that_does_not_even_take_the_headers_is_given_up(log):
    async with application(FLOOD, streams={"write_timeout_s": 0.05}) as app:
        turn = await app.ended()
        async with app.resume(turn, window=0) as stuck:
            await stuck.part()
            await until(lambda: stuck.crash)

    assert cuts(log) == ["write_timeout"]


@pytest.mark.parametrize(
    ("streams", "why"),
    [
        ({"write_timeout_s": 0.3}, "write_timeout"),
        ({"write_timeout_s": PATIENT_S, "waiting_limit_bytes": 300_000}, "waiting_limit"),
    ],
    ids=["time", "bytes"],
)
async def test_a_reader_that_takes_nothing_is_cut_off_and_nobody_else_notices(streams, why, log):
    flood, last = anyio.Event(), anyio.Event()
    script = Script((opening_chunk(), flood, *PIECES, last, *closing("")))
    running = services(script, streams=streams)
    async with served_here(running) as url, httpx.AsyncClient(base_url=url) as client:
        location = await begun(client)
        async with client.stream("GET", location) as quick:
            with never_reads(url, location) as stuck:
                await until(lambda: running.readers.open == 2)
                flood.set()
                parts = quick.aiter_raw()
                body = [await anext(parts)]
                while sum(map(len, body)) < 4_000_000:
                    body.append(await anext(parts))
                await until(lambda: running.readers.open == 1)
                (kept,) = running.log._turns.kept
                assert kept.readers == 1
                taken = await anyio.to_thread.run_sync(rest_of, stuck)
        last.set()
        resumed = await client.get(location, headers={"Last-Event-ID": "1"})

    assert cuts(log) == [why]
    assert names(b"".join(body)) == ["start", *["token"] * 8]
    assert 1_000_000 < len(taken) < 4_000_000
    assert names(resumed.content) == [*["token"] * 8, "turn_complete", "end"]


class Transport:
    """What a server says of a connection: something waits until it is taken or given up."""

    def __init__(self):
        self.waiting_bytes, self.aborted = 7, False

    def get_write_buffer_size(self):
        return self.waiting_bytes

    def abort(self):
        self.waiting_bytes, self.aborted = 0, True

    def of(self, app):
        """Return the application as a server with this connection runs it."""

        async def told(scope, receive, send):
            await app({**scope, "extensions": {EXTENSION: {"transport": self}}}, receive, send)

        return told


@pytest.mark.parametrize("taken", [False, True])
async def test_a_stream_is_open_until_its_end_is_taken(taken, log):
    """All was sent, and a server would wait for ever until it is taken."""
    transport = Transport()
    async with application(Script(answer("Hi")), streams={"write_timeout_s": 0.2}) as app:
        turn = await app.ended()
        target = turn.headers["content-location"]
        async with exchange(transport.of(app.app), "GET", target) as again:
            assert names(await again.part())[-1] == "end"
            assert app.services.readers.open == 1
            if taken:
                transport.waiting_bytes = 0
            assert await again.body() == b""
            assert app.services.readers.open == 0

    assert transport.aborted is not taken
    assert cuts(log) == ([] if taken else ["write_timeout"])


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
async def test_a_reader_that_does_not_take_the_last_event_is_cut_off_too(connection, log):
    running = services(FLOOD, streams={"write_timeout_s": 0.3})
    async with served_here(running) as url, httpx.AsyncClient(base_url=url) as client:
        whole = await client.post(TURNS, json={"query": "Hi"})
        location = whole.headers["content-location"]
        with never_reads(url, location, f"Connection: {connection}"):
            await until(lambda: cuts(log))
            await until(lambda: running.readers.open == 0)

    assert cuts(log) == ["write_timeout"]


async def test_a_long_past_is_no_reason_to_be_cut_off(log):
    """It waits too, but its reader takes it as fast as it can."""
    running = services(FLOOD, streams={"waiting_limit_bytes": 65_536, "write_timeout_s": 5})
    async with served_here(running) as url, httpx.AsyncClient(base_url=url) as client:
        whole = await client.post(TURNS, json={"query": "Hi"})
        async with client.stream("GET", whole.headers["content-location"]) as again:
            parts = []
            async for part in again.aiter_raw():
                parts.append(part)
                await anyio.sleep(0.001)

    assert cuts(log) == []
    assert b"".join(parts) == whole.content


async def test_only_what_comes_later_is_too_much_for_who_takes_nothing(log):
    """Who is cut off has waited for a shorter time."""
    flood = anyio.Event()
    lasting = Script((opening_chunk(), flood, *PIECES, *closing("")))
    async with application(FLOOD, lasting, streams={"waiting_limit_bytes": 300_000}) as app:
        ended = await app.ended()
        async with app.resume(ended, window=0) as patient, app.turn() as turn:
            await turn.part()
            async with app.resume(turn, window=0) as stuck:
                await stuck.part()
                flood.set()
                await until(lambda: stuck.crash)

                assert patient.crash is None
            body = await patient.body()

    assert cuts(log) == ["waiting_limit"]
    assert names(body)[-1] == "end"


async def test_a_reader_that_is_told_nothing_is_not_slow(log):
    script = Script((opening_chunk(), NEVER))
    streams = {"write_timeout_s": 0.01}
    async with application(script, streams=streams, heartbeat_s=0.05) as app, app.turn() as turn:
        parts = [await turn.part() for _ in range(3)]

    assert parts[1:] == [b":\n", b":\n"]
    assert cuts(log) == []
