"""What is promised when Redis is back without what it had, or with what it had before."""

import anyio
import anyio.lowlevel
import pytest

from service.domain import TurnIds
from service.errors import LogUnavailable, TurnUnknown
from tests.support.logs import (
    KEYS,
    LEASE_S,
    WAIT_S,
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


async def test_what_redis_has_lost_is_brought_back_whole(server, owner, other, log):
    await owner.drives(5)
    elsewhere = await other.log.reader("turn", 0)
    await take(elsewhere, 5)
    server.kill()
    owner.log.append("turn", tokens(6, 10))
    with pytest.raises(LogUnavailable):
        await take(elsewhere, 10)
    server.start()
    readers = [await comes_back(other.log, after) for after in (0, 3, 7, 10)]
    owner.log.append("turn", (terminal(11),))

    read = [numbers(await take_all(each)) for each in readers]
    assert read == [list(range(after + 1, 12)) for after in (0, 3, 7, 10)]
    assert entries(server) == list(range(1, 12))
    assert robbed(log) == []


async def test_a_long_turn_that_redis_has_lost_is_brought_back_whole(server, owner, other):
    await owner.drives(1_700)
    server.restart()
    owner.log.append("turn", (token(1_701),))
    reader = await comes_back(other.log, 0)

    assert numbers(await take(reader, 1_701)) == list(range(1, 1_702))


@pytest.mark.parametrize("said", [0, 3])
async def test_a_silent_turn_that_redis_has_lost_is_brought_back(server, owner, other, said):
    """Its upstream may think for minutes; nobody may be told meanwhile that there is no turn."""
    await owner.drives(said)
    server.restart()
    reader = await comes_back(other.log, 0)
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
    reader = await comes_back(other.log, 8)

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
    reader = await comes_back(other.log, 8)

    assert numbers(await take(reader, 2)) == [9, 10]


async def test_an_end_that_redis_has_forgotten_is_not_replaced(server, owner, other, log):
    """The turn was whole and stored: its owner, which has it still, says so once more."""
    await owner.drives(5)
    server.ask("SAVE")
    owner.log.append("turn", (token(6), terminal(7)))
    await owner.log.flush("turn")
    server.restart()
    reader = await comes_back(other.log, 6)

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


async def test_a_turn_that_redis_refuses_costs_the_others_nothing(redis_server):
    odd, plain = TurnIds("odd", "conversation"), TurnIds("plain", "conversation")
    async with member(redis_server, patience_s=0.1) as owner:
        for ids in (odd, plain):
            await owner.drives(1, ids)
        # Nothing fits behind it any more.
        redis_server.ask("XADD", KEYS.log("odd"), f"{2**64 - 1}-{2**64 - 1}", "p", "x")
        for ids in (odd, plain):
            owner.log.append(ids.request_id, tokens(2, 2))
        reader = await owner.log.reader("odd", 0)
        said = await take(reader, 2)
        await owner.log.flush("plain")

        assert entries(redis_server, "plain") == [1, 2]
        assert numbers(said) == [1, 2]
        assert owner.log.attached
