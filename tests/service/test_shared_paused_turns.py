"""Paused turns that any process lets go on."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import (
    Attachment,
    ClientTool,
    Conversation,
    McpServer,
    Model,
    PastTurn,
    PausedTurn,
    Plan,
    Thread,
    ToolAnswer,
)
from service.errors import AnswersDiffer, LogUnavailable
from service.storage.redis.paused import RedisPausedTurns
from service.storage.redis.values import decode, encode
from statemachine import Call
from tests.support.clock import Clock
from tests.support.redis_server import connected

WAIT_S = 60.0
AN_HOUR_S = 3_600.0
ANSWERS = (ToolAnswer("c1", "3"),)
OTHERS = (ToolAnswer("c1", "4"),)

TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=8)
TEXTS = st.lists(TEXT, max_size=2).map(tuple)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=5,
)


def some(*fields):
    return st.lists(st.builds(*fields), max_size=2).map(tuple)


THREADS = st.builds(Thread, TEXT, TEXTS, TEXT)
MODELS = st.none() | st.builds(Model, TEXT, TEXT, TEXT, st.booleans(), st.booleans())
PAUSED = st.builds(
    PausedTurn,
    TEXT,
    st.builds(
        Plan,
        TEXT,
        st.builds(
            Conversation, TEXT, some(PastTurn, TEXT, TEXT, TEXT), MODELS, st.none() | THREADS
        ),
        MODELS,
        TEXT,
        some(Attachment, TEXT, TEXT, TEXT),
        *[TEXTS] * 3,
        some(McpServer, TEXT, TEXT, TEXT, st.dictionaries(TEXT, TEXT), st.booleans()),
        some(ClientTool, TEXT, TEXT, st.dictionaries(TEXT, JSON, max_size=2)),
    ),
    THREADS,
    st.none() | TEXT,
    some(Call, TEXT, TEXT, TEXT, st.none() | TEXT),
    st.frozensets(TEXT),
    TEXT,
)


@pytest.fixture
def clock(redis_server):
    return Clock(redis_server)


@pytest.fixture
async def stores(redis_server, shared_redis, clock):
    """Return the stores of two processes."""
    async with connected(redis_server) as other:
        yield [RedisPausedTurns(each, "t", WAIT_S, clock) for each in (shared_redis, other)]


def paused(name):
    plan = Plan("Hi", Conversation("conversation"))
    return PausedTurn(name, plan, Thread("responses", (name,)), "t1", (Call("c1", "add", "{}"),))


@given(PAUSED)
def test_what_is_decoded_is_what_was_encoded(turn):
    assert decode(encode(turn), PausedTurn) == turn


async def test_any_process_lets_a_turn_go_on(stores):
    here, there = stores
    await here.pause("a", paused("a"))

    assert await there.find("a") == paused("a")
    assert await there.claim("a", ANSWERS, "b") == "b"
    assert await here.claim("a", ANSWERS, "c") == "b"
    with pytest.raises(AnswersDiffer):
        await here.claim("a", OTHERS, "c")


async def test_of_many_that_answer_at_once_one_is_first(stores):
    await stores[0].pause("a", paused("a"))
    heard = []

    async def answer(number):
        heard.append(await stores[number % 2].claim("a", ANSWERS, str(number)))

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(answer, number)

    assert len(heard) == 10
    assert len(set(heard)) == 1


async def test_each_thread_that_waited_in_vain_is_given_to_one_process(stores, clock):
    names = [str(number) for number in range(150)]
    for name in names:
        await stores[0].pause(name, paused(name))
    clock.forward(WAIT_S)
    gone = []

    async def collect(store):
        gone.extend(await store.expired())

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(collect, stores[number % 2])

    assert sorted(each.ids[0] for each in gone) == sorted(names)


async def test_the_threads_of_a_process_that_ends_go_on_in_others(stores, clock):
    here, there = stores
    await here.pause("a", paused("a"))

    assert list(await here.close()) == []
    clock.forward(WAIT_S)
    assert await there.expired() == [paused("a").thread]


async def test_every_key_goes_some_time_after_the_wait(stores, redis_server, clock):
    await stores[0].pause("a", paused("a"))
    await stores[0].claim("a", ANSWERS, "b")
    await stores[0].release("a", "b")
    before = redis_server.keys()
    clock.forward(WAIT_S + AN_HOUR_S)
    between = redis_server.keys()
    clock.forward(7 * 24 * AN_HOUR_S)

    assert before == ["t:paused:a", "t:waiting"]
    assert between == ["t:waiting"]
    assert redis_server.keys() == []


async def test_what_was_claimed_and_taken_back_is_forgotten_without_a_trace(stores, clock):
    await stores[0].pause("a", paused("a"))
    await stores[0].claim("a", ANSWERS, "b")
    clock.forward(WAIT_S + AN_HOUR_S)
    await stores[0].release("a", "b")

    assert await stores[1].expired() == []


async def test_without_redis_turns_do_not_cease_to_wait_but_are_out_of_reach(mortal_redis):
    async with connected(mortal_redis) as redis:
        store = RedisPausedTurns(redis, "t", WAIT_S)
        await store.pause("a", paused("a"))
        mortal_redis.kill()

        for use in (
            store.find("a"),
            store.pause("a", paused("a")),
            store.claim("a", ANSWERS, "b"),
            store.release("a", "b"),
            store.expired(),
        ):
            with pytest.raises(LogUnavailable):
                await use


async def test_what_redis_keeps_outlives_its_restart(lasting_redis):
    async with connected(lasting_redis) as redis:
        store = RedisPausedTurns(redis, "t", WAIT_S)
        await store.pause("a", paused("a"))
        await store.claim("a", ANSWERS, "b")
        lasting_redis.restart()
        await anyio.wait_all_tasks_blocked()

        assert await store.claim("a", ANSWERS, "c") == "b"
