"""What is promised while Redis is slow, gone, full, or back without what it had."""

import time
from itertools import count

import anyio
import anyio.lowlevel
import pytest

from service.errors import LogUnavailable, TurnUnknown
from service.storage.redis.keys import Keys
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
    member,
    numbers,
    redis_log,
    take,
    take_all,
    terminal,
    token,
    tokens,
    until,
)
from tests.support.redis_server import running_redis

KEYS = Keys("turnstile")
SHORT_S = TIMEOUT_S / 2
LONG_S = 3 * LEASE_S

pytestmark = pytest.mark.slow


@pytest.fixture
def server():
    with running_redis() as server:
        yield server
        assert server._process is None or server.keys_without_expiry() == []


@pytest.fixture
async def owner(server):
    async with member(server) as owner:
        yield owner


@pytest.fixture
async def other(server):
    async with member(server) as other:
        yield other


def entries(server, request_id="turn"):
    said = server.ask("XRANGE", KEYS.log(request_id), "-", "+")
    return [int(name.removesuffix(b"-0")) for name, _ in said]


def robbed(log):
    return [each for each in log if each["event"] in {"turn.adopted", "turn.fenced"}]


async def comes_back(member: Member, after: int, request_id="turn"):
    """Return a reader, as a client that was sent away comes back; it is never told a lie."""
    with anyio.fail_after(WAIT_S):
        while True:
            try:
                return await member.log.reader(request_id, after)
            except LogUnavailable:
                await anyio.sleep(0.01)


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
    back = await comes_back(other, 1)
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


async def test_what_redis_has_lost_is_brought_back_whole(server, owner, other, log):
    await owner.drives(5)
    elsewhere = await other.log.reader("turn", 0)
    await take(elsewhere, 5)
    server.kill()
    owner.log.append("turn", tokens(6, 10))
    with pytest.raises(LogUnavailable):
        await take(elsewhere, 10)
    server.start()
    readers = [await comes_back(other, after) for after in (0, 3, 7, 10)]
    owner.log.append("turn", (terminal(11),))

    read = [numbers(await take_all(each)) for each in readers]
    assert read == [list(range(after + 1, 12)) for after in (0, 3, 7, 10)]
    assert entries(server) == list(range(1, 12))
    assert robbed(log) == []


async def test_a_long_turn_that_redis_has_lost_is_brought_back_whole(server, owner, other):
    await owner.drives(1_700)
    server.restart()
    owner.log.append("turn", (token(1_701),))
    reader = await comes_back(other, 0)

    assert numbers(await take(reader, 1_701)) == list(range(1, 1_702))


@pytest.mark.parametrize("said", [0, 3])
async def test_a_silent_turn_that_redis_has_lost_is_brought_back(server, owner, other, said):
    """Its upstream may think for minutes; nobody may be told meanwhile that there is no turn."""
    await owner.drives(said)
    server.restart()
    reader = await comes_back(other, 0)
    await until(lambda: server.ask("EXISTS", KEYS.turn("turn")))
    owner.log.append("turn", (terminal(said + 1),))

    assert numbers(await take_all(reader)) == list(range(1, said + 2))


async def test_a_turn_that_there_never_was_is_unknown_again_some_time_after_an_outage(
    server, other
):
    await until(lambda: other.log._lease._renewed_at)
    server.restart()
    await until(lambda: other.log._lease.unsure)
    with pytest.raises(LogUnavailable):
        await other.log.reader("nobody", 0)
    await until(lambda: not other.log._lease.unsure)

    with pytest.raises(TurnUnknown):
        await other.log.reader("nobody", 0)


async def test_what_redis_has_forgotten_of_a_turn_is_brought_there_again(server, owner, other, log):
    """As after a crash that has cost the last writes, or at a replica that was behind."""
    await owner.drives(5)
    server.ask("SAVE")
    owner.log.append("turn", tokens(6, 10))
    await owner.log.flush("turn")
    server.restart()
    restored = entries(server)
    owner.log.append("turn", (token(11),))
    reader = await comes_back(other, 8)

    assert numbers(await take(reader, 3)) == [9, 10, 11]
    assert restored[-1] in {5, 10}
    assert entries(server) == list(range(1, 12))
    assert robbed(log) == []


async def test_what_redis_has_forgotten_of_a_silent_turn_is_brought_there_again(
    server, owner, other
):
    await owner.drives(5)
    server.ask("SAVE")
    owner.log.append("turn", tokens(6, 10))
    await owner.log.flush("turn")
    server.restart()
    reader = await comes_back(other, 8)

    assert numbers(await take(reader, 2)) == [9, 10]


async def test_an_end_that_redis_has_forgotten_is_not_replaced(server, owner, other, log):
    """The turn was whole and stored: its owner, which has it still, says so once more."""
    await owner.drives(5)
    server.ask("SAVE")
    owner.log.append("turn", (token(6), terminal(7)))
    await owner.log.flush("turn")
    server.restart()
    reader = await comes_back(other, 6)

    assert await take_all(reader) == [terminal(7)]
    assert server.ask("HGETALL", KEYS.running) == []
    assert robbed(log) == []


async def test_a_copy_of_yesterday_robs_nobody_who_lives(server, owner, other, log):
    """The leases in it have long ended."""
    await owner.drives(1)
    server.ask("PEXPIRE", KEYS.lease(owner.name), 1)
    server.ask("SAVE")
    server.restart()
    await anyio.sleep(2 * LEASE_S)
    owner.log.append("turn", (token(2),))

    assert await owner.log.flush("turn")
    assert robbed(log) == []


async def test_a_heir_that_brings_a_turn_back_keeps_its_first_owner_out(server, owner, other):
    """A Redis that has lost everything has lost too who may speak."""
    control = await owner.drives(2)
    await owner.cable.pull()
    with anyio.fail_after(WAIT_S):
        await other.log.orphan()
    owner.log.append("turn", tokens(3, 9))
    server.restart()
    other.log.append("turn", (terminal(3),))
    await until(lambda: entries(server) == [1, 2, 3])
    owner.cable.plug()
    with anyio.fail_after(WAIT_S):
        await control.told.wait()

    assert control.lost
    assert entries(server) == [1, 2, 3]


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
    elsewhere = await comes_back(other, 5)
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
