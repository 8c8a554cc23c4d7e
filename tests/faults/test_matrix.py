"""Every fault of an upstream at every chunk, before clients of every behaviour: the laws hold."""

import pytest

from tests.support.faults.behaviours import BEHAVIOURS
from tests.support.faults.trials import by_turns, every_case, one_kind_each, undergo_all
from tests.support.faults.upstreams import play_of
from tests.support.faults.worlds import world
from tests.support.recordings import captures

SEEDS = (
    "agents-0.3.5/client_tool",
    "agents-0.3.5/text",
    "responses-0.7.3/error_mid_chunk",
    "responses-0.7.3/function_tool",
)
PLAYS = [play_of(each) for each in captures() if each.name in SEEDS]
CASES = one_kind_each(every_case(PLAYS))
EVERY = 2
"""A behaviour meets every so many faults, the next behaviour the others."""

SETTINGS = {
    "heartbeat_s": 7.0,
    "idle_timeout_s": 20.0,
    "running_turns_limit": 10_000,
    "streams": {"write_timeout_s": 5.0},
}


async def test_every_fault_at_every_chunk_keeps_the_laws_for_somebody():
    async with world(pace_s=1.0, **SETTINGS) as here:
        await undergo_all(here, by_turns(CASES))


async def test_what_is_no_longer_kept_is_said_to_be_missing():
    """So little is kept of a turn that most who come back have missed something."""
    async with world(pace_s=1.0, log_turn_limit_bytes=1_024, **SETTINGS) as here:
        await undergo_all(here, by_turns(CASES[::5]), gaps=True)


@pytest.mark.slow
async def test_every_garbage_at_every_chunk_keeps_the_laws_for_somebody():
    async with world(pace_s=1.0, **SETTINGS) as here:
        await undergo_all(here, by_turns(every_case(PLAYS)))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "behaviour"), list(enumerate(BEHAVIOURS)))
async def test_every_fault_at_every_chunk_keeps_the_laws(number, behaviour):
    async with world(pace_s=1.0, **SETTINGS) as here:
        await undergo_all(here, [(behaviour, each) for each in CASES[number % EVERY :: EVERY]])
