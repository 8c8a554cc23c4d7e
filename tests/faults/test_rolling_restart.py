"""One replica after the other is restarted while clients stream: nobody misses an event."""

import asyncio

import pytest

from tests.support.faults.laws import assert_whole
from tests.support.faults.model_server import Speech, counting
from tests.support.fixtures import anyio_backend
from tests.support.replicas import replicas

__all__ = ["anyio_backend"]

pytestmark = pytest.mark.slow

CLIENTS = 20


async def client(here, number, over):
    """Ask one question after another through nginx, until told that it is over."""
    read = []
    while not over.is_set():
        question = here.model.says(f"{number}, {len(read)}?", Speech(counting(45), pace_s=0.02))
        reader = here.reader()
        await reader.ask(question, {"Idempotency-Key": question.replace(" ", "-")})
        assert not reader.refused, reader.refusal
        await reader.follow()
        read.append(reader)
    return read


async def restart_all(here):
    """Restart one replica after the other, and let each come to its end in its own time."""
    statuses = []
    for each in here.each:
        each.terminate()
        statuses.append(await each.ended())
        await each.start()
    return statuses


async def stream_through_a_restart(here):
    """Let many clients stream while all is restarted; returns what they have read."""
    over = asyncio.Event()
    clients = [asyncio.create_task(client(here, number, over)) for number in range(CLIENTS)]
    await asyncio.sleep(0.5)
    assert await restart_all(here) == [0] * len(here.each)
    over.set()
    readers = [reader for each in clients for reader in await each]
    for each in readers:
        whole = here.reader(of=each)
        await whole.follow()
        assert_whole(each, like=whole)
        assert len(here.model.to(each.question)) == 1
    return readers


async def test_turns_that_can_end_in_time_end_as_if_nothing_had_been():
    async with replicas(2, drain_timeout_s="10") as here:
        readers = await stream_through_a_restart(here)

        assert {each.events[-1].name for each in readers} == {"end"}
        sent_away = [each for each in readers if len(each.visits) > 1]
        assert sent_away
        assert here.redis.keys_without_expiry() == []


async def test_turns_that_cannot_end_in_time_are_cut_and_can_be_read_elsewhere():
    async with replicas(2, drain_timeout_s="0.3", drain_spread_s="0.1") as here:
        readers = await stream_through_a_restart(here)

        ends = [each.events[-1] for each in readers]
        cut = [each.envelope["data"] for each in ends if each.name == "interrupted"]
        assert {each.name for each in ends} == {"end", "interrupted"}
        assert {(each["by"], each["stored"]) for each in cut} == {("drain", True)}
