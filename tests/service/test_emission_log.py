"""What every emission log must do, whichever process a turn is read in.

What is different, and rightly so, has a story for each: `kind` says which log it is.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial

import anyio
import pytest

from service.domain import TurnIds
from service.errors import CursorInvalid, TooManyTurns, TurnUnknown
from statemachine import Interrupter
from tests.support.clock import Clock
from tests.support.logs import (
    CANCELS,
    KEEP_S,
    OTHER,
    TURN,
    WAIT_S,
    WIDE,
    Pair,
    in_memory,
    in_redis,
    numbers,
    take,
    take_all,
    terminal,
    token,
    tokens,
    until,
)

MEMORY, OWNER, ELSEWHERE = "memory", "redis, its owner", "redis, elsewhere"

type Logs = Callable[..., AbstractAsyncContextManager[Pair]]


@pytest.fixture(params=[MEMORY, OWNER, ELSEWHERE])
def kind(request):
    return request.param


@pytest.fixture
def clock(kind, request):
    return Clock(None if kind == MEMORY else request.getfixturevalue("redis_server"))


@pytest.fixture
def logs(kind, clock, request) -> Logs:
    """Return what runs a log with other bounds than wide ones."""

    def run(**bounds):
        wanted = replace(WIDE, **bounds)
        if kind == MEMORY:
            return in_memory(wanted, clock)
        server = request.getfixturevalue("redis_server")
        return in_redis(server, wanted, clock, elsewhere=kind == ELSEWHERE)

    return run


async def is_kept(log, ids):
    try:
        (await log.reader(0, ids)).close()
    except TurnUnknown:
        return False
    return True


@pytest.mark.parametrize("after", [0, 2, 4])
async def test_a_reader_gets_what_follows_its_cursor_in_order(logs, after):
    async with logs() as log:
        await log.write(3)

        assert await log.found(after) == (list(range(after + 1, 5)), 1)


async def test_what_is_read_is_what_was_said(logs):
    async with logs() as log:
        await log.open()
        said = (*tokens(1, 3), terminal(4))
        await log.say(*said)

        assert await take_all(await log.reader()) == list(said)


async def test_a_reader_knows_whose_turn_it_reads(logs):
    async with logs() as log:
        await log.open()

        assert (await log.reader()).ids == TURN


async def test_a_reader_goes_on_where_it_was(logs):
    async with logs() as log:
        await log.write(2, end=False)
        reader = await log.reader()
        first = await take(reader, 2)
        before = reader.after
        await log.say(token(3))

        assert (numbers(first), before) == ([1, 2], 2)
        assert numbers(await take(reader, 1)) == [3]
        assert reader.after == 3


async def test_what_is_said_together_is_read_together(logs):
    async with logs() as log:
        await log.open()
        reader = await log.reader()
        await log.say(*tokens(1, 50))

        assert numbers((await reader.read(WAIT_S)).emissions) == list(range(1, 51))


async def test_waiting_readers_are_woken_by_the_next_emission(logs):
    async with logs() as log:
        await log.open()
        read = []

        readers = [await log.reader(), await log.reader()]

        async def follow(reader):
            read.append(numbers(await take(reader, 1)))

        async with anyio.create_task_group() as tasks:
            for each in readers:
                tasks.start_soon(follow, each)
            await until(lambda: len(readers[0]._buffer.waiters) == 2)
            await log.say(token(1))

        assert read == [[1], [1]]


async def test_a_wait_ends_with_an_empty_page(logs):
    async with logs() as log:
        await log.open()

        assert await log.found() == ([], 1)


async def test_what_is_there_stays_when_it_is_said_again(logs):
    async with logs() as log:
        await log.open()
        await log.say(*tokens(1, 2))
        await log.say(*tokens(1, 3, "other"))
        read = await take(await log.reader(), 3)

        assert read == [*tokens(1, 2), token(3, "other")]


async def test_saying_nothing_changes_nothing(logs):
    async with logs() as log:
        await log.open()
        await log.say()
        await log.say(token(1))
        await log.say()

        assert await log.found() == ([1], 1)


async def test_turns_do_not_mix(logs):
    async with logs() as log:
        await log.open(TURN)
        await log.open(OTHER)
        readers = [await log.reader(0, ids) for ids in (TURN, OTHER)]
        await log.say(*tokens(1, 3), ids=TURN)
        await log.say(*tokens(1, 2, "other"), ids=OTHER)

        assert await take(readers[0], 3) == list(tokens(1, 3))
        assert await take(readers[1], 2) == list(tokens(1, 2, "other"))


async def test_a_reader_is_at_the_end_when_it_has_read_the_terminal_emission(logs):
    async with logs() as log:
        await log.write(1, end=False)
        reader = await log.reader(1)
        running = reader.ended, reader.at_end()
        await log.say(terminal(2))
        late = await log.reader(1)
        unread = late.ended, late.at_end()
        for each in (reader, late):
            await take(each, 1)

        assert (running, unread) == ((False, False), (True, False))
        assert [(each.ended, each.at_end()) for each in (reader, late)] == [(True, True)] * 2


async def test_who_has_read_everything_is_at_the_end_at_once(logs):
    async with logs() as log:
        await log.write(1)
        reader = await log.reader(2)

        assert reader.at_end()
        assert (await reader.read(WAIT_S)).emissions == ()


async def test_an_unknown_turn_has_no_reader(logs):
    async with logs() as log:
        with pytest.raises(TurnUnknown):
            await log.reader(0, TurnIds("nobody", "conversation"))


async def test_a_cursor_beyond_a_turn_that_has_ended_is_refused(logs):
    async with logs() as log:
        await log.write(1)

        with pytest.raises(CursorInvalid, match="event 2"):
            await log.reader(3)


async def test_a_cursor_beyond_a_running_turn_is_refused_where_that_can_be_known(logs, kind):
    """Elsewhere its owner may have said more than Redis has, so such a reader waits for it."""
    async with logs() as log:
        await log.write(1, end=False)
        if kind != ELSEWHERE:
            with pytest.raises(CursorInvalid, match="event 1"):
                await log.reader(2)
            return
        reader = await log.reader(2)
        await log.say(*tokens(2, 4))

        assert numbers(await take(reader, 2)) == [3, 4]


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


async def test_ended_turns_go_when_there_is_too_much_in_all_the_oldest_first(logs, kind):
    """That bounds the memory of a process; what Redis has goes by time alone."""
    async with logs(total_bytes=25_000) as log:
        turns = [TurnIds(f"turn {number}", "conversation") for number in range(4)]
        for ids in turns:
            await log.write(1, ids, text="x" * 10_000)
        kept = [await is_kept(log, ids) for ids in turns]

        assert kept == ([False, False, True, True] if kind == MEMORY else [True] * 4)


async def test_a_running_turn_stays_however_much_there_is(logs):
    async with logs(total_bytes=1_024) as log:
        await log.write(3, text="x" * 10_000, end=False)
        await log.write(1, OTHER)

        assert await is_kept(log, TURN)


async def test_an_ended_turn_goes_after_its_time(logs, clock):
    async with logs() as log:
        await log.write(1)
        clock.forward(KEEP_S - 2)
        before = await is_kept(log, TURN)
        clock.forward(2)

        assert (before, await is_kept(log, TURN)) == (True, False)


async def test_a_running_turn_stays_for_longer_than_an_ended_one(logs, clock, kind):
    """A log of one process keeps it for ever, one in Redis for as long as a turn may take."""
    async with logs() as log:
        await log.write(1, end=False)
        clock.forward(1_000_000 if kind == MEMORY else KEEP_S + 1)

        assert await is_kept(log, TURN)


async def test_who_reads_a_turn_keeps_it(logs, clock):
    async with logs() as log:
        await log.write(3)
        reader = await log.reader()
        clock.forward(KEEP_S + 1)

        assert not await is_kept(log, TURN)
        assert len((await reader.read(WAIT_S)).emissions) == 4


async def test_evicting_makes_room_for_as_much_again(logs, clock):
    async with logs(total_bytes=25_000) as log:
        for number in range(5):
            await log.write(1, TurnIds(f"turn {number}", "c"), text="x" * 10_000)
            clock.forward(2 * KEEP_S)
        await log.write(1, TURN, text="x" * 10_000)
        await log.write(1, OTHER, text="x" * 10_000)

        assert await is_kept(log, TURN)
        assert await is_kept(log, OTHER)


async def test_the_owner_is_told_to_stop(logs):
    async with logs() as log:
        control = await log.open()
        await log.reading.stop("turn", Interrupter.OPERATOR)
        with anyio.fail_after(WAIT_S):
            await control.told.wait()

        assert control.stopped == [Interrupter.OPERATOR]


async def test_who_has_ended_is_not_told_to_stop(logs):
    async with logs() as log:
        control = await log.open()
        await log.say(terminal(1))
        await log.reading.stop("turn", Interrupter.USER)
        await log.reading.stop("nobody", Interrupter.USER)
        # What comes after it has come to the owner shows that it was heard.
        other = await log.open(OTHER)
        await log.reading.stop("other", Interrupter.USER)
        with anyio.fail_after(WAIT_S):
            await other.told.wait()

        assert (control.stopped, other.stopped) == ([], [Interrupter.USER])


async def test_the_owner_hears_of_readers_in_other_processes(logs, kind):
    """Those in its own it can count."""
    async with logs() as log:
        control = await log.open(estate=CANCELS)
        reader = await log.reader()
        if kind == ELSEWHERE:
            with anyio.fail_after(WAIT_S):
                await control.told.wait()
        reader.close()

        assert bool(control.attended) == (kind == ELSEWHERE)


async def test_a_turn_that_is_driven_here_is_owned(logs):
    async with logs() as log:
        await log.open()
        log.owner.append("turn", tokens(1, 2))

        assert await log.owner.flush("turn")
        assert await log.found() == ([1, 2], 1)


async def test_nothing_is_an_orphan_while_its_owner_lives(logs):
    async with logs() as log:
        await log.write(1, end=False)
        with anyio.move_on_after(0.05) as waiting:
            await log.reading.orphan()

        assert waiting.cancelled_caught


async def test_leaving_twice_is_leaving_once(logs):
    async with logs() as log:
        await log.write(1, end=False)
        leaving, staying = await log.reader(), await log.reader()
        leaving.close()
        leaving.close()
        await log.say(token(2))

        assert numbers(await take(staying, 2)) == [1, 2]


@pytest.mark.parametrize("leave", ["cancelled", "woken", "timed out"])
async def test_no_reader_waits_in_memory_after_it_has_left(logs, leave):
    async with logs() as log:
        await log.open()
        reader = await log.reader()
        waiters = reader._buffer.waiters
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(reader.read, 0.05 if leave == "timed out" else WAIT_S))
            await until(lambda: len(waiters) == 1)
            if leave == "cancelled":
                tasks.cancel_scope.cancel()
            elif leave == "woken":
                await log.say(token(1))
        reader.close()

        assert not waiters
        assert reader._buffer.readers == 0
