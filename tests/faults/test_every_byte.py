"""A connection may be lost at any byte: on coming back nothing is missing, and nothing doubled."""

import pytest

from tests.support.faults.laws import assert_laws, assert_whole
from tests.support.faults.trials import by_turns, every_case, one_kind_each, undergo_all
from tests.support.faults.upstreams import play_of, script_of
from tests.support.faults.worlds import world
from tests.support.fixtures import anyio_backend
from tests.support.recordings import captures

__all__ = ["anyio_backend"]

PLAYS = {each.name: play_of(each) for each in captures()}
TOOLS = PLAYS["agents-0.3.5/client_tool"]
UNICODE = PLAYS["agents-0.3.5/unicode"]


async def cut_everywhere(world, play, step=1):
    """Cut the stream of a turn after every byte, and read it on each time."""
    whole = await world.asked(script_of(play))
    await whole.follow()
    assert_whole(whole)
    for size in range(1, len(whole.visit.body) + 1, step):
        reader = world.reader(of=whole)
        await reader.resume()
        await reader.read(size=size)
        await reader.drop()
        await reader.follow()
        assert len(reader.visits[0].body) == size
        assert_laws(reader, like=whole)


async def test_a_connection_is_lost_at_some_bytes():
    async with world(sockets=True) as here:
        await cut_everywhere(here, TOOLS, step=29)


@pytest.mark.slow
@pytest.mark.parametrize("play", [TOOLS, UNICODE], ids=lambda each: each.name)
async def test_a_connection_is_lost_at_every_byte(play):
    async with world(sockets=True) as here:
        await cut_everywhere(here, play)


@pytest.mark.parametrize("size", [1, 7, 64, 300])
async def test_a_connection_is_lost_again_and_again_while_the_turn_runs(size):
    """Of an event that is longer than what comes through, more comes through the next time."""
    async with world(sockets=True, pace_s=0.002, retry_ms=0) as here:
        reader = await here.asked(script_of(UNICODE))
        while not reader.ended:
            known = reader.cursor
            await reader.read(size=size)
            await reader.drop()
            size = size if reader.cursor != known else 2 * size
            await reader.resume()
        await reader.read()

        assert_whole(reader, like=await here.undisturbed(reader))
        assert len(reader.visits) > 2


async def test_faults_keep_the_laws_over_sockets_too():
    cases = one_kind_each(every_case([TOOLS, PLAYS["responses-0.7.3/error_mid_chunk"]]))
    short = {"idle_timeout_s": 0.3, "first_chunk_timeout_s": 0.3, "heartbeat_s": 0.05}
    short["streams"] = {"write_timeout_s": 0.1}
    async with world(sockets=True, pace_s=0.003, retry_ms=5, **short) as here:
        await undergo_all(here, by_turns(cases[::5]))
