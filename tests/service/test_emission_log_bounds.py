"""What every emission log keeps, and for how long."""

import pytest

from service.domain import TurnIds
from service.errors import TooManyTurns, TurnUnknown
from tests.support.log_pairs import MEMORY
from tests.support.logs import (
    KEEP_S,
    OTHER,
    TURN,
    WAIT_S,
    numbers,
    terminal,
    tokens,
)


async def is_kept(log, ids):
    try:
        (await log.reader(0, ids)).close()
    except TurnUnknown:
        return False
    return True


async def test_turns_beyond_the_limit_are_refused_until_one_has_ended(logs):
    async with logs(running_turns=1) as log:
        await log.open(TURN)
        with pytest.raises(TooManyTurns, match="1 turns are running"):
            await log.open(OTHER)
        await log.say(terminal(1))

        await log.open(OTHER)


async def test_the_oldest_emissions_of_a_long_turn_go_first(logs):
    async with logs(turn_bytes=10_000) as log:
        await log.write(50, text="x" * 700, end=False)

        found, earliest = await log.found()
        assert found == list(range(earliest, 51))
        assert 0 < len(found) < 15


async def test_the_newest_emission_is_kept_however_large_it_is(logs):
    async with logs(turn_bytes=1_024) as log:
        await log.write(2, text="x" * 5_000, end=False)

        assert await log.found() == ([2], 2)


async def test_a_reader_that_was_overtaken_is_told_what_is_left(logs):
    async with logs(turn_bytes=1_024) as log:
        await log.write(1, end=False)
        reader = await log.reader(1)
        await log.say(*tokens(2, 4, "x" * 5_000))
        page = await reader.read(WAIT_S)

        assert (numbers(page.emissions), page.earliest) == ([4], 4)


async def test_ended_turns_go_when_there_is_too_much_in_all_the_oldest_first(logs, log_kind):
    """That bounds the memory of a process; what Redis has goes by time alone."""
    async with logs(total_bytes=25_000) as log:
        turns = [TurnIds(f"turn {number}", "conversation") for number in range(4)]
        for ids in turns:
            await log.write(1, ids, text="x" * 10_000)
        kept = [await is_kept(log, ids) for ids in turns]

        assert kept == ([False, False, True, True] if log_kind == MEMORY else [True] * 4)


async def test_a_running_turn_stays_however_much_there_is(logs):
    async with logs(total_bytes=1_024) as log:
        await log.write(3, text="x" * 10_000, end=False)
        await log.write(1, OTHER)

        assert await is_kept(log, TURN)


async def test_an_ended_turn_goes_after_its_time(logs, log_clock):
    async with logs() as log:
        await log.write(1)
        log_clock.forward(KEEP_S - 2)
        before = await is_kept(log, TURN)
        log_clock.forward(2)

        assert (before, await is_kept(log, TURN)) == (True, False)


async def test_a_running_turn_stays_for_longer_than_an_ended_one(logs, log_clock, log_kind):
    """A log of one process keeps it for ever, one in Redis for as long as a turn may take."""
    async with logs() as log:
        await log.write(1, end=False)
        log_clock.forward(1_000_000 if log_kind == MEMORY else KEEP_S + 1)

        assert await is_kept(log, TURN)


async def test_who_reads_a_turn_keeps_it(logs, log_clock):
    async with logs() as log:
        await log.write(3)
        reader = await log.reader()
        log_clock.forward(KEEP_S + 1)

        assert not await is_kept(log, TURN)
        assert len((await reader.read(WAIT_S)).emissions) == 4


async def test_evicting_makes_room_for_as_much_again(logs, log_clock):
    async with logs(total_bytes=25_000) as log:
        for number in range(5):
            await log.write(1, TurnIds(f"turn {number}", "c"), text="x" * 10_000)
            log_clock.forward(2 * KEEP_S)
        await log.write(1, TURN, text="x" * 10_000)
        await log.write(1, OTHER, text="x" * 10_000)

        assert await is_kept(log, TURN)
        assert await is_kept(log, OTHER)
