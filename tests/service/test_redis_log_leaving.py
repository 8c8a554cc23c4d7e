"""How a process leaves: what it has said last is in Redis, and nothing is owned any more."""

import time

import anyio
import anyio.lowlevel
import pytest

from tests.support.logs import (
    ESTATE,
    KEYS,
    LEASE_S,
    OTHER,
    TIMEOUT_S,
    TURN,
    WAIT_S,
    Control,
    entries,
    member,
    redis_log,
    take,
    terminal,
    token,
    tokens,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def server(mortal_redis):
    yield mortal_redis
    assert mortal_redis._process is None or mortal_redis.keys_without_expiry() == []


async def test_what_is_said_last_is_written_before_a_process_leaves(server):
    async with member(server) as owner:
        await owner.drives(1)
        owner.log.append("turn", (*tokens(2, 2_000), terminal(2_001)))

    assert entries(server) == list(range(1, 2_002))
    assert server.keys() == [KEYS.log("turn"), KEYS.turn("turn")]


async def test_a_redis_that_is_slow_in_the_end_is_waited_for(server):
    async with anyio.create_task_group() as tasks, member(server, lease_s=WAIT_S) as owner:
        await owner.drives(1)
        reader = await owner.log.reader("turn", 1)
        server.pause()
        owner.log.append("turn", (token(2), terminal(3)))
        await take(reader, 2)
        tasks.start_soon(resume_after, server, 2 * TIMEOUT_S)

    assert entries(server) == [1, 2, 3]
    assert server.keys() == [KEYS.log("turn"), KEYS.turn("turn")]


async def resume_after(server, wait_s):
    await anyio.sleep(wait_s)
    server.resume()


async def test_a_redis_that_is_gone_in_the_end_is_waited_for_only_so_long(server):
    async with member(server) as owner:
        await owner.drives(1)
        server.kill()
        owner.log.append("turn", (terminal(2),))
        began = time.monotonic()

    assert time.monotonic() - began < LEASE_S + 2 * TIMEOUT_S


async def test_a_turn_that_nobody_has_ended_keeps_nobody_from_leaving(server):
    async with member(server) as owner:
        await owner.drives(1)
        await owner.log.open(OTHER, ESTATE, Control())
        began = time.monotonic()

    assert time.monotonic() - began < LEASE_S
    assert not server.ask("EXISTS", KEYS.lease(owner.name))


async def test_who_has_to_stop_at_once_still_leaves_in_order(server):
    log, process = redis_log(server.port)
    with anyio.CancelScope() as scope:
        async with log.running():
            await log.open(TURN, ESTATE, Control())
            log.append("turn", (token(1), terminal(2)))
            scope.cancel()
            await anyio.sleep(WAIT_S)

    assert entries(server) == [1, 2]
    assert not server.ask("EXISTS", KEYS.lease(process.name))
    assert server.clients() == 0
