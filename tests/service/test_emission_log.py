"""What every emission log must do; another implementation is one more entry in `LOGS`."""

from collections.abc import Callable
from functools import partial

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from service.domain import TurnIds
from service.errors import CursorInvalid, TooManyTurns, TurnUnknown
from service.ports import EmissionLog
from service.storage.memory_log import Bounds, MemoryLog
from statemachine import Emission, Interrupted, Interrupter, Token
from statemachine.emissions import Seal

TURN = TurnIds("turn", "conversation")
OTHER = TurnIds("other", "conversation")
WIDE = Bounds(running_turns=10, turn_bytes=1_000_000, total_bytes=1_000_000, ttl_s=100)


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


LOGS = [pytest.param(MemoryLog, id="memory")]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=LOGS)
def open_log(request, clock) -> Callable[..., EmissionLog]:
    """Return what makes a log with other bounds than wide ones."""

    def make(**bounds):
        fields = {name: getattr(WIDE, name) for name in Bounds.__dataclass_fields__}
        return request.param(Bounds(**fields | bounds), clock)

    return make


def token(number, size=2):
    return Emission(number, Token("x"), b"x" * size)


def terminal(number):
    return Emission(number, Interrupted("turn", Interrupter.USER), b"xx", seal=Seal(number, ""))


async def write(log, ids, *, tokens, size=2, end=True):
    """Write a whole turn."""
    await log.open(ids)
    for number in range(1, tokens + 1):
        await log.append(ids.request_id, token(number, size))
    if end:
        await log.append(ids.request_id, terminal(tokens + 1))


async def read(log, ids, after=0):
    """Return the numbers that a reader finds at once, and the first one that is kept."""
    reader = await log.reader(ids.request_id, after)
    page = await reader.read(0.001)
    return [each.number for each in page.emissions], page.earliest


async def is_kept(log, ids):
    try:
        await log.reader(ids.request_id, 0)
    except TurnUnknown:
        return False
    return True


@pytest.mark.parametrize("after", range(5))
async def test_a_reader_gets_what_follows_its_cursor_in_order(open_log, after):
    log = open_log()
    await write(log, TURN, tokens=3)

    assert await read(log, TURN, after) == (list(range(after + 1, 5)), 1)


async def test_a_reader_knows_whose_turn_it_reads(open_log):
    log = open_log()
    await log.open(TURN)

    assert (await log.reader("turn", 0)).ids == TURN


async def test_a_reader_goes_on_where_it_was(open_log):
    log = open_log()
    await write(log, TURN, tokens=2, end=False)
    reader = await log.reader("turn", 0)
    first = await reader.read(1)
    await log.append("turn", token(3))
    second = await reader.read(1)

    assert [len(page.emissions) for page in (first, second)] == [2, 1]
    assert second.emissions[0].number == 3


async def test_a_waiting_reader_is_woken_by_the_next_emission(open_log):
    log = open_log()
    await log.open(TURN)
    pages = []

    async def follow():
        pages.append(await (await log.reader("turn", 0)).read(10))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        tasks.start_soon(follow)
        await wait_all_tasks_blocked()
        await log.append("turn", token(1))

    assert [[each.number for each in page.emissions] for page in pages] == [[1], [1]]


async def test_a_wait_ends_with_an_empty_page(open_log):
    log = open_log()
    await log.open(TURN)

    assert await read(log, TURN) == ([], 1)


async def test_a_reader_is_at_the_end_when_it_has_read_the_terminal_emission(open_log):
    log = open_log()
    await write(log, TURN, tokens=1, end=False)
    reader = await log.reader("turn", 1)
    running = reader.at_end()
    await log.append("turn", terminal(2))
    unread = reader.at_end()
    await reader.read(1)

    assert (running, unread, reader.at_end()) == (False, False, True)


async def test_an_unknown_turn_has_no_reader(open_log):
    with pytest.raises(TurnUnknown):
        await open_log().reader("nobody", 0)


async def test_a_cursor_beyond_the_turn_is_refused(open_log):
    log = open_log()
    await write(log, TURN, tokens=1, end=False)

    with pytest.raises(CursorInvalid, match="event 1"):
        await log.reader("turn", 2)


async def test_turns_beyond_the_limit_are_refused_until_one_has_ended(open_log):
    log = open_log(running_turns=1)
    await log.open(TURN)
    with pytest.raises(TooManyTurns, match="1 turns are running"):
        await log.open(OTHER)
    await log.append("turn", terminal(1))

    await log.open(OTHER)


async def test_the_oldest_emissions_of_a_long_turn_go_first(open_log):
    log = open_log(turn_bytes=10_000)
    await write(log, TURN, tokens=50, size=700, end=False)

    numbers, earliest = await read(log, TURN)
    assert numbers == list(range(earliest, 51))
    assert 0 < len(numbers) < 15


async def test_the_newest_emission_is_kept_however_large_it_is(open_log):
    log = open_log(turn_bytes=1_024)
    await write(log, TURN, tokens=2, size=5_000, end=False)

    assert await read(log, TURN) == ([2], 2)


async def test_a_reader_that_was_overtaken_is_told_what_is_left(open_log):
    log = open_log(turn_bytes=1_024)
    await write(log, TURN, tokens=1, end=False)
    reader = await log.reader("turn", 1)
    for number in range(2, 5):
        await log.append("turn", token(number, 5_000))
    page = await reader.read(1)

    assert ([each.number for each in page.emissions], page.earliest) == ([4], 4)


async def test_ended_turns_go_when_there_is_too_much_in_all_the_oldest_first(open_log):
    log = open_log(total_bytes=25_000)
    turns = [TurnIds(f"turn {number}", "conversation") for number in range(4)]
    for ids in turns:
        await write(log, ids, tokens=1, size=10_000)

    assert [await is_kept(log, ids) for ids in turns] == [False, False, True, True]


async def test_a_running_turn_stays_however_much_there_is(open_log):
    log = open_log(total_bytes=1_024)
    await write(log, TURN, tokens=3, size=10_000, end=False)
    await write(log, OTHER, tokens=1)

    assert await is_kept(log, TURN)
    assert not await is_kept(log, OTHER)


async def test_an_ended_turn_goes_after_its_time(open_log, clock):
    log = open_log(ttl_s=100)
    await write(log, TURN, tokens=1)
    clock.now += 99
    before = await is_kept(log, TURN)
    clock.now += 1

    assert (before, await is_kept(log, TURN)) == (True, False)


async def test_a_running_turn_stays_however_long_it_takes(open_log, clock):
    log = open_log(ttl_s=100)
    await write(log, TURN, tokens=1, end=False)
    clock.now += 1_000_000

    assert await is_kept(log, TURN)


async def test_who_reads_a_turn_keeps_it(open_log, clock):
    log = open_log()
    await write(log, TURN, tokens=3)
    reader = await log.reader("turn", 0)
    clock.now += 1_000
    kept = await is_kept(log, TURN)

    assert not kept
    assert len((await reader.read(1)).emissions) == 4


async def test_evicting_makes_room_for_as_much_again(open_log, clock):
    log = open_log(total_bytes=25_000, ttl_s=100)
    for number in range(10):
        await write(log, TurnIds(f"turn {number}", "c"), tokens=1, size=10_000)
        clock.now += 200
    await write(log, TURN, tokens=1, size=10_000)
    await write(log, OTHER, tokens=1, size=10_000)

    assert await is_kept(log, TURN)
    assert await is_kept(log, OTHER)


@pytest.mark.parametrize("leave", ["cancelled", "woken", "timed out"])
async def test_no_reader_waits_in_memory_after_it_has_left(leave):
    log = MemoryLog(WIDE)
    await log.open(TURN)
    reader = await log.reader("turn", 0)
    waiters = log._running["turn"].waiters
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(reader.read, 0.001 if leave == "timed out" else 10))
        await wait_all_tasks_blocked()
        assert len(waiters) == 1
        if leave == "cancelled":
            tasks.cancel_scope.cancel()
        elif leave == "woken":
            await log.append("turn", token(1))

    assert not waiters
