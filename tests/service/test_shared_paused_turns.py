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
    PausedTurn,
    Plan,
    Thread,
    ToolAnswer,
)
from service.errors import AnswersDiffer, StorageUnavailable
from service.storage.database.paused import SqlPausedTurns
from service.storage.database.rows import from_json, to_json
from statemachine import Call
from tests.support.clock import Clock
from tests.support.databases import running_database
from tests.support.kept_rows import paused_turn, put_paused

pytestmark = pytest.mark.slow

WAIT_S = 60.0
BEGINS_S = 30.0
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
        st.builds(Conversation, TEXT, MODELS, st.none() | THREADS),
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
    st.booleans(),
)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def databases(database, processes):
    """Return the ways of two processes to one database."""
    async with processes() as other:
        yield [database, other]


@pytest.fixture
def stores(databases, clock):
    """Return the stores of two processes."""
    return [SqlPausedTurns(each, WAIT_S, BEGINS_S, clock) for each in databases]


@given(PAUSED)
def test_what_is_read_is_what_was_written(turn):
    assert from_json(to_json(turn), PausedTurn) == turn


async def test_any_process_lets_a_turn_go_on(stores, database, clock):
    here, there = stores
    await put_paused(database, "a", expires_s=clock() + WAIT_S)

    assert await there.find("a") == paused_turn("a")
    assert await there.claim("a", ANSWERS, "b") == "b"
    assert await here.claim("a", ANSWERS, "c") == "b"
    with pytest.raises(AnswersDiffer):
        await here.claim("a", OTHERS, "c")


@pytest.mark.parametrize("lost", [False, True], ids=["nobody", "somebody who never began"])
async def test_of_many_that_answer_at_once_one_is_first(stores, database, clock, lost):
    await put_paused(database, "a", expires_s=clock() + WAIT_S)
    if lost:
        await stores[0].claim("a", ANSWERS, "lost")
        clock.forward(BEGINS_S)
    heard = []

    async def answer(number):
        heard.append(await stores[number % 2].claim("a", ANSWERS, str(number)))

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(answer, number)

    assert len(heard) == 10
    assert len(set(heard)) == 1
    assert heard[0] != "lost"


async def test_each_thread_that_waited_in_vain_is_given_to_one_process(stores, database, clock):
    names = [str(number) for number in range(150)]
    for name in names:
        await put_paused(database, name, expires_s=clock() + WAIT_S)
    clock.forward(WAIT_S)
    gone = []

    async def collect(store):
        gone.extend(await store.expired())

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(collect, stores[number % 2])

    assert sorted(each.ids[0] for each in gone) == sorted(names)


async def test_what_a_process_has_left_waiting_goes_on_in_others(stores, databases, clock):
    here, _ = databases
    await put_paused(here, "a", expires_s=clock() + WAIT_S)
    clock.forward(WAIT_S)

    assert await stores[1].expired() == [paused_turn("a").thread]


async def test_out_of_reach_turns_do_not_cease_to_wait(mortal_postgres):
    clock = Clock()
    async with running_database(mortal_postgres.url(), timeout_s=1.0) as database:
        store = SqlPausedTurns(database, WAIT_S, BEGINS_S, clock)
        await put_paused(database, "a", expires_s=clock() + WAIT_S)
        mortal_postgres.kill()

        for use in (
            store.find("a"),
            store.claim("a", ANSWERS, "b"),
            store.release("a", "b"),
            store.expired(),
        ):
            with pytest.raises(StorageUnavailable):
                await use
        mortal_postgres.start()

        assert await store.claim("a", ANSWERS, "b") == "b"
