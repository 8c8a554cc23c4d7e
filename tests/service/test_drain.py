"""A process that is told to stop: nothing is cut that can end by itself in time."""

import json
import signal
import time

import anyio
import httpx
import pytest
from anyio import wait_all_tasks_blocked

from service.turns.drain import drain, stop
from tests.support.applications import QUERY, TURNS, application, events, names
from tests.support.server import served
from tests.support.upstreams import NEVER, Script, answer, closing, opening_chunk, says

ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
HOURS = ("--speed", "0.001")
"""How long a recording takes at this pace."""

A_MOMENT_S = 2.0


def told(log):
    """Return what was logged of the end."""
    return [each for each in log if each["event"] == "service.draining"]


def drains(app):
    """Begin to drain as a server does."""
    return drain(app.services)


async def test_without_turns_and_readers_there_is_nothing_to_wait_for(log):
    async with application(ENDLESS) as app:
        with anyio.fail_after(A_MOMENT_S):
            await drain(app.services)

    assert [(each["turns"], each["readers"]) for each in told(log)] == [(0, 0)]


async def test_while_a_turn_runs_no_other_is_taken_and_that_can_be_seen():
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hi"), go_on, *closing("Hi")))
    async with application(script) as app, app.turn() as turn, anyio.create_task_group() as tasks:
        await turn.part()
        tasks.start_soon(drain, app.services)
        await wait_all_tasks_blocked()
        post, body = await app.ask("POST", TURNS, QUERY)
        ready, _ = await app.ask("GET", "/readyz")
        alive, _ = await app.ask("GET", "/livez")
        go_on.set()

    assert (post.status, post.headers["retry-after"], json.loads(body)["code"]) == (
        503,
        "1",
        "stopping",
    )
    assert (ready.status, alive.status) == (503, 200)


async def test_a_turn_that_ends_in_time_ends_in_order():
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hi"), go_on, *closing("Hi")))
    async with application(script) as app, app.turn() as turn, anyio.create_task_group() as tasks:
        await turn.part()
        tasks.start_soon(drain, app.services)
        await wait_all_tasks_blocked()
        go_on.set()

        assert names(await turn.body())[-1] == "end"


async def test_readers_are_waited_for_as_well():
    async with application(Script(answer("Hel", "lo"))) as app:
        turn = await app.ended()
        async with app.resume(turn, window=0) as slow, anyio.create_task_group() as tasks:
            await slow.begun()
            tasks.start_soon(drain, app.services)
            await wait_all_tasks_blocked()
            still = len(tasks._tasks)
            assert names(await slow.body())[-1] == "end"

    assert still == 1


async def test_a_turn_that_does_not_end_in_time_is_stopped_and_its_readers_are_told():
    async with application(ENDLESS, drain_timeout_s=0.01) as app, app.turn() as turn:
        await turn.part()
        with anyio.fail_after(A_MOMENT_S):
            await drain(app.services)
            await stop(app.services, A_MOMENT_S)
        last = events(await turn.body())[-1]

        assert app.services.live.turns == ()
    assert (last["event"], last["data"]["by"]) == ("interrupted", "drain")


async def test_readers_stay_when_nobody_else_can_serve_them():
    async with (
        application(ENDLESS, drain_timeout_s=0.1, drain_spread_s=0.01, heartbeat_s=0.05) as app,
        app.turn() as turn,
    ):
        await turn.part()
        await drain(app.services)
        async with app.resume(turn) as again:
            assert names(await again.part()) == ["start", "token"]
        await stop(app.services, A_MOMENT_S)

        assert names((await turn.body()).removeprefix(b":\n"))[-1] == "interrupted"


async def test_readers_go_to_another_process_each_at_its_own_moment(redis_server):
    shared = {"url": redis_server.url}
    async with application(ENDLESS, redis=shared, drain_spread_s=0.3) as app, app.turn() as turn:
        await turn.part()
        left_at = []

        async def follow():
            async with app.resume(turn) as reader:
                body = await reader.body()
            left_at.append(anyio.current_time())
            assert body.rpartition(b"\n\n")[2].startswith(b": draining\nretry: ")

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(follow)
            while app.services.readers.open < 6:
                await anyio.sleep(0)
            tasks.start_soon(drain, app.services)
            assert (await turn.body()).rpartition(b"\n\n")[2].startswith(b": draining\nretry: ")
            await app.interrupt(turn)

    assert max(left_at) - min(left_at) > 0.01
