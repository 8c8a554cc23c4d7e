"""A turn has one owner: what becomes of it when its process dies, or is taken for dead."""

import time
from dataclasses import replace

import anyio
import pytest

from service.domain import TurnIds
from service.errors import LogUnavailable
from service.storage.redis.keys import Keys
from service.storage.redis.ownership import ADOPT
from statemachine import Failure
from tests.support.laws import digest_of
from tests.support.logs import (
    ESTATE,
    LEASE_S,
    OTHER,
    TURN,
    WAIT_S,
    WIDE,
    Control,
    member,
    numbers,
    take_all,
    terminal,
    token,
    tokens,
    until,
)

KEYS = Keys("turnstile")
LONG_S = 60.0
SHORT_S = 0.3

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


async def test_who_lives_is_never_robbed(owner, heir, log):
    control = await owner.drives(1)
    with anyio.move_on_after(5 * LEASE_S):
        await heir.log.orphan()
    owner.log.append("turn", (token(2),))

    assert await owner.log.flush("turn")
    assert not control.told.is_set()
    assert [each for each in log if each["event"] == "turn.adopted"] == []


async def test_who_leaves_in_order_leaves_nobody_waiting_for_its_lease(redis_server):
    times = {"lease_s": LONG_S}
    async with member(redis_server) as heir:
        await until(lambda: heir.log._lease._renewed_at)
        async with member(redis_server, **times) as owner:
            await owner.drives(1)
        orphan = await heir.inherits()

    assert orphan.ids == TURN


async def test_who_has_just_come_leaves_others_the_time_to_say_that_they_live(redis_server):
    """What it finds may be older than they are: Redis may have been restored from a copy."""
    async with member(redis_server, lease_s=LONG_S) as owner:
        await owner.drives(1)
        redis_server.ask("DEL", KEYS.lease(owner.name))
        began = time.monotonic()
        async with member(redis_server) as heir:
            await heir.inherits()

    assert time.monotonic() - began > 0.9 * LEASE_S


async def test_who_could_not_reach_redis_leaves_others_the_time_to_come_back_too(
    redis_server, heir
):
    async with member(redis_server, lease_s=LONG_S) as owner:
        await owner.drives(1)
        await until(lambda: heir.log._lease._renewed_at)
        await heir.cable.pull()
        await until(lambda: heir.log._lease.unsure)
        began = time.monotonic()
        redis_server.ask("DEL", KEYS.lease(owner.name))
        heir.cable.plug()
        await heir.inherits()

    assert time.monotonic() - began > 0.9 * LEASE_S


async def test_who_was_not_heard_for_as_long_as_a_lease_is_patient_too(redis_server):
    """Redis may have been paused for all: nothing has failed, and every lease has ended."""
    async with member(redis_server, lease_s=SHORT_S) as heir:
        lease = heir.log._lease
        with heir.cable.held(at=b"HGETALL") as caught:
            await caught.wait()
            before = lease._renewed_at
            await anyio.sleep(1.1 * SHORT_S)
        await until(lambda: lease._renewed_at > before)

        assert lease._patient_until > before + SHORT_S
        assert not lease.unsure


async def test_what_could_be_adopted_only_half_is_finished(owner, heir, redis_server):
    """Redis has done it, and the answer was lost."""
    await owner.drives(2)
    await owner.cable.pull()
    redis_server.ask("DEL", KEYS.lease(owner.name))
    names = (KEYS.turn("turn"), KEYS.log("turn"), KEYS.running, KEYS.lease(owner.name))
    fence = await heir.process.redis.run(ADOPT, names, "turn", owner.name, heir.name, 100_000)
    orphan = await heir.inherits()

    assert fence == 2
    assert numbers(orphan.emissions) == [1, 2]
    assert terminals(redis_server) == [3]


async def test_what_an_outage_has_kept_from_being_adopted_is_adopted_after_it(
    owner, heir, redis_server
):
    await owner.drives(2)
    with heir.cable.held(at=ADOPT.digest.encode()) as caught:
        await owner.cable.pull()
        with anyio.fail_after(WAIT_S):
            await caught.wait()
        await heir.cable.pull()
    heir.cable.plug()
    orphan = await heir.inherits()

    assert numbers(orphan.emissions) == [1, 2]
    assert terminals(redis_server) == [3]


async def test_a_turn_that_redis_has_opened_without_saying_so_is_ended(owner):
    """Nobody knows its id; it must not run for ever."""
    await owner.log.open(OTHER, ESTATE, Control())
    with owner.cable.held(answers_only=True), pytest.raises(LogUnavailable):
        await owner.log.open(TURN, ESTATE, Control())
    orphan = await owner.inherits()

    assert (orphan.ids, orphan.emissions) == (TURN, ())


async def test_a_turn_that_runs_by_name_only_is_forgotten(owner, heir, redis_server, log):
    """Redis may give up any of our keys alone when it is short of memory."""
    for number, process in enumerate([owner.name, heir.name, "nobody"]):
        redis_server.ask("HSET", KEYS.running, f"ghost {number}", process)
    await until(lambda: redis_server.ask("HLEN", KEYS.running) == 0)
    await owner.drives(1)

    assert (await owner.log.reader("turn", 0)).ids == TURN
    assert [each for each in log if each["event"] == "turn.adopted"] == []


async def test_what_another_version_has_to_end_keeps_no_other_turn_from_its_end(
    owner, heir, redis_server, log
):
    for ids in (TURN, OTHER):
        await owner.drives(1, ids)
    redis_server.ask("XADD", KEYS.log("turn"), "2-0", "q", "of another version")
    await owner.cable.pull()
    orphan = await heir.inherits()
    await until(lambda: [each for each in log if each["event"] == "turn.unreadable"])

    assert orphan.ids == OTHER
    assert terminals(redis_server, "other") == [2]
    assert redis_server.ask("HGET", KEYS.turn("turn"), "owner").decode() == owner.name


async def test_many_orphans_keep_nobody_from_saying_that_it_lives(redis_server, owner):
    turns = [TurnIds(f"turn {number}", "conversation") for number in range(300)]
    for ids in turns:
        await owner.log.open(ids, ESTATE, Control())
        owner.log.append(ids.request_id, tokens(1, 20))
    await owner.log.flush(turns[-1].request_id)
    await owner.cable.pull()
    got, renewals = set(), set()
    async with member(redis_server, lease_s=SHORT_S) as heir:
        for _ in turns:
            got.add((await heir.inherits()).ids)
            renewals.add(heir.log._lease._renewed_at)

    assert got == set(turns)
    assert len(renewals) > 1


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
