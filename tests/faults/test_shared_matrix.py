"""The same matrix on two replicas that share a Redis: whatever reaches whichever of them."""

import pytest

from tests.support.faults.behaviours import BEHAVIOURS
from tests.support.faults.leaks import assert_redis_forgets
from tests.support.faults.trials import by_turns, every_case, one_kind_each, undergo_all
from tests.support.faults.upstreams import play_of
from tests.support.faults.worlds import world
from tests.support.fixtures import anyio_backend
from tests.support.recordings import captures

__all__ = ["anyio_backend"]

SEEDS = ("agents-0.3.5/client_tool", "responses-0.7.3/error_mid_chunk")
PLAYS = [play_of(each) for each in captures() if each.name in SEEDS]
CASES = one_kind_each(every_case(PLAYS))
EVERY = 4
"""A behaviour meets every so many faults, the next behaviour the others."""

FORGOTTEN_S = 8 * 86_400.0
"""The longest that anything is kept."""

SETTINGS = {
    "heartbeat_s": 0.05,
    "idle_timeout_s": 0.3,
    "first_chunk_timeout_s": 0.3,
    "retry_ms": 20,
    "redis": {"lease_s": 2.0},
    "streams": {"write_timeout_s": 0.1},
    "running_turns_limit": 10_000,
}


async def test_replicas_keep_the_laws_for_somebody(redis_server):
    async with world(2, pace_s=0.004, redis_url=redis_server.url, **SETTINGS) as here:
        await undergo_all(here, by_turns(CASES[::4]))
    assert_redis_forgets(redis_server, FORGOTTEN_S)


async def test_what_is_no_longer_kept_is_said_to_be_missing(redis_server):
    few = {**SETTINGS, "log_turn_limit_bytes": 1_024}
    async with world(2, pace_s=0.004, redis_url=redis_server.url, **few) as here:
        await undergo_all(here, by_turns(CASES[1::5]), gaps=True)
    assert_redis_forgets(redis_server, FORGOTTEN_S)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "behaviour"), list(enumerate(BEHAVIOURS)))
async def test_replicas_keep_the_laws(redis_server, number, behaviour):
    async with world(2, pace_s=0.004, redis_url=redis_server.url, **SETTINGS) as here:
        await undergo_all(here, [(behaviour, each) for each in CASES[number % EVERY :: EVERY]])
    assert_redis_forgets(redis_server, FORGOTTEN_S)
