"""What goes with a conversation, and with its time, in either database."""

import anyio
import pytest
from sqlalchemy import insert, select, update

from service.domain import Feedback, ToolAnswer
from service.errors import ConversationUnknown, NotAwaiting, StorageUnavailable
from service.storage.database.conversations import SqlConversations
from service.storage.database.opinions import SqlOpinions
from service.storage.database.paused import SqlPausedTurns
from service.storage.database.tables import (
    conversations,
    opinions,
    paused_turns,
    reservations,
    turns,
)
from tests.support.clock import Clock
from tests.support.databases import running_database
from tests.support.kept_rows import (
    count,
    kept_thread,
    put_conversation,
    put_paused,
    put_turn,
    put_turns,
    thread_of,
)
from tests.support.quota_accounts import ONCE, Accounts

pytestmark = pytest.mark.slow

NOW_S = 1_000.0
LATER_S = 2_000.0
A_TURN = {
    "conversation_id": "c",
    "user": "alice",
    "process": "p",
    "touched_ms": 0,
    "question": "Hi?",
    "began_ms": 0,
}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(database, clock):
    return SqlConversations(database, clock)


@pytest.fixture
def paused(database, clock):
    return SqlPausedTurns(database, LATER_S, 30.0, clock)


async def left(database, column):
    async with database.reading() as connection:
        return sorted((await connection.execute(select(column))).scalars())


async def test_a_conversation_goes_with_everything_that_belongs_to_it(store, database):
    await put_conversation(database, "c")
    await put_turn(database, "t1", "c")
    await put_turn(database, "t2", "c", ended_s=None)
    await put_paused(database, "t1", "c", expires_s=LATER_S)
    await SqlOpinions(database).keep(Feedback("alice", "t1", 1))
    await Accounts(database, ONCE).reserve("t2", 10)

    await store.delete("c", "alice")

    for table in (conversations, turns, paused_turns, opinions, reservations):
        assert await count(database, table) == 0
    with pytest.raises(ConversationUnknown):
        await store.delete("c", "alice")


async def test_what_belongs_to_others_stays(store, database):
    for name in ("c", "other"):
        await put_conversation(database, name)
        await put_turn(database, f"t-{name}", name)
        await put_paused(database, f"t-{name}", name, expires_s=LATER_S)
        await SqlOpinions(database).keep(Feedback("alice", f"t-{name}", 1))
        await Accounts(database, ONCE).reserve(f"t-{name}", 10)

    await store.delete("c", None)

    for table in (conversations, turns, paused_turns, opinions, reservations):
        assert await count(database, table) == 1
    assert await left(database, turns.c.request_id) == ["t-other"]


async def test_the_turns_that_went_are_named(store, database):
    for name in ("c", "other"):
        await put_conversation(database, name)
        await put_turn(database, f"t1-{name}", name)
    await put_turn(database, "t2-c", "c", ended_s=None)

    deleted = await store.delete("c", "alice")

    assert sorted(deleted.request_ids) == ["t1-c", "t2-c"]


async def test_what_a_running_turn_has_reserved_is_spent(store, database):
    accounts = Accounts(database, ONCE)
    await put_conversation(database, "c")
    await put_turn(database, "t", "c", ended_s=None)
    await accounts.reserve("t", 30)

    await store.delete("c", "alice")
    await accounts.settle("t", 5)

    assert await accounts.left() == {"once": 70}


async def test_the_threads_that_nobody_needs_any_more_are_returned(store, database, paused):
    """A turn that was answered goes on with the thread that it waited with."""
    await put_conversation(database, "c", thread=kept_thread("conversation"))
    for name in ("waiting", "lost", "answered", "collected", "answering"):
        await put_turn(database, name, "c")
        expires_s = NOW_S if name == "collected" else LATER_S
        await put_paused(database, name, "c", expires_s=expires_s)
    await paused.expired()
    await paused.claim("lost", (ToolAnswer("c1", "3"),), "never began")
    await paused.claim("answered", (ToolAnswer("c1", "3"),), "answering")

    threads = (await store.delete("c", "alice")).threads

    expected = [thread_of(name) for name in ("answering", "conversation", "lost", "waiting")]
    assert sorted(threads, key=lambda each: each.ids) == expected


async def test_what_ended_before_a_time_goes_and_what_did_not_stays(store, database):
    await put_conversation(database, "c", message_count=3)
    for at_s in (1, 2, 3):
        await put_turn(database, f"t{at_s}", "c", ended_s=at_s)

    assert await store.expire(3.0) == []

    assert await left(database, turns.c.request_id) == ["t3"]
    assert (await store.read("c", "alice", 1, None)).conversation.message_count == 1


async def test_only_questions_are_counted_not_their_answers_to_tools(store, database):
    await put_conversation(database, "c", message_count=2)
    await put_turn(database, "t1", "c", ended_s=1)
    await put_turn(database, "t2", "c", ended_s=1, key="t1", resumes="t1")
    await put_turn(database, "t3", "c", ended_s=5)

    await store.expire(3.0)

    assert (await store.read("c", "alice", 1, None)).conversation.message_count == 1


async def test_a_conversation_goes_with_its_last_turn(store, database):
    for name in ("old", "young", "bare"):
        await put_conversation(database, name, thread=None if name == "bare" else kept_thread(name))
    await put_turn(database, "t1", "old", ended_s=1)
    await put_turn(database, "t2", "young", ended_s=1)
    await put_turn(database, "t3", "young", ended_s=5)
    await put_turn(database, "t4", "bare", ended_s=1)

    assert await store.expire(3.0) == [thread_of("old")]
    assert await store.expire(3.0) == []
    assert await left(database, conversations.c.conversation_id) == ["young"]


async def test_a_running_turn_stays_however_old_it_is(store, database):
    await put_conversation(database, "c")
    await put_turn(database, "t1", "c", ended_s=1)
    await put_turn(database, "t2", "c", ended_s=None)

    assert await store.expire(1e9) == []

    assert await left(database, turns.c.request_id) == ["t2"]


async def test_a_turn_that_waits_goes_with_its_time_as_well(store, database, paused):
    await put_conversation(database, "c")
    for name in ("waiting", "answered"):
        await put_turn(database, name, "c", ended_s=1)
        await put_paused(database, name, "c", expires_s=LATER_S)
    await paused.claim("answered", (ToolAnswer("c1", "3"),), "running")
    await put_turn(database, "running", "c", ended_s=None)

    assert await store.expire(3.0) == [thread_of("waiting")]

    with pytest.raises(NotAwaiting):
        await paused.find("waiting")


async def test_much_goes_in_small_steps(store, database):
    for number in range(4):
        await put_conversation(database, f"c{number}", thread=kept_thread(str(number)))
        await put_turns(database, f"c{number}", range(number, 250 + number))
    await put_turn(database, "young", "c0", ended_s=LATER_S)

    threads = await store.expire(NOW_S)

    assert sorted(each.ids for each in threads) == [("1",), ("2",), ("3",)]
    assert await left(database, turns.c.request_id) == ["young"]


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_a_conversation_in_which_a_turn_is_about_to_begin_stays(store, database, processes):
    await put_conversation(database, "c", thread=kept_thread("c"))
    await put_turn(database, "old", "c", ended_s=1)

    async with processes() as other, other.writing() as connection:
        await connection.execute(update(conversations).values(last_ms=5))
        await connection.execute(insert(turns), {**A_TURN, "request_id": "new", "key": "new"})
        with anyio.fail_after(10):
            first = await store.expire(NOW_S)

    assert first == await store.expire(NOW_S) == []
    assert await left(database, turns.c.request_id) == ["new"]
    assert await left(database, conversations.c.conversation_id) == ["c"]


async def test_what_goes_in_two_processes_at_once_is_told_once(store, database, processes, clock):
    for number in range(20):
        await put_conversation(database, f"c{number}", thread=kept_thread(str(number)))
        await put_turns(database, f"c{number}", range(25))
    told = []

    async def expire(store):
        told.extend(await store.expire(NOW_S))

    async with processes() as other, anyio.create_task_group() as tasks:
        for each in (store, SqlConversations(other, clock)):
            tasks.start_soon(expire, each)

    told += await store.expire(NOW_S)
    assert sorted(each.ids[0] for each in told) == sorted(str(number) for number in range(20))
    assert await count(database, turns) == 0


class Failing:
    """A database that does what it is asked a few times, and no more."""

    def __init__(self, database, times) -> None:
        self.database = database
        self.times = times

    def writing(self):
        if not self.times:
            raise StorageUnavailable("It is out of reach.")
        self.times -= 1
        return self.database.writing()


@pytest.mark.parametrize("times", [0, 1])
async def test_what_went_before_a_failure_is_told(database, times):
    await put_conversation(database, "c", thread=kept_thread("c"))
    await put_conversation(database, "young")
    await put_turn(database, "t", "c", ended_s=0)
    await put_turns(database, "young", [1.0] * 250)
    store = SqlConversations(Failing(database, times))

    if times:
        assert await store.expire(NOW_S) == [thread_of("c")]
    else:
        with pytest.raises(StorageUnavailable):
            await store.expire(NOW_S)


async def test_out_of_reach_nothing_is_said_to_be_deleted(mortal_postgres):
    async with running_database(mortal_postgres.url(), timeout_s=1.0) as database:
        store = SqlConversations(database)
        mortal_postgres.kill()

        for use in (
            store.page("alice", 1, None),
            store.read("c", "alice", 1, None),
            store.rename("c", "alice", "Mine"),
            store.name("c", "Made"),
            store.delete("c", "alice"),
            store.expire(1.0),
        ):
            with pytest.raises(StorageUnavailable):
                await use
