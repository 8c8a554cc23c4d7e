"""When all is over, a process has nothing left: no connection, no key, no memory."""

import asyncio

import pytest

from tests.support.faults.harms import Close, Fault, Harm
from tests.support.faults.laws import assert_laws
from tests.support.faults.leaks import connections_at, descriptors_of, memory_kib_of
from tests.support.faults.model_server import Speech, counting
from tests.support.fixtures import anyio_backend
from tests.support.replicas import replicas, until

__all__ = ["anyio_backend"]

pytestmark = pytest.mark.slow

PLAY = counting(60)
FAULTS = (Fault.NONE, Fault.ENDS, Fault.RESETS, Fault.STALLS, Fault.HALVES)
POOLED = 20
"""Connections to Redis and to the model that are kept to be used again."""

MORE_KIB = 8 * 1024
"""What a process may grow by: an allocator gives little back."""


async def one_reader(here, number):
    """Meet a fault, lose connections, and leave early, stay, or stop the turn."""
    harm = Harm(FAULTS[number % len(FAULTS)], 10 + number % 50)
    play = PLAY.harmed(harm)
    question = here.model.says(f"Question {number}?", Speech(play, pace_s=0.001))
    reader = here.reader(here.each[number % 2])
    await reader.ask(question)
    for _ in range(3):
        await reader.read(size=number * 37 % 500)
        await reader.drop()
        reader.dial = here.each[number % 3 % 2].dial
        await reader.resume()
    if number % 3 == 0 or play.close is Close.NEVER:
        await reader.interrupt()
    if number % 4:
        await reader.follow()
    await reader.drop()
    return reader


async def many_readers(here, first, last):
    for some in range(first, last, 20):
        readers = await asyncio.gather(*(one_reader(here, each) for each in range(some, some + 20)))
        for each in readers:
            assert_laws(each)


async def at_rest(here):
    """Wait until no turn runs, and return what the processes have open and use."""
    await until(lambda: not here.redis.ask("HLEN", "turnstile:running"))
    await asyncio.sleep(0.2)
    return [(len(descriptors_of(each.pid)), memory_kib_of(each.pid)) for each in here.each]


async def test_nothing_is_left_of_hundreds_of_turns():
    async with replicas(2, log_ttl_s="1", idle_timeout_s="1", redis_lease_s="0.6") as here:
        await many_readers(here, 0, 60)
        before = await at_rest(here)

        await many_readers(here, 60, 180)
        after = await at_rest(here)

        for (had, used_kib), (has, uses_kib) in zip(before, after, strict=True):
            assert has <= had + POOLED
            assert uses_kib - used_kib < MORE_KIB
        assert [connections_at(each.port) for each in here.each] == [[], []]
        assert here.redis.keys_without_expiry() == []

        for each in here.each:
            each.terminate()
        assert [await each.ended() for each in here.each] == [0, 0]
        assert here.redis.clients() == 0
        here.redis.age(8 * 86_400)
        assert here.redis.keys() == []
