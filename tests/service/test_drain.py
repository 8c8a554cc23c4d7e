"""A process that is told to stop: nothing is cut that can end by itself in time."""

import json
import signal
import time
from contextlib import asynccontextmanager, contextmanager

import anyio
import httpx
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from service.turns.drain import drain, stop
from tests.support.applications import QUERY, TURNS, application, events, names
from tests.support.server import served
from tests.support.upstreams import NEVER, Script, answer, closing, opening_chunk, says

pytestmark = pytest.mark.slow

ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
A_MOMENT_S = 2.0
SENT_AWAY = b": draining\nretry: "


@asynccontextmanager
async def draining(app):
    """Tell an application to stop, and wait on leaving until it has done what it can."""
    over = anyio.Event()

    async def run():
        await drain(app.services)
        over.set()

    with anyio.fail_after(A_MOMENT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            while app.services.live.accepting:
                await checkpoint()
            yield over


def after_events(body):
    """Return what follows the last event."""
    return body.rpartition(b"\n\n")[2]


async def test_without_turns_and_readers_there_is_nothing_to_wait_for(log):
    async with application(ENDLESS) as app, draining(app):
        pass

    (line,) = [each for each in log if each["event"] == "service.draining"]
    assert (line["turns"], line["readers"]) == (0, 0)


async def test_while_a_turn_runs_no_other_is_taken_and_that_can_be_seen(log):
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hi"), go_on, *closing("Hi")))
    async with application(script) as app, app.turn() as turn:
        await turn.part()
        async with draining(app):
            post, body = await app.ask("POST", TURNS, QUERY)
            ready, _ = await app.ask("GET", "/readyz")
            alive, _ = await app.ask("GET", "/livez")
            go_on.set()

    assert (post.status, post.headers["retry-after"]) == (503, "1")
    assert json.loads(body)["code"] == "stopping"
    assert (ready.status, alive.status) == (503, 200)
    (line,) = [each for each in log if each["event"] == "service.draining"]
    assert (line["turns"], line["readers"]) == (1, 1)


async def test_a_turn_that_ends_in_time_ends_in_order():
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hi"), go_on, *closing("Hi")))
    async with application(script) as app, app.turn() as turn:
        await turn.part()
        async with draining(app):
            go_on.set()

        assert names(await turn.body())[-1] == "end"


async def test_readers_are_waited_for_when_all_turns_have_ended():
    async with application(Script(answer("Hel", "lo"))) as app:
        turn = await app.ended()
        async with app.resume(turn, window=0) as slow:
            await slow.begun()
            async with draining(app) as over:
                await wait_all_tasks_blocked()
                assert not over.is_set()
                body = await slow.body()

    assert names(body)[-1] == "end"


async def test_a_turn_that_does_not_end_in_time_is_stopped_and_its_readers_are_told():
    async with application(ENDLESS, drain_timeout_s=0.01) as app, app.turn() as turn:
        await turn.part()
        async with draining(app):
            pass
        await stop(app.services, A_MOMENT_S)
        last = events(await turn.body())[-1]

        assert app.services.readers.open == 0
    assert (last["event"], last["data"]["by"]) == ("interrupted", "drain")


async def test_who_can_be_served_by_nobody_else_stays():
    settings = {"drain_timeout_s": 0.1, "drain_spread_s": 0.01}
    async with application(ENDLESS, **settings) as app, app.turn() as turn:
        await turn.part()
        async with draining(app), app.resume(turn) as again:
            assert names(await again.part()) == ["start", "token"]
        await stop(app.services, A_MOMENT_S)

        assert names(await turn.body())[-1] == "interrupted"


async def test_who_can_be_served_elsewhere_is_sent_there(redis_server):
    shared = {"url": redis_server.url}
    async with (
        application(ENDLESS, redis=shared, drain_spread_s=0.05, retry_ms=10) as app,
        app.turn() as turn,
    ):
        await turn.part()
        async with draining(app):
            async with app.resume(turn) as again:
                refused = await again.body()
            body = await turn.body()
            still_runs = len(app.services.live.turns)
            await app.interrupt(turn)

    assert again.status == 200
    assert refused.startswith(SENT_AWAY)
    assert after_events(body).startswith(SENT_AWAY)
    assert 10 <= int(after_events(body).split()[-1]) <= 20
    assert still_runs == 1


async def test_readers_are_sent_away_each_at_its_own_moment(redis_server):
    shared, left_at = {"url": redis_server.url}, []

    async def follow(app, turn):
        async with app.resume(turn) as reader:
            assert after_events(await reader.body()).startswith(SENT_AWAY)
        left_at.append(anyio.current_time())

    async with application(ENDLESS, redis=shared, drain_spread_s=0.3) as app, app.turn() as turn:
        await turn.part()
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(follow, app, turn)
            while app.services.readers.open < 6:
                await checkpoint()
            async with draining(app):
                await turn.body()
                while app.services.readers.open:
                    await checkpoint()
                await app.interrupt(turn)

    assert max(left_at) - min(left_at) > 0.01


async def test_text_stays_to_the_end(redis_server):
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hel"), go_on, says("lo"), *closing("Hello")))
    shared = {"url": redis_server.url}
    async with (
        application(script, redis=shared, drain_spread_s=0.01) as app,
        app.turn(media_type="text/plain") as turn,
        app.turn() as beside,
    ):
        body = await turn.part()
        async with draining(app):
            await beside.body()
            go_on.set()
            body += await turn.body()

    assert body == b"Hello"


async def test_a_stream_that_begins_while_the_process_stops_is_sent_away_too(redis_server):
    go_on = anyio.Event()
    script = Script((go_on, opening_chunk(), NEVER))
    shared = {"url": redis_server.url}
    async with application(script, redis=shared, drain_spread_s=0.01) as app, app.turn() as turn:
        while not app.services.live.turns:
            await checkpoint()
        async with draining(app):
            go_on.set()
            body = await turn.body()
            await app.interrupt(turn)

    # Redis may take longer to have the first event than the reader stays.
    assert names(body[: -len(after_events(body))]) in ([], ["start"])
    assert after_events(body).startswith(SENT_AWAY)


PLAYED = {"query": "What is a pod in Kubernetes?"}
"""At five times its pace the answer takes a second and a half."""


@contextmanager
def reading(server, location=None):
    """Read a turn of a process; without a place a new one."""
    method, path = ("POST", TURNS) if location is None else ("GET", location)
    question = PLAYED if location is None else None
    with httpx.stream(method, f"{server.url}{path}", json=question, timeout=30) as response:
        response.raise_for_status()
        yield response, response.iter_raw()


@pytest.mark.parametrize("stopped", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_process_that_has_nothing_to_do_ends_at_once(stopped):
    with served() as server:
        httpx.get(f"{server.url}/livez")
        told_at = time.monotonic()
        server.signal(stopped)
        status = server.wait()

    assert status == 0
    assert time.monotonic() - told_at < A_MOMENT_S


def test_a_process_that_is_told_to_stop_goes_on_until_its_turn_has_ended():
    with served("--speed", "2", commit_wait_s="0.01") as server:
        with reading(server) as (_, parts):
            body = next(parts)
            server.signal(signal.SIGTERM)
            while httpx.get(f"{server.url}/readyz").status_code == 200:
                pass
            refused = httpx.post(f"{server.url}{TURNS}", json=QUERY)
            alive = httpx.get(f"{server.url}/livez")
            body += b"".join(parts)
            ended_at = time.monotonic()
        status = server.wait()

    assert (refused.status_code, refused.json()["code"]) == (503, "stopping")
    assert alive.status_code == 200
    assert names(body)[-1] == "end"
    assert status == 0
    assert time.monotonic() - ended_at < A_MOMENT_S


def test_a_second_signal_ends_a_process_at_once_and_its_streams_in_order():
    """At this pace the turn would take hours."""
    with served("--speed", "0.001", commit_wait_s="0.01", drain_timeout_s="600") as server:
        with reading(server) as (_, parts):
            body = next(parts)
            server.signal(signal.SIGTERM)
            while httpx.get(f"{server.url}/readyz").status_code == 200:
                pass
            told_at = time.monotonic()
            server.signal(signal.SIGTERM)
            body += b"".join(parts)
        status = server.wait()

    assert time.monotonic() - told_at < 2 * A_MOMENT_S
    assert names(body)[-1] == "interrupted"
    assert events(body)[-1]["data"]["by"] == "drain"
    assert status == 0
    assert "Traceback" not in server.log


def test_a_reader_of_a_process_that_stops_loses_nothing_on_another(redis_server):
    shared = {"redis_url": redis_server.url, "commit_wait_s": "0.01", "drain_spread_s": "0.1"}
    with served("--speed", "5", **shared) as one, served("--speed", "5", **shared) as other:
        with reading(one) as (response, parts):
            body = next(parts)
            one.signal(signal.SIGTERM)
            body += b"".join(parts)
        location = response.headers["content-location"]
        events_so_far = body[: -len(after_events(body))]
        last_id = events(events_so_far)[-1]["data"]["id"]
        with reading(other, f"{location}?last_event_id={last_id}") as (_, parts):
            rest = b"".join(parts)
        whole = httpx.get(f"{other.url}{location}").content
        status = one.wait()

    assert after_events(body).startswith(SENT_AWAY)
    assert events(events_so_far + rest) == events(whole)
    assert names(whole)[-1] == "end"
    assert status == 0
