"""What every store of conversations does."""

import pytest

from service.domain import Conversation, Model, PastTurn, Thread
from service.errors import ConversationUnknown
from service.storage.history import HistoryBounds
from service.storage.memory_conversations import MemoryConversations
from service.storage.redis.conversations import RedisConversations
from tests.support.offers import LARGE, SMALL

LIMIT_BYTES = 1_024
BOUNDS = HistoryBounds(2, LIMIT_BYTES)
TTL_S = 600.0
T1, T2 = Thread("responses", ("one",)), Thread("agents", ("two", "session"), "print")
A, B, C = (PastTurn(key, f"{key}?", f"{key}!") for key in "abc")


@pytest.fixture
def in_memory():
    return MemoryConversations(3, BOUNDS.turns, BOUNDS.size_bytes)


@pytest.fixture
def shared(shared_redis):
    return RedisConversations(shared_redis, "turnstile", BOUNDS, TTL_S)


@pytest.fixture(params=["in_memory", "shared"])
def store(request):
    return request.getfixturevalue(request.param)


async def save(store, turn, thread, known=(), *, conversation_id="1", model: Model | None = SMALL):
    """Keep a turn of a conversation and return the threads that nobody needs any more."""
    return list(await store.save(conversation_id, turn, model, thread, known=known))


async def test_a_conversation_that_was_never_begun_is_unknown(store):
    with pytest.raises(ConversationUnknown):
        await store.find("1")


async def test_what_was_kept_is_found(store):
    assert await save(store, A, T1) == []

    assert await store.find("1") == Conversation("1", (A,), SMALL, T1)


async def test_a_conversation_may_begin_with_a_turn_that_is_not_kept(store):
    await save(store, None, None, model=None)

    assert await store.find("1") == Conversation("1")


async def test_turns_are_kept_in_order_with_the_last_model_and_thread(store):
    await save(store, A, T1)

    assert await save(store, B, T2, (A,), model=LARGE) == [T1]
    assert await store.find("1") == Conversation("1", (A, B), LARGE, T2)


async def test_a_turn_that_is_not_kept_changes_only_the_thread(store):
    await save(store, A, T1)

    assert await save(store, None, None, (A,), model=None) == [T1]
    assert await store.find("1") == Conversation("1", (A,), SMALL, None)


async def test_a_turn_of_the_same_key_is_replaced(store):
    waiting = PastTurn("a", "a?", "Let me see")
    await save(store, waiting, None)
    await save(store, A, T1)

    assert (await store.find("1")).turns == (A,)
    assert (await store.find("1")).thread == T1


async def test_the_oldest_turns_of_a_conversation_go_first(store):
    await save(store, A, T1)
    await save(store, B, T1, (A,))
    await save(store, C, T1, (A, B))

    assert (await store.find("1")).turns == (B, C)
    assert (await store.find("1")).thread == T1


async def test_a_thread_that_stays_is_still_needed(store):
    await save(store, A, T1)

    assert await save(store, B, T1, (A,)) == []


async def test_a_thread_that_is_taken_is_not_there(store):
    await save(store, A, T1)
    await store.take_thread("1")

    assert await store.find("1") == Conversation("1", (A,), SMALL, None)
    assert await save(store, B, T1, (A,)) == []
    assert (await store.find("1")).thread == T1


async def test_a_conversation_begins_with_its_first_turn(store):
    """A second question may come while that runs."""
    await store.take_thread("1")

    assert await store.find("1") == Conversation("1")


async def test_a_thread_that_has_missed_a_turn_is_not_kept(store):
    """Two turns at the same time have begun with the same history."""
    await save(store, A, T1)

    assert set(await save(store, B, T2)) == {T1, T2}
    assert await store.find("1") == Conversation("1", (A, B), SMALL, None)


async def test_a_thread_that_knows_a_turn_that_was_replaced_since_is_not_kept(store):
    waiting = PastTurn("a", "a?", "Let me see")
    await save(store, A, None)

    assert await save(store, B, T2, (waiting,)) == [T2]


async def test_a_turn_that_goes_on_has_not_missed_itself(store):
    await save(store, A, None)

    assert await save(store, A, T1) == []
    assert (await store.find("1")).thread == T1


async def test_the_text_of_a_conversation_is_bounded(store):
    for key in "abc":
        await store.save("c", PastTurn(key, "?" * 300, "!" * 300), None, None, known=())

    assert [each.key for each in (await store.find("c")).turns] == ["c"]


async def test_of_a_turn_that_is_too_long_alone_the_beginning_is_kept(store):
    await store.save("c", PastTurn("a", "?", "!" * 5_000), None, None, known=())

    (kept,) = (await store.find("c")).turns
    assert kept.answer == "!" * 128


@pytest.mark.parametrize("text", ["\ud800", "\ud83d\ude00", "\udc00\ud800\0\u2028"])
async def test_any_text_is_kept_as_it_was_said(store, text):
    """Models and clients send halves of characters, which no encoding has."""
    turn = PastTurn("a", text, text)
    await save(store, turn, T1)

    assert (await store.find("1")).turns == (turn,)
    assert await save(store, B, T1, (turn,)) == []


async def test_of_too_many_conversations_the_longest_unused_goes(in_memory):
    for each in "123":
        await save(in_memory, A, T1 if each == "2" else None, conversation_id=each)
    await save(in_memory, B, None, (A,), conversation_id="1")

    assert await save(in_memory, A, None, conversation_id="4") == [T1]
    with pytest.raises(ConversationUnknown):
        await in_memory.find("2")
    assert (await in_memory.find("1")).turns == (A, B)


async def test_to_take_a_thread_is_to_use_a_conversation(in_memory):
    for each in "123":
        await save(in_memory, A, None, conversation_id=each)
    await in_memory.take_thread("1")
    await save(in_memory, A, None, conversation_id="4")

    assert (await in_memory.find("1")).conversation_id == "1"


async def test_the_threads_of_a_process_are_lost_with_it(in_memory):
    await save(in_memory, A, T1)
    await save(in_memory, A, T2, conversation_id="2")
    await save(in_memory, A, None, conversation_id="3")

    assert list(await in_memory.close()) == [T1, T2]


async def test_a_conversation_in_which_nothing_was_said_is_the_first_to_go(in_memory):
    for name in ("a", "b", "c"):
        await in_memory.save(name, A, None, None, known=())
    await in_memory.take_thread("failed")
    await in_memory.save("failed", None, None, None, known=())

    assert (await in_memory.find("a")).turns == (A,)


def test_who_shares_conversations_says_so(in_memory):
    assert not in_memory.shared
    assert RedisConversations.shared
