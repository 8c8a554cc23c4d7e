"""Every fault of an upstream at every chunk, before clients of every behaviour: the laws hold."""

import asyncio
from itertools import cycle

import pytest

from tests.support.faults.behaviours import BEHAVIOURS
from tests.support.faults.harms import GARBAGE, Fault, Harm, every_harm
from tests.support.faults.laws import assert_laws, assert_whole
from tests.support.faults.upstreams import play_of, script_of
from tests.support.faults.worlds import world
from tests.support.recordings import captures

SEEDS = (
    "agents-0.3.5/client_tool",
    "agents-0.3.5/text",
    "responses-0.7.3/error_mid_chunk",
    "responses-0.7.3/function_tool",
)
PLAYS = {each.name: play_of(each) for each in captures() if each.name in SEEDS}
CASES = [
    (play, harm) for play in PLAYS.values() for harm in (Harm(), *every_harm(len(play.payloads)))
]
AT_ONCE = 20
SETTINGS = {"heartbeat_s": 7.0, "running_turns_limit": 10_000}


def one_kind_each(cases):
    """Leave one kind of garbage at every place, each time another one."""
    kinds = list(GARBAGE)
    return [
        (play, harm)
        for play, harm in cases
        if harm.fault is not Fault.GARBAGE or harm.kind == kinds[harm.at % len(kinds)]
    ]


async def undergo(world, behaviour, play, harm, number):
    """Let one client meet one fault, and hold everything that was sent against the laws."""
    script = script_of(play.harmed(harm), together=1 + number % 3)
    readers = await BEHAVIOURS[behaviour](world, script, number)
    if readers[0].refused:
        assert all(reader.refused for reader in readers)
        statuses = {visit.status for reader in readers for visit in reader.visits}
        assert statuses <= {500, 502, 503, 504}
    whole = [await world.undisturbed(readers[0], each) for each in range(len(world.replicas))]
    for each in whole:
        assert_whole(each, like=whole[0])
    for each in readers:
        if not each.refused:
            assert_laws(each, like=whole[0])


async def undergo_all(world, cases):
    """Meet many faults, some at the same time; a failure names its case."""
    waiting = iter(enumerate(cases))

    async def work():
        for number, (behaviour, (play, harm)) in waiting:
            try:
                await undergo(world, behaviour, play, harm, number)
            except Exception as failed:
                failed.add_note(f"{play.name}: {harm}; the client {behaviour}; case {number}")
                raise

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(work(), name="client")


async def test_every_fault_at_every_chunk_keeps_the_laws_for_somebody():
    async with world(pace_s=1.0, **SETTINGS) as here:
        await undergo_all(here, zip(cycle(BEHAVIOURS), CASES, strict=False))


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
async def test_every_fault_at_every_chunk_keeps_the_laws(behaviour):
    async with world(pace_s=1.0, **SETTINGS) as here:
        await undergo_all(here, zip(cycle([behaviour]), one_kind_each(CASES), strict=False))
