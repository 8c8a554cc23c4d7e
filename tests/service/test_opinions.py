"""What users think of turns, in either database."""

import pytest
from sqlalchemy import select

from service.domain import Feedback
from service.errors import StorageUnavailable, TurnUnknown
from service.storage.database.opinions import SqlOpinions
from service.storage.database.tables import opinions
from tests.support.clock import Clock
from tests.support.databases import running_database
from tests.support.kept_rows import count, put_conversation, put_turn

pytestmark = pytest.mark.slow


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(database, clock):
    return SqlOpinions(database, clock)


@pytest.fixture
async def turn(database):
    """Keep a turn of alice, and return its id."""
    await put_conversation(database, "c")
    await put_turn(database, "t", "c")
    return "t"


async def kept(database):
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(select(opinions))]


async def test_an_opinion_is_kept_with_what_was_said(store, database, turn):
    await store.keep(Feedback("alice", turn, -1, "No \ud800", ("wrong", "other")))

    assert await kept(database) == [
        (turn, "alice", -1, "No \ud800", '["wrong", "other"]', 1_000_000)
    ]


async def test_an_opinion_replaces_that_of_the_same_turn(store, database, turn, clock):
    await store.keep(Feedback("alice", turn, -1, "No", ("wrong", "other")))
    clock.forward(1)
    await store.keep(Feedback("alice", turn, None, "Yes \0"))

    assert await kept(database) == [(turn, "alice", None, "Yes \0", "[]", 1_001_000)]


@pytest.mark.parametrize(("user", "request_id"), [("bob", "t"), ("alice", "\0"), ("alice", "c")])
async def test_only_who_has_asked_has_an_opinion(store, database, turn, user, request_id):
    with pytest.raises(TurnUnknown):
        await store.keep(Feedback(user, request_id, 1))

    assert await count(database, opinions) == 0


async def test_out_of_reach_no_opinion_is_kept(mortal_postgres):
    async with running_database(mortal_postgres.url(), timeout_s=1.0) as database:
        mortal_postgres.kill()

        with pytest.raises(StorageUnavailable):
            await SqlOpinions(database).keep(Feedback("alice", "t", 1))
