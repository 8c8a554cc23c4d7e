"""A turn has one owner: what becomes of it when its process dies, or is taken for dead."""

from dataclasses import replace

import anyio
import anyio.lowlevel
import pytest

from service.errors import LogUnavailable
from statemachine import Failure
from tests.support.laws import digest_of
from tests.support.logs import (
    KEYS,
    LEASE_S,
    TURN,
    WAIT_S,
    WIDE,
    member,
    numbers,
    take_all,
    terminal,
    token,
    tokens,
)

pytestmark = pytest.mark.slow


@pytest.fixture
async def owner(redis_server):
    async with member(redis_server) as owner:
        yield owner


@pytest.fixture
async def heir(redis_server):
    async with member(redis_server) as heir:
        yield heir


def terminals(server, request_id="turn"):
    """Return the numbers of all ends that a turn has in Redis."""
    entries = server.ask("XRANGE", KEYS.log(request_id), "-", "+")
    return [int(name[:-2]) for name, fields in entries if b"seal" in fields[-1]]


def ended_by_heir(emission):
    return isinstance(emission.output, Failure) and emission.output.code == "owner_lost"


async def test_exactly_one_process_gets_an_orphan_with_all_that_redis_has(
    redis_server, owner, heir
):
    got = []

    async def inherit(heir):
        got.append(await heir.inherits())

    async with member(redis_server) as third, anyio.create_task_group() as tasks:
        await owner.drives(3)
        reader = await third.log.reader("turn", 0)
        await owner.cable.pull()
        for each in (heir, third):
            tasks.start_soon(inherit, each)
        read = await take_all(reader)
        await anyio.sleep(2 * LEASE_S)
        tasks.cancel_scope.cancel()

    assert [(each.ids, numbers(each.emissions)) for each in got] == [(TURN, [1, 2, 3])]
    assert numbers(read) == [1, 2, 3, 4]
    assert ended_by_heir(read[-1])
    assert terminals(redis_server) == [4]
    assert redis_server.ask("HGET", KEYS.turn("turn"), "fence") == b"2"
    assert redis_server.ask("HGETALL", KEYS.running) == []


async def test_who_comes_back_may_say_no_more(redis_server, owner, heir):
    control = await owner.drives(3)
    reader = await owner.log.reader("turn", 0)
    await owner.cable.pull()
    await heir.inherits()
    owner.log.append("turn", (token(4), terminal(5)))
    owner.cable.plug()
    with anyio.fail_after(WAIT_S):
        await control.told.wait()

    assert control.lost
    assert not await owner.log.flush("turn")
    owner.log.append("turn", (token(6),))
    with pytest.raises(LogUnavailable):
        await take_all(reader)
    assert terminals(redis_server) == [4]


async def test_its_readers_come_back_to_the_new_end(owner, heir):
    """Those that have seen more than Redis had get the end all the same."""
    control = await owner.drives(3)
    await owner.cable.pull()
    owner.log.append("turn", (*tokens(4, 9), terminal(10)))
    seen = await take_all(await owner.log.reader("turn", 0))
    await heir.inherits()
    owner.cable.plug()
    with anyio.fail_after(WAIT_S):
        await control.told.wait()
    late = await take_all(await owner.log.reader("turn", 8))
    whole = await take_all(await owner.log.reader("turn", 0))

    assert numbers(seen) == list(range(1, 11))
    assert (numbers(late), numbers(whole)) == ([4], [1, 2, 3, 4])
    assert ended_by_heir(late[0])


async def test_who_has_seen_more_than_redis_waits_at_the_heir_for_the_end(owner, heir):
    await owner.drives(3)
    await owner.cable.pull()
    with anyio.fail_after(WAIT_S):
        orphan = await heir.log.orphan()
    reader = await heir.log.reader("turn", 9)
    page = await reader.read(0.01)
    heir.log.append("turn", (terminal(4),))

    assert numbers(orphan.emissions) == [1, 2, 3]
    assert page.emissions == ()
    assert numbers(await take_all(reader)) == [4]


async def test_who_is_silent_learns_that_it_has_lost_its_turn(owner, heir):
    """Its upstream may think for minutes, and its readers would wait for as long."""
    control = await owner.drives(3)
    reader = await owner.log.reader("turn", 3)
    with owner.cable.held():
        await heir.inherits()
    with anyio.fail_after(WAIT_S):
        await control.told.wait()

    assert control.lost
    with pytest.raises(LogUnavailable):
        await take_all(reader)


async def test_a_turn_that_has_said_nothing_is_ended_too(owner, heir):
    control = await owner.drives(0)
    await owner.cable.pull()
    orphan = await heir.inherits()
    owner.cable.plug()
    with anyio.fail_after(WAIT_S):
        await control.told.wait()

    assert orphan.emissions == ()
    assert control.lost
    assert numbers(await take_all(await owner.log.reader("turn", 0))) == [1, 2]


async def test_the_digest_of_a_turn_that_was_trimmed_is_handed_over(redis_server):
    bounds = replace(WIDE, turn_bytes=10_000)
    async with member(redis_server, bounds) as owner, member(redis_server, bounds) as heir:
        await owner.drives(100)
        await owner.cable.pull()
        orphan = await heir.inherits()
        read = await take_all(await heir.log.reader("turn", 0))

    assert numbers(orphan.emissions)[0] > 1
    assert orphan.digest == digest_of(each.payload for each in tokens(1, 100))
    assert (read[-1].number, read[-1].seal.digest) == (101, orphan.digest)


async def test_a_turn_is_inherited_again_when_its_heir_dies_too(redis_server, owner, heir):
    await owner.drives(3)
    await owner.cable.pull()
    with anyio.fail_after(WAIT_S):
        await heir.log.orphan()
    heir.log.append("turn", (token(4),))
    await heir.log.flush("turn")
    await heir.cable.pull()
    async with member(redis_server) as third:
        orphan = await third.inherits()

    assert numbers(orphan.emissions) == [1, 2, 3, 4]
    assert terminals(redis_server) == [5]
    assert redis_server.ask("HGET", KEYS.turn("turn"), "fence") == b"3"


async def test_what_a_heir_says_is_in_the_digest_too(redis_server):
    """Though it has not said what comes before; it may die like the first owner."""
    bounds = replace(WIDE, turn_bytes=10_000)
    async with member(redis_server, bounds) as owner, member(redis_server, bounds) as heir:
        await owner.drives(3)
        await owner.cable.pull()
        with anyio.fail_after(WAIT_S):
            await heir.log.orphan()
        heir.log.append("turn", tokens(4, 100))
        await heir.log.flush("turn")
        digest = redis_server.ask("HGET", KEYS.turn("turn"), "digest")

    assert digest.decode() == digest_of(each.payload for each in tokens(1, 100))
