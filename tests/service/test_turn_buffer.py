"""The emissions of one turn in memory, where they come from another process and may be missing."""

import pytest

from service.storage.turn_buffer import Bounds, BufferReader, TurnBuffer, TurnBuffers
from statemachine import Emission, Failure, State
from statemachine.emissions import Seal
from tests.support.logs import TURN, numbers, terminal, token, tokens

ROOM = 1_000_000


def owner_lost(number):
    lost = Failure("owner_lost", 503, "", "", State.STEP_IN_PROGRESS)
    return Emission(number, lost, b"xx", seal=Seal(number, ""))


def filled(*emissions, limit_bytes=ROOM):
    buffer = TurnBuffer(TURN, limit_bytes)
    for each in emissions:
        buffer.add(each)
    return buffer


def test_what_follows_a_hole_is_what_is_left():
    """Nothing is read twice: readers are found by counting back from the newest emission."""
    buffer = filled(*tokens(1, 5), *tokens(50, 52))

    assert (buffer.earliest, buffer.latest) == (50, 52)
    assert numbers(buffer.after(5, 52)) == [50, 51, 52]


def test_what_follows_a_hole_takes_the_room_of_what_was_before():
    buffer = filled(*tokens(1, 5))
    grown = buffer.add(token(50))

    assert buffer.size_bytes == filled(token(50)).size_bytes
    assert grown == buffer.size_bytes - filled(*tokens(1, 5)).size_bytes


def test_a_turn_may_begin_late():
    buffer = filled(*tokens(7, 9))

    assert (buffer.earliest, numbers(buffer.after(0, 9))) == (7, [7, 8, 9])


@pytest.mark.parametrize("kept", [10, 100])
async def test_what_has_to_go_before_it_is_published_is_a_gap(kept):
    buffer = filled(*tokens(1, 5))
    buffer.publish(5)
    reader = BufferReader(buffer, 5)
    buffer.limit_bytes = filled(*tokens(1_000, 999 + kept)).size_bytes
    for each in tokens(6, 1_000):
        buffer.add(each)
    buffer.publish(30)
    early = await reader.read(0)
    buffer.publish(1_000)
    late = await reader.read(0)

    assert numbers(early.emissions) == []
    assert numbers(late.emissions) == list(range(1_001 - kept, 1_001))
    assert late.earliest == 1_001 - kept


def test_what_is_forgotten_can_no_longer_be_read():
    buffer = filled(*tokens(1, 5), terminal(6))
    buffer.publish(6)
    buffer.forget(3)

    assert numbers(buffer.after(0, buffer.published)) == [1, 2, 3]
    assert buffer.terminal is None
    assert buffer.size_bytes == filled(*tokens(1, 3)).size_bytes


@pytest.mark.parametrize("last", [token(2), terminal(2)])
def test_a_turn_that_is_given_up_is_found_no_more(last):
    turns = TurnBuffers(Bounds(1, ROOM, ROOM, 100))
    buffer = turns.open(TURN)
    turns.append("turn", (token(1), last))
    turns.drop(buffer)
    turns.drop(buffer)

    assert turns.find("turn") is None
    assert turns._size_bytes == 0


async def ahead(last, number):
    """Return a reader that has seen event `number` of a turn that then ends with `last`."""
    buffer = filled(*tokens(1, last.number - 1))
    buffer.publish(last.number - 1)
    reader = BufferReader(buffer, number, ahead=True)
    buffer.add(last)
    buffer.publish(last.number)
    return reader


async def test_who_has_had_the_end_of_a_turn_before_it_was_here_is_at_its_end():
    reader = await ahead(terminal(4), 4)

    assert reader.at_end()
    assert (await reader.read(0)).emissions == ()


@pytest.mark.parametrize("number", [4, 5, 9])
async def test_who_has_had_more_than_an_heir_knows_gets_the_end_of_the_heir_once(number):
    reader = await ahead(owner_lost(4), number)

    assert not reader.at_end()
    assert numbers((await reader.read(0)).emissions) == [4]
    assert reader.at_end()
    assert (await reader.read(0)).emissions == ()
