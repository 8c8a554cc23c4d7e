"""Who may take a turn over and when: nobody who lives is robbed, and no turn is forgotten."""

import time

import anyio
import anyio.lowlevel
import pytest

from service.domain import TurnIds
from service.errors import LogUnavailable
from service.storage.redis.ownership import ADOPT
from tests.support.logs import (
    ESTATE,
    KEYS,
    LEASE_S,
    OTHER,
    TURN,
    WAIT_S,
    Control,
    member,
    numbers,
    token,
    tokens,
    until,
)

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
