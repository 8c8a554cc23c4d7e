"""Redis is slow, gone, or back with nothing, while turns run.

A reader at the replica that drives its turn notices nothing. Others are told that the turn cannot
be followed for now and come back; when all is over, everything is there.
"""

import asyncio
import time

import pytest

from tests.support.faults.laws import assert_whole
from tests.support.faults.model_server import Speech, counting, words
from tests.support.faults.readers import Ending
from tests.support.fixtures import anyio_backend
from tests.support.replicas import replicas

__all__ = ["anyio_backend"]

pytestmark = pytest.mark.slow

SETTINGS = {"redis_lease_s": "2", "redis_timeout_s": "0.5", "redis_patience_s": "0.2"}


async def begun(here, question, count):
    """Start a turn, and read it at its owner and at another replica."""
    here.model.says(question, Speech(counting(count), pace_s=0.01))
    reader = here.reader(here.each[0])
    await reader.ask(question)
    elsewhere = here.reader(here.each[1], of=reader)
    await elsewhere.resume()
    for each in (reader, elsewhere):
        await each.read(events=10)
    return reader, elsewhere


async def streams_on(reader, for_s):
    """Read at the owner for some time, and tell how many events came in each half second."""
    came = []
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        before = len(reader.events)
        half = time.monotonic() + 0.5
        while time.monotonic() < half:
            await reader.read(events=1)
        came.append(len(reader.events) - before)
    return came


async def all_is_whole(here, reader, elsewhere, follows):
    """Read to the end everywhere, and find the same."""
    await asyncio.gather(reader.follow(), follows)
    assert reader.events[-1].name == "end"
    for at in here.each:
        whole = here.reader(at, of=reader)
        await whole.follow()
        assert_whole(whole, like=reader)
    for each in (reader, elsewhere):
        assert_whole(each, like=whole)
    assert Ending.UNAVAILABLE not in [each.ending for each in reader.visits]
    await conversations_go_on(here, reader)
    assert here.redis.keys_without_expiry() == []


async def conversations_go_on(here, reader):
    here.model.says("Next?", Speech(words("Yes.")))
    conversation_id = reader.events[0].envelope["data"]["conversation_id"]
    goes_on = here.reader(here.each[1])
    await goes_on.ask("Next?", conversation_id=conversation_id)
    await goes_on.follow()
    assert_whole(goes_on)


@pytest.mark.parametrize("pause_s", [1, 5])
async def test_readers_at_the_owner_stream_on_while_redis_is_paused(pause_s):
    async with replicas(2, **SETTINGS) as here:
        reader, elsewhere = await begun(here, "Paused?", count=(pause_s + 1) * 85)
        follows = asyncio.create_task(elsewhere.follow())

        with here.redis.paused():
            came = await streams_on(reader, pause_s)

        assert min(came) > 5
        await all_is_whole(here, reader, elsewhere, follows)
        told = [each.ending for each in elsewhere.visits]
        assert told[-1] is Ending.TERMINAL
        assert pause_s < 2 or Ending.UNAVAILABLE in told


@pytest.mark.parametrize("keeps", [True, False], ids=["with its data", "with nothing"])
async def test_a_redis_that_was_killed_and_restarted_has_everything_again(keeps):
    async with replicas(2, keeps=keeps, **SETTINGS) as here:
        reader, elsewhere = await begun(here, "Restarted?", count=220)
        follows = asyncio.create_task(elsewhere.follow())

        here.redis.kill()
        came = await streams_on(reader, 1.5)
        here.redis.start()

        assert min(came) > 5
        await all_is_whole(here, reader, elsewhere, follows)
        assert Ending.UNAVAILABLE in [each.ending for each in elsewhere.visits]


async def test_a_turn_that_ends_while_redis_is_away_is_there_when_it_is_back():
    async with replicas(2, **SETTINGS) as here:
        reader, elsewhere = await begun(here, "Over?", count=100)
        follows = asyncio.create_task(elsewhere.follow())

        here.redis.kill()
        await reader.follow()
        assert reader.events[-1].name == "end"
        # That is the business of the database, which is there.
        assert reader.events[-1].envelope["data"]["stored"] is True
        here.redis.start()

        await follows
        assert_whole(elsewhere, like=reader)
        assert_whole(reader)
        await conversations_go_on(here, reader)


async def test_without_redis_nothing_new_begins_and_nobody_waits_in_vain():
    async with replicas(2, **SETTINGS) as here:
        reader, elsewhere = await begun(here, "Dead?", count=150)
        here.redis.kill()

        began = time.monotonic()
        new, viewer = here.reader(), here.reader(here.each[1], of=reader)
        await new.ask("New?", {"Idempotency-Key": "new"})
        await viewer.resume()
        await viewer.read()
        took_s = time.monotonic() - began

        assert took_s < 5
        assert (new.visit.status, new.refusal["code"]) == (503, "log_unavailable")
        assert "retry-after" in new.visit.headers
        assert viewer.visit.ending is Ending.UNAVAILABLE
        await reader.follow()
        assert_whole(reader)
        assert reader.events[-1].name == "end"
        here.redis.start()
        await asyncio.gather(elsewhere.follow(), viewer.follow())
        for each in (elsewhere, viewer):
            assert_whole(each, like=reader)
