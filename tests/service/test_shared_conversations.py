"""Conversations that several processes go on with."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import Conversation, Model, PastTurn, Thread
from service.errors import ConversationUnknown, LogUnavailable
from service.storage.history import HistoryBounds
from service.storage.redis.conversations import RedisConversations
from service.storage.redis.values import decode, encode
from tests.support.offers import SMALL
from tests.support.redis_server import connected

TTL_S = 600.0
T1, T2 = Thread("responses", ("one",)), Thread("agents", ("two", "session"), "print")
A, B = (PastTurn(key, f"{key}?", f"{key}!") for key in "ab")

TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
TURNS = st.builds(PastTurn, TEXT, TEXT, TEXT)
MODELS = st.builds(Model, TEXT, TEXT, TEXT, st.booleans(), st.booleans())
THREADS = st.builds(Thread, TEXT, st.lists(TEXT).map(tuple), TEXT)
CONVERSATIONS = st.builds(
    Conversation,
    TEXT,
    st.lists(TURNS, max_size=3).map(tuple),
    st.none() | MODELS,
    st.none() | THREADS,
)


def in_redis(redis, prefix="turnstile"):
    return RedisConversations(redis, prefix, HistoryBounds(100, 100_000), TTL_S)


@pytest.fixture
def shared(shared_redis):
    return in_redis(shared_redis)


async def save(store, turn, thread, known=()):
    """Keep a turn of a conversation and return the threads that nobody needs any more."""
    return list(await store.save("1", turn, SMALL, thread, known=known))


async def test_a_conversation_goes_on_in_another_process(shared, redis_server):
    await save(shared, A, T1)

    async with connected(redis_server) as redis:
        other = in_redis(redis)
        assert await other.find("1") == Conversation("1", (A,), SMALL, T1)
        await other.take_thread("1")
    assert (await shared.find("1")).thread is None


async def test_a_process_that_ends_leaves_its_threads_to_the_others(shared):
    await save(shared, A, T1)

    assert list(await shared.close()) == []
    assert (await shared.find("1")).thread == T1


async def test_turns_that_end_together_are_all_kept(shared_redis, redis_server):
    """Each process has its own connection, and none waits for another."""
    threads = {key: Thread("responses", (key,)) for key in "abcdefgh"}
    given_back = []

    async def end(store, key):
        turn = PastTurn(key, "?", "!")
        given_back.extend(await save(store, turn, threads[key]))

    async with connected(redis_server) as redis, anyio.create_task_group() as tasks:
        stores = [in_redis(shared_redis), in_redis(redis)]
        for number, key in enumerate(threads):
            tasks.start_soon(end, stores[number % 2], key)

    found = await stores[0].find("1")
    assert sorted(each.key for each in found.turns) == sorted(threads)
    # The first has missed nothing, but the second has.
    assert found.thread is None
    assert sorted(each.ids for each in given_back) == sorted(each.ids for each in threads.values())


async def test_a_conversation_that_never_stands_still_is_given_up(shared_redis):
    other = in_redis(shared_redis)

    class Restless:
        """A Redis in which somebody else is always faster."""

        ask = shared_redis.ask

        async def run(self, *script):
            await other.take_thread("1")
            return await shared_redis.run(*script)

    with pytest.raises(LogUnavailable):
        await save(in_redis(Restless()), A, T1)
    assert await other.find("1") == Conversation("1")


async def test_a_conversation_goes_when_it_was_not_used_for_long(shared, redis_server):
    for use in (save(shared, A, T1), shared.take_thread("1"), save(shared, B, T1, (A,))):
        await use
        redis_server.age(TTL_S - 1)
        await shared.find("1")
    redis_server.age(1)

    with pytest.raises(ConversationUnknown):
        await shared.find("1")


async def test_a_conversation_that_went_and_came_again_is_another(shared, redis_server):
    await save(shared, A, T1)
    redis_server.age(TTL_S)

    assert await save(shared, B, T2) == []
    assert await shared.find("1") == Conversation("1", (B,), SMALL, T2)


async def test_nobody_else_has_our_conversations(shared, shared_redis):
    await save(shared, A, T1)

    with pytest.raises(ConversationUnknown):
        await in_redis(shared_redis, "elsewhere").find("1")


async def test_a_turn_is_kept_with_two_questions_to_redis(shared, redis_server):
    await save(shared, A, T1)
    before = _calls(redis_server)
    await save(shared, B, T1, (A,))

    assert _calls(redis_server) - before == 2


async def test_without_redis_conversations_are_not_unknown_but_out_of_reach(mortal_redis):
    async with connected(mortal_redis) as redis:
        store = in_redis(redis)
        await save(store, A, T1)
        mortal_redis.kill()

        for use in (store.find("1"), store.take_thread("1"), save(store, B, T1, (A,))):
            with pytest.raises(LogUnavailable):
                await use


async def test_a_redis_that_has_forgotten_everything_knows_no_conversation(mortal_redis):
    async with connected(mortal_redis) as redis:
        store = in_redis(redis)
        await save(store, A, T1)
        mortal_redis.restart()
        await anyio.wait_all_tasks_blocked()

        with pytest.raises(ConversationUnknown):
            await store.find("1")
        await save(store, B, T2)
        assert (await store.find("1")).turns == (B,)


@given(CONVERSATIONS)
def test_what_is_decoded_is_what_was_encoded(conversation):
    assert decode(encode(conversation), Conversation) == conversation


def _calls(server):
    """Return how many commands of clients were run, without those of the test."""
    stats = server.ask("INFO", "commandstats").decode()
    ours = ("cmdstat_hmget:", "cmdstat_evalsha:", "cmdstat_eval:")
    lines = [each for each in stats.splitlines() if each.startswith(ours)]
    return sum(int(each.partition("calls=")[2].partition(",")[0]) for each in lines)
