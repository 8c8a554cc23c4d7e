"""What every emission log must do, whichever process a turn is read in.

What is different, and rightly so, has a story for each: `log_kind` says which log it is.
"""

from functools import partial

import anyio
import anyio.lowlevel
import pytest

from service.domain import TurnIds
from service.errors import CursorInvalid, TurnUnknown
from statemachine import Interrupter
from tests.support.log_pairs import ELSEWHERE
from tests.support.logs import (
    CANCELS,
    OTHER,
    TURN,
    WAIT_S,
    numbers,
    take,
    take_all,
    terminal,
    token,
    tokens,
    until,
)


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


async def test_a_cursor_beyond_a_running_turn_is_refused_where_that_can_be_known(logs, log_kind):
    """Elsewhere its owner may have said more than Redis has, so such a reader waits for it."""
    async with logs() as log:
        await log.write(1, end=False)
        if log_kind != ELSEWHERE:
            with pytest.raises(CursorInvalid, match="event 1"):
                await log.reader(2)
            return
        reader = await log.reader(2)
        await log.say(*tokens(2, 4))

        assert numbers(await take(reader, 2)) == [3, 4]


async def test_a_reader_can_be_woken_for_nothing(logs):
    async with logs() as log:
        await log.open()
        reader = await log.reader()
        pages = []

        async def follow():
            pages.append((await reader.read(WAIT_S)).emissions)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await until(lambda: reader._buffer.waiters)
            reader.wake()

        assert [len(each) for each in pages] == [0]


async def test_what_waits_for_a_reader_can_be_weighed(logs):
    async with logs() as log:
        await log.write(3, end=False)
        reader = await log.reader()

        sizes = [len(each.payload) for each in tokens(1, 3)]
        assert [reader.bytes_after(number) for number in range(4)] == [
            sum(sizes[number:]) for number in range(4)
        ]


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


async def test_the_owner_hears_of_readers_in_other_processes(logs, log_kind):
    """Those in its own it can count."""
    async with logs() as log:
        control = await log.open(estate=CANCELS)
        reader = await log.reader()
        if log_kind == ELSEWHERE:
            with anyio.fail_after(WAIT_S):
                await control.told.wait()
        reader.close()

        assert bool(control.attended) == (log_kind == ELSEWHERE)


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
