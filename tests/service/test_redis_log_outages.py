"""What is promised while Redis is slow, gone or full."""

import asyncio
import time
from itertools import count

import anyio
import anyio.lowlevel
import pytest

from service.errors import LogUnavailable, TurnUnknown
from tests.support.logs import (
    ESTATE,
    LEASE_S,
    OTHER,
    PATIENCE_S,
    TIMEOUT_S,
    TURN,
    WAIT_S,
    Control,
    Member,
    comes_back,
    entries,
    member,
    numbers,
    take,
    take_all,
    terminal,
    token,
    tokens,
    until,
)

SHORT_S = TIMEOUT_S / 2
LONG_S = 3 * LEASE_S

pytestmark = pytest.mark.slow


@pytest.fixture
def server(mortal_redis):
    yield mortal_redis
    assert mortal_redis._process is None or mortal_redis.keys_without_expiry() == []


@pytest.fixture
async def owner(server):
    async with member(server) as owner:
        yield owner


@pytest.fixture
async def other(server):
    async with member(server) as other:
        yield other


def robbed(log):
    return [each for each in log if each["event"] in {"turn.adopted", "turn.fenced"}]


async def talks(member: Member, first: int):
    """Say something all the time: there is always something under way."""
    for number in count(first):
        member.log.append("turn", (token(number),))
        await anyio.lowlevel.checkpoint()


async def test_readers_at_the_owner_wait_for_a_slow_redis_only_so_long(server, owner):
    await owner.drives(1)
    reader = await owner.log.reader("turn", 1)
    with server.paused():
        owner.log.append("turn", (token(2),))
        began = time.monotonic()
        first = await take(reader, 1)
        first_s = time.monotonic() - began
        owner.log.append("turn", (token(3),))
        began = time.monotonic()
        second = await take(reader, 1)
        second_s = time.monotonic() - began

    assert (numbers(first), numbers(second)) == ([2], [3])
    assert PATIENCE_S * 0.9 < first_s < PATIENCE_S + 0.2
    assert second_s < PATIENCE_S / 2


async def test_a_pause_that_nobody_notices_sends_nobody_away(server, owner, other, log):
    await owner.drives(1)
    elsewhere = await other.log.reader("turn", 0)
    with server.paused():
        owner.log.append("turn", tokens(2, 10))
        await anyio.sleep(SHORT_S)
    owner.log.append("turn", (terminal(11),))

    assert numbers(await take_all(elsewhere)) == list(range(1, 12))
    assert robbed(log) == []


async def test_a_long_pause_sends_away_who_reads_elsewhere_and_robs_nobody(
    server, owner, other, log
):
    await owner.drives(1, TURN)
    await other.drives(1, OTHER)
    here, elsewhere = await owner.log.reader("turn", 0), await other.log.reader("turn", 0)
    with server.paused():
        owner.log.append("turn", tokens(2, 10))
        read = await take(here, 10)
        with pytest.raises(LogUnavailable):
            await take_all(elsewhere)
        await anyio.sleep(LONG_S)
        owner.log.append("turn", tokens(11, 20))
        read += await take(here, 10)
    back = await comes_back(other.log, 1)
    await anyio.sleep(2 * LEASE_S)
    owner.log.append("turn", (terminal(21),))

    assert numbers(read) == list(range(1, 21))
    assert numbers(await take_all(back)) == list(range(2, 22))
    assert entries(server) == list(range(1, 22))
    assert await other.log.flush("other")
    assert robbed(log) == []


async def test_readers_wait_for_redis_again_when_it_is_quick_again(server, owner):
    """Even when the turns never pause: else a crash would cost what readers have seen."""
    await owner.drives(1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(talks, owner, 2)
        with server.paused():
            await until(lambda: owner.log._writer.detached)
        await until(lambda: not owner.log._writer.detached)
        tasks.cancel_scope.cancel()


async def test_a_redis_that_is_always_slow_costs_patience_once(server, owner, log):
    await owner.drives(1)
    reader = await owner.log.reader("turn", 1)
    with owner.cable.held():
        owner.log.append("turn", (token(2),))
        await take(reader, 1)
    for number in range(3, 6):
        with owner.cable.held(at=b"EVALSHA") as caught:
            owner.log.append("turn", (token(number),))
            await caught.wait()
            assert numbers((await reader.read(WAIT_S)).emissions) == [number]
            await anyio.sleep(1.5 * PATIENCE_S)

    assert [each["event"] for each in log] == ["log.detached"]


async def test_a_redis_without_memory_costs_only_who_reads_elsewhere(server, owner, other, log):
    await owner.drives(5)
    here = await owner.log.reader("turn", 5)
    server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1")
    owner.log.append("turn", tokens(6, 10))
    read = await take(here, 5)
    with pytest.raises(LogUnavailable):
        await other.log.open(OTHER, ESTATE, Control())
    await anyio.sleep(2 * LEASE_S)
    server.ask("CONFIG", "SET", "maxmemory", "0")
    elsewhere = await comes_back(other.log, 5)
    owner.log.append("turn", (terminal(11),))

    assert numbers(read) == list(range(6, 11))
    assert numbers(await take_all(elsewhere)) == list(range(6, 12))
    assert entries(server) == list(range(1, 12))
    assert robbed(log) == []


async def test_who_reads_a_turn_that_vanishes_is_sent_away(server, owner, other):
    await owner.drives(5)
    reader = await other.log.reader("turn", 0)
    await take(reader, 5)
    await owner.cable.pull()
    server.ask("FLUSHALL")
    began = time.monotonic()
    with pytest.raises(LogUnavailable):
        await take_all(reader)

    assert time.monotonic() - began < 2 * LEASE_S
    with pytest.raises(TurnUnknown):
        await other.log.reader("turn", 0)


async def test_a_process_that_stood_still_asks_redis_before_it_says_more(redis_server):
    """It may own nothing any more; only who waits in vain for Redis goes on without it."""
    async with member(redis_server) as owner:
        writer, now = owner.log._writer, asyncio.get_running_loop().time()
        writer._run_out(now - 3_600)
        after_standing_still = owner.log.attached
        writer._run_out(now)

        assert (after_standing_still, owner.log.attached) == (True, False)
