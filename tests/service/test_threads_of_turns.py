"""The threads of conversations: which turn takes them, leaves them, and gives them back."""

from dataclasses import replace

import pytest

from service.domain import Leavings
from service.errors import ConversationUnknown
from tests.support.clock import Clock
from tests.support.kept_rows import paused_turn
from tests.support.turn_stores import Told, leaving, names, thread_of, turns_on

pytestmark = pytest.mark.slow


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(any_database, clock):
    return turns_on(any_database, clock)


@pytest.fixture
def told(store, clock):
    return Told(store, clock)


async def test_a_turn_takes_the_thread_of_its_conversation(told):
    await told.tell("a", leaving("A"), opens=True)

    await told.begin("b")

    assert await told.thread() is None
    kept = await told.end("b", leaving("A", 1))
    assert await told.thread() == "A"
    assert kept.unneeded == ()


async def test_a_thread_that_another_turn_has_taken_is_not_taken_again(told, store):
    """Both were planned with it."""
    await told.tell("a", leaving("A"), opens=True)
    planned = {"came_from": thread_of("A")}
    first, second = await told.begin("b", **planned), await told.begin("c", **planned)
    kept = [(await told.known(each)).came_from for each in "bc"]
    await store.withdraw(second)
    missing = await told.thread()
    await store.withdraw(first)

    assert kept == [thread_of("A"), None]
    assert (missing, await told.thread()) == (None, "A")


async def test_a_thread_that_another_takes_the_place_of_is_not_needed(told, store):
    """Another turn may have left it there meanwhile."""
    await told.tell("a", opens=True)
    await told.begin("b")
    await told.begin("c")
    await told.end("c", leaving("C", 1), told=False)

    kept = await told.end("b", leaving("B", 1))

    assert names(kept.unneeded) == ["C"]
    assert await told.thread() == "B"


async def test_a_thread_that_has_missed_a_turn_is_not_kept(told):
    """Two turns at the same time have begun with the same history."""
    await told.begin("a", opens=True)
    await told.begin("b")
    await told.end("a", leaving("A"))

    kept = await told.end("b", leaving("B"))

    assert names(kept.unneeded) == ["A", "B"]
    assert await told.thread() is None
    assert await told.history() == ["a", "b"]


async def test_a_thread_outlasts_a_turn_that_is_not_told(told):
    await told.tell("a", opens=True)
    await told.begin("b")
    await told.begin("c")
    await told.end("c", leaving("C", 1))

    kept = await told.end("b", Leavings(), told=False)

    assert kept.unneeded == ()
    assert await told.thread() == "C"


async def test_a_turn_that_waits_leaves_its_thread_with_what_waits(told):
    paused = paused_turn("A", "1")
    kept = await told.tell("a", Leavings(paused=paused), opens=True)

    assert kept.unneeded == ()
    assert await told.thread() is None


async def test_a_stream_that_resumes_a_turn_takes_no_thread(told):
    """Somebody may have asked something else meanwhile, and that goes on."""
    await told.tell("a", Leavings(paused=paused_turn("A", "1")), opens=True)
    await told.tell("b", leaving("B", 1))

    await told.begin("c", key="a", resumes="a")

    assert await told.thread() == "B"


async def test_a_turn_that_waits_is_a_version_of_its_own(told):
    await told.tell("a", Leavings(paused=paused_turn("A", "1")), opens=True)

    kept = await told.tell("b", leaving("A", 1), key="a", resumes="a")

    assert kept.unneeded == ()
    assert (await told.found()).version == 2
    assert await told.thread() == "A"


async def test_nobody_begins_in_a_conversation_that_has_gone(told, store):
    with pytest.raises(ConversationUnknown):
        await told.begin("a")
    with pytest.raises(ConversationUnknown):
        await told.begin("b", key="a", resumes="a")

    assert await store.known("a", None) is None


async def test_a_turn_that_was_withdrawn_was_never_there(told, store):
    begun = await told.begin("a", opens=True)

    await store.withdraw(begun)

    assert await store.known("a", None) is None
    with pytest.raises(ConversationUnknown):
        await told.found()


async def test_a_turn_that_was_withdrawn_gives_the_thread_back(told, store):
    await told.tell("a", leaving("A"), opens=True)
    begun = await told.begin("b", came_from=thread_of("A"))

    await store.withdraw(begun)

    assert await told.thread() == "A"
    assert await told.history() == ["a"]


async def test_a_thread_is_not_given_back_that_has_missed_a_turn(told, store):
    await told.tell("a", leaving("A"), opens=True)
    begun = await told.begin("b", came_from=thread_of("A"))
    await told.begin("c")
    await told.end("c", Leavings())

    await store.withdraw(begun)

    assert await told.thread() is None


async def test_a_thread_is_not_given_back_to_a_conversation_that_has_one(told, store):
    await told.tell("a", leaving("A"), opens=True)
    begun = await told.begin("b", came_from=thread_of("A"))
    await told.begin("c")
    await told.end("c", leaving("C", 1), told=False)

    await store.withdraw(begun)

    assert await told.thread() == "C"


async def test_the_thread_of_a_stream_that_was_withdrawn_waits_with_its_turn(told, store):
    await told.tell("a", Leavings(paused=paused_turn("A", "1")), opens=True)
    begun = await told.begin("b", key="a", resumes="a", came_from=thread_of("A"))

    await store.withdraw(begun)

    assert await told.thread() is None


async def test_a_turn_that_has_ended_is_not_withdrawn(told, store):
    await told.tell("a", leaving("A"), opens=True)

    await store.withdraw(replace(told.records["a"], came_from=thread_of("B")))

    assert await told.history() == ["a"]
    assert await told.thread() == "A"


async def test_the_threads_of_a_memory_are_lost_with_it(memory_database, clock):
    told = Told(turns_on(memory_database, clock), clock)
    await told.tell("a", leaving("A"), opens=True)
    await told.tell("b", Leavings(paused=paused_turn("B", "2")), conversation_id="2", opens=True)
    await told.tell("c", Leavings(), conversation_id="3", opens=True)
    await told.begin("d", conversation_id="4", opens=True, came_from=thread_of("C"))

    assert names(await told.store.close()) == ["A", "B", "C"]


async def test_the_threads_of_a_database_are_found_again(database, clock):
    told = Told(turns_on(database, clock), clock)
    await told.tell("a", leaving("A"), opens=True)

    assert await told.store.close() == ()
