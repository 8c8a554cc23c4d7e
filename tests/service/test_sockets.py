"""The same service over real connections: uvicorn in this process, and as a process of its own."""

import json
import signal
import socket

import anyio
import httpx
import pytest

from service.settings import Settings
from service.wiring import services_on
from tests.support.applications import QUERY, TURNS, events, names
from tests.support.server import served, served_here
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


def services(*scripts, **settings):
    return services_on(ScriptedUpstream(*scripts), Settings(**settings))


async def test_the_first_frame_arrives_before_the_second_chunk():
    second = anyio.Event()
    script = Script((opening_chunk(), second, says("Hi"), *closing("Hi")))
    async with (
        served_here(services(script)) as url,
        httpx.AsyncClient(base_url=url) as client,
        client.stream("POST", TURNS, json=QUERY) as response,
    ):
        parts = response.aiter_raw()
        first = await anext(parts)
        second.set()
        rest = b"".join([part async for part in parts])

    assert first.startswith(b'retry: 1000\nid: 1\ndata: {"event":"start"')
    assert names(first) == ["start"]
    assert names(rest) == ["token", "turn_complete", "end"]


async def test_the_headers_come_as_the_application_set_them():
    async with (
        served_here(services(Script(answer("Hi")))) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        response = await client.post(TURNS, json=QUERY)

    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "server" not in response.headers


async def test_a_turn_survives_its_connection_and_is_complete_on_resume():
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hel"), go_on, says("lo"), *closing("Hello")))
    async with served_here(services(script)) as url, httpx.AsyncClient(base_url=url) as client:
        async with client.stream("POST", TURNS, json=QUERY) as response:
            await anext(response.aiter_raw())
        go_on.set()
        resumed = await client.get(response.headers["content-location"])

    assert names(resumed.content) == ["start", "token", "token", "turn_complete", "end"]


async def test_two_connections_get_the_same_bytes():
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hel"), go_on, says("lo"), *closing("Hello")))
    async with (
        served_here(services(script)) as url,
        httpx.AsyncClient(base_url=url) as client,
        client.stream("POST", TURNS, json=QUERY) as one,
    ):
        location = one.headers["content-location"]
        async with client.stream("GET", location, headers={"Last-Event-ID": "0"}) as two:
            go_on.set()
            bodies = [await one.aread(), await two.aread()]

    assert bodies[0] == bodies[1]
    assert names(bodies[0])[-1] == "end"


async def test_a_reader_hears_that_the_server_stops():
    running = services(Script((opening_chunk(), NEVER)))
    async with (
        served_here(running) as url,
        httpx.AsyncClient(base_url=url) as client,
        client.stream("POST", TURNS, json=QUERY) as response,
    ):
        parts = response.aiter_raw()
        await anext(parts)
        running.live.stop_all()
        last = events(b"".join([part async for part in parts]))[-1]

    assert (last["event"], last["data"]["by"]) == ("interrupted", "drain")


async def test_a_body_beyond_the_limit_is_refused_over_a_connection():
    async with (
        served_here(services(Script(answer("Hi")), body_limit_bytes=100)) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        response = await client.post(TURNS, content=b"x" * 101)

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


async def test_a_head_is_answered_at_once():
    script = Script((opening_chunk(), NEVER))
    async with (
        served_here(services(script)) as url,
        httpx.AsyncClient(base_url=url) as client,
        client.stream("POST", TURNS, json=QUERY) as response,
    ):
        head = await client.head(response.headers["content-location"])

    assert head.status_code == 200
    assert head.content == b""


async def test_a_head_sends_no_body_and_leaves_the_connection_to_the_next_request():
    async with (
        served_here(services(Script((opening_chunk(), NEVER)))) as url,
        httpx.AsyncClient(base_url=url) as client,
        client.stream("POST", TURNS, json=QUERY) as response,
    ):
        port, location = int(url.rpartition(":")[2]), response.headers["content-location"]
        async with await anyio.connect_tcp("127.0.0.1", port) as wire:
            await wire.send(f"HEAD {location} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = await wire.receive()
            await wire.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            alive = await wire.receive()

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"\r\n\r\n") == 1
    assert b"transfer-encoding" not in head
    assert alive.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_the_server_says_where_it_is(capsys):
    async with (
        served_here(services(Script(answer("Hi")))) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        await client.get("/livez")

    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"Turnstile is at {url}/"
    assert said[-1].startswith("Try: curl -N ")
    assert said[-1].endswith(f"{url}{TURNS}")


def test_a_process_serves_a_recorded_session():
    with served("--speed", "0") as server, httpx.Client(base_url=server.url) as client:
        info = client.get("/v1/info").json()
        response = client.post(TURNS, json={"query": info["upstream"]["default_session"]})

    assert info["upstream"]["recorded"] is True
    assert len(info["sessions"]) == 23
    assert names(response.content)[0] == "start"
    assert names(response.content)[-1] == "end"
    assert response.headers["x-turnstile-recording"] == "What%20is%20a%20pod%20in%20Kubernetes%3F"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_process_that_is_told_to_stop_tells_its_readers_and_ends(stop):
    """At this pace the recording would take hours."""
    with served("--speed", "0.001", commit_wait_s="0.01", drain_timeout_s="0.2") as server:
        with httpx.stream("POST", f"{server.url}{TURNS}", json=QUERY) as response:
            parts = response.iter_raw()
            body = next(parts)
            server.signal(stop)
            body += b"".join(parts)
        ended = server.wait()

    assert names(body)[-1] == "interrupted"
    assert events(body)[-1]["data"]["by"] == "drain"
    assert ended == 0
    assert "Traceback" not in server.log


def test_a_process_that_is_told_to_stop_does_not_wait_for_a_client_that_is_stuck():
    """It sends half a request and then nothing."""
    with served() as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as stuck:
            stuck.sendall(b"POST /v1/streaming_query HTTP/1.1\r\nContent-Length: 9\r\n\r\n{")
            httpx.get(f"{server.url}/livez")
            server.signal(signal.SIGTERM)

            assert server.wait() == 0
    assert "Traceback" not in server.log


def test_a_process_logs_json_lines_and_nothing_that_was_said():
    with served("--speed", "0") as server:
        body = httpx.post(f"{server.url}{TURNS}", json={"query": "secret pod"}).content
        server.signal(signal.SIGTERM)
        server.wait()

    lines = [json.loads(line) for line in server.log.splitlines()]
    answer = events(body)[-2]["data"]["token"]
    told = ["service.started", "turn.ended", "service.draining", "service.stopped"]
    assert [each["event"] for each in lines] == told
    assert "secret" not in server.log
    assert answer[:20] not in server.log
    assert all(each["level"] == "info" and each["timestamp"].endswith("Z") for each in lines)
