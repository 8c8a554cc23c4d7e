"""Threads that turns had taken whose processes have died: they go with their conversations."""

import pytest

from service.domain import Leavings, ToolAnswer
from service.storage.database.conversations import SqlConversations
from service.storage.database.paused import SqlPausedTurns
from tests.support.clock import Clock
from tests.support.kept_rows import paused_turn
from tests.support.turn_stores import ANSWER_TIMEOUT_S, LEASE_S, Told, names, thread_of, turns_on

pytestmark = pytest.mark.slow


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told(database, clock):
    return Told(turns_on(database, clock), clock)


@pytest.fixture
async def other(processes, clock):
    """The store of another process."""
    async with processes() as database:
        yield turns_on(database, clock)


@pytest.mark.parametrize("said", ["", "It is"])
async def test_the_thread_of_a_lost_turn_goes_with_its_conversation(
    told, other, clock, database, said
):
    """Its process has taken it, and did not live to say what has become of it."""
    await told.tell("a", Leavings(thread_of("A"), 0), opens=True)
    await told.begin("b", came_from=thread_of("A"))
    await told.store.checkpoint({"b": said})
    clock.forward(LEASE_S + 1)
    await other.abandoned()
    await told.tell("c", Leavings(thread_of("C"), 1 + bool(said)))

    deleted = await SqlConversations(database, clock).delete("1", None)

    assert names(deleted.threads) == ["A", "C"]


async def test_the_thread_of_a_turn_that_nobody_could_end_yet_goes_as_well(told, database, clock):
    await told.tell("a", Leavings(thread_of("A"), 0), opens=True)
    await told.begin("b", came_from=thread_of("A"))

    deleted = await SqlConversations(database, clock).delete("1", None)

    assert names(deleted.threads) == ["A"]


async def test_the_thread_of_a_lost_stream_of_answers_goes_with_its_conversation(
    told, other, clock, database
):
    await told.tell("a", Leavings(paused=paused_turn("A", "1")), opens=True)
    waiting = SqlPausedTurns(database, ANSWER_TIMEOUT_S, 30.0, clock)
    await waiting.claim("a", (ToolAnswer("c1", "3"),), "b")
    await told.begin("b", key="a", resumes="a", came_from=thread_of("A"))
    clock.forward(LEASE_S + 1)
    await other.abandoned()

    deleted = await SqlConversations(database, clock).delete("1", None)

    assert names(deleted.threads) == ["A"]


async def test_the_thread_of_a_lost_turn_goes_with_its_time(told, other, clock, database):
    await told.tell("a", Leavings(thread_of("A"), 0), opens=True)
    await told.begin("b", came_from=thread_of("A"))
    clock.forward(LEASE_S + 1)
    await other.abandoned()
    await told.tell("c", Leavings(thread_of("C"), 1))

    assert names(await SqlConversations(database, clock).expire(clock())) == ["A"]


async def test_who_ends_a_turn_says_itself_what_becomes_of_its_thread(told, other, clock, database):
    """Also who was taken for dead."""
    for name, later_s in (("a", 0.0), ("b", LEASE_S + 1)):
        await told.begin(name, name, opens=True, came_from=thread_of(name))
        clock.forward(later_s)
        await other.abandoned()
        kept = await told.end(name, Leavings())

        assert kept.unneeded == ()
        assert (await SqlConversations(database, clock).delete(name, None)).threads == ()


async def test_the_heir_of_a_turn_is_told_of_its_thread(told, other, clock):
    for name, later_s in (("a", 0.0), ("b", LEASE_S + 1)):
        await told.begin(name, name, opens=True, came_from=thread_of(name))
        clock.forward(later_s)
        await told.store.abandoned()
        inherited = Leavings(inherited=True)
        kept = await told.end(name, inherited, store=other, code="owner_lost")
        again = await other.end(told.records[name], inherited)

        assert names(kept.unneeded) == [name]
        assert again.unneeded == ()
