"""What is promised in Redis of turns that were deleted."""

import time

import pytest

from service.domain import TurnIds
from service.errors import LogUnavailable, TurnUnknown
from tests.support.logs import (
    KEEP_S,
    KEYS,
    LEASE_S,
    PATIENCE_S,
    TIMEOUT_S,
    TURN,
    entries,
    member,
    numbers,
    take_all,
    terminal,
)


@pytest.fixture
async def owner(redis_server):
    async with member(redis_server) as owner:
        yield owner


@pytest.fixture
async def other(redis_server):
    async with member(redis_server) as other:
        yield other


async def ends(owner, ids=TURN):
    """Drive a turn to its end."""
    await owner.drives(2, ids)
    owner.log.append(ids.request_id, (terminal(3),))
    await owner.log.flush(ids.request_id)


async def test_of_a_forgotten_turn_only_that_is_kept_and_not_for_ever(owner, other, redis_server):
    await ends(owner)
    await other.log.forget(["turn"])
    kept = redis_server.ask("HGETALL", KEYS.turn("turn"))
    said = entries(redis_server)
    redis_server.age(KEEP_S - 1)
    later = redis_server.ask("EXISTS", KEYS.turn("turn"))
    redis_server.age(1)

    assert (kept, said) == ([b"forgotten", b"1"], [])
    assert (later, redis_server.ask("EXISTS", KEYS.turn("turn"))) == (1, 0)


async def test_who_has_driven_a_forgotten_turn_gives_up_its_memory_when_asked(owner, other):
    await ends(owner)
    await other.log.forget(["turn"])
    before = len(owner.log._turns.kept)
    with pytest.raises(TurnUnknown):
        await owner.log.reader("turn", 0)

    assert (before, len(owner.log._turns.kept)) == (1, 0)


async def test_a_turn_that_redis_has_lost_is_forgotten_by_who_has_driven_it(
    owner, other, redis_server
):
    await ends(owner)
    redis_server.ask("DEL", KEYS.turn("turn"), KEYS.log("turn"))
    (await owner.log.reader("turn", 0)).close()

    await other.log.forget(["turn"])

    with pytest.raises(TurnUnknown):
        await owner.log.reader("turn", 0)


async def test_many_turns_are_forgotten_in_few_round_trips(owner, other):
    turns = [TurnIds(f"turn {number}", "conversation") for number in range(3)]
    for ids in turns:
        await ends(owner, ids)
    strangers = [f"nobody {number}" for number in range(1_000)]
    ids = [turns[0].request_id, *strangers, turns[1].request_id]
    await other.log.forget(["a script that Redis does not have is sent twice"])
    other.cable.trips(b"EVALSHA")

    await other.log.forget(ids)

    # A long one comes in several pieces.
    assert 3 <= len(other.cable.trips(b"EVALSHA")) < 20
    for each in turns[:2]:
        with pytest.raises(TurnUnknown):
            await other.log.reader(each.request_id, 0)
    (await other.log.reader(turns[2].request_id, 0)).close()


async def test_a_reader_that_has_missed_the_end_is_sent_away(owner, other, redis_server):
    """What it waits for is there no more."""
    await owner.drives(2)
    reader = await other.log.reader("turn", 2)
    redis_server.ask("HSET", KEYS.turn("turn"), "ended", "1")

    async with member(redis_server) as third:
        await third.log.forget(["turn"])
        with pytest.raises(LogUnavailable):
            await take_all(reader)


@pytest.mark.slow
async def test_a_forgotten_turn_whose_owner_dies_is_ended_and_then_unknown(
    owner, other, redis_server
):
    await owner.drives(2)
    reader = await other.log.reader("turn", 0)
    await other.log.forget(["turn"])
    with owner.cable.held():
        await other.inherits()
        read = numbers(await take_all(reader))
        async with member(redis_server) as third:
            for each in (other, third):
                with pytest.raises(TurnUnknown):
                    await each.log.reader("turn", 0)

    assert read[:2] == [1, 2]


@pytest.mark.slow
async def test_without_redis_nothing_is_said_to_be_forgotten(mortal_redis):
    async with member(mortal_redis) as owner:
        await ends(owner)
        with mortal_redis.paused():
            began = time.monotonic()
            with pytest.raises(LogUnavailable):
                await owner.log.forget(["turn"])
            refused_s = time.monotonic() - began

        assert refused_s < TIMEOUT_S + LEASE_S


@pytest.mark.slow
async def test_while_redis_is_silent_an_ended_turn_is_read_where_it_was_driven(mortal_redis):
    async with member(mortal_redis) as owner:
        await ends(owner)
        with mortal_redis.paused():
            began = time.monotonic()
            reader = await owner.log.reader("turn", 0)
            waited_s = time.monotonic() - began

            assert numbers(await take_all(reader)) == [1, 2, 3]
    assert PATIENCE_S * 0.9 < waited_s < TIMEOUT_S
