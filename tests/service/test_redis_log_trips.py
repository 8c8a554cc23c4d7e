"""What it costs to bring turns into Redis: few round trips, of which none is waited for."""

from dataclasses import replace

import pytest

from service.domain import TurnIds
from tests.support.logs import (
    KEYS,
    OTHER,
    TURN,
    WAIT_S,
    WIDE,
    entries,
    member,
    numbers,
    take,
    token,
    tokens,
)

PATIENT = {"patience_s": WAIT_S}
"""Redis has so long that nobody is told anything without it."""


@pytest.fixture
async def owner(redis_server):
    async with member(redis_server, **PATIENT) as owner:
        yield owner


@pytest.fixture
async def other(redis_server):
    async with member(redis_server) as other:
        yield other


def trips(member):
    """Return the round trips in which something was appended, since this was asked last."""
    return member.cable.trips(b"EVALSHA")


async def test_the_digest_of_a_trimmed_turn_goes_along_with_all_that_it_covers(redis_server):
    """A heir that finds less than the digest covers would seal what nobody can check."""
    async with member(redis_server, replace(WIDE, turn_bytes=300_000), **PATIENT) as owner:
        await owner.drives(1)
        trips(owner)
        owner.log.append("turn", tokens(2, 2_000))
        await owner.log.flush("turn")

        assert len(entries(redis_server)) > 500
        assert len(trips(owner)) == 1


async def test_a_single_emission_waits_for_no_other(owner, other):
    await owner.drives(1)
    reader = await other.log.reader("turn", 1)
    trips(owner)
    for number in range(2, 5):
        owner.log.append("turn", (token(number),))
        assert numbers(await take(reader, 1)) == [number]

    assert len(trips(owner)) == 3


async def test_a_burst_is_one_round_trip(owner):
    await owner.drives(1)
    trips(owner)
    owner.log.append("turn", tokens(2, 100))
    for number in range(101, 201):
        owner.log.append("turn", (token(number),))
    await owner.log.flush("turn")

    assert len(trips(owner)) == 1


async def test_many_turns_share_a_round_trip(owner, redis_server):
    turns = [TurnIds(f"turn {number}", "conversation") for number in range(30)]
    for ids in turns:
        await owner.drives(1, ids)
    trips(owner)
    for ids in turns:
        owner.log.append(ids.request_id, tokens(2, 3))
    for ids in turns:
        await owner.log.flush(ids.request_id)

    assert len(trips(owner)) == 1
    assert all(entries(redis_server, ids.request_id) == [1, 2, 3] for ids in turns)


async def test_what_is_said_during_a_round_trip_shares_the_next(owner):
    await owner.drives(1, TURN)
    await owner.drives(1, OTHER)
    trips(owner)
    with owner.cable.held(at=b"EVALSHA") as caught:
        owner.log.append("turn", (token(2),))
        await caught.wait()
        for number in range(2, 100):
            owner.log.append("other", (token(number),))
            owner.log.append("turn", (token(number + 1),))
    await owner.log.flush("turn")
    await owner.log.flush("other")

    assert len(trips(owner)) == 2


async def test_a_long_backlog_does_not_hold_others_up(owner):
    await owner.drives(1, TURN)
    await owner.drives(1, OTHER)
    trips(owner)
    owner.log.append("turn", tokens(2, 1_201))
    owner.log.append("other", (token(2),))
    await owner.log.flush("turn")

    with_other = [KEYS.turn("other").encode() in each for each in trips(owner)]
    assert with_other == [True, False, False]


async def test_readers_are_told_nothing_that_redis_does_not_have(owner):
    await owner.drives(1)
    reader = await owner.log.reader("turn", 1)
    with owner.cable.held():
        owner.log.append("turn", (token(2),))
        early = await reader.read(0.05)

    assert early.emissions == ()
    assert numbers(await take(reader, 1)) == [2]


async def test_what_was_read_elsewhere_first_is_a_cursor_at_the_owner_too(owner, other):
    await owner.drives(1)
    elsewhere = await other.log.reader("turn", 1)
    with owner.cable.held(answers_only=True):
        owner.log.append("turn", tokens(2, 3))
        await take(elsewhere, 2)
        reader = await owner.log.reader("turn", 3)
    owner.log.append("turn", (token(4),))

    assert numbers(await take(reader, 1)) == [4]
