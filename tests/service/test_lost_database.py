"""A database that cannot be written: what goes on without it, and what is refused."""

import json

import anyio
import pytest

from service.domain import Action
from service.errors import StorageUnavailable
from tests.support.applications import QUERY, TURNS, application, events, names
from tests.support.kept_turns import kept_turns, locked, on_file
from tests.support.people import PEOPLE, used_by
from tests.support.upstreams import NEVER, Script, answer, closing, opening_chunk, says, thread_of
from tests.support.waiting_turns import BOTH, GOES_ON, WAITS

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
KEY = {"Idempotency-Key": "a-key"}
QUICK = {"timeout_s": 0.3, "checkpoint_s": 1_000.0, "lease_s": 3_600.0}


@pytest.fixture
def path(tmp_path):
    """Return where the database is."""
    return tmp_path / "turnstile.db"


def refused(made, body):
    """Return how a request was refused."""
    return made.status, json.loads(body)["code"], made.headers.get("retry-after")


UNAVAILABLE = (503, "storage_unavailable", "2")


async def test_a_question_that_cannot_be_kept_is_not_asked(path):
    async with application(HELLO, **on_file(path, **QUICK)) as app:
        async with locked(path):
            told = refused(*await app.ask("POST", TURNS, QUERY))
        await app.ended()

    assert told == UNAVAILABLE
    assert [each.opened.is_set() for each in app.upstream.turns].count(True) == 1
    assert len(kept_turns(path)) == 1


@pytest.mark.parametrize("target", [TURNS, "/v1/query"])
async def test_its_key_can_be_used_again(path, target):
    async with application(HELLO, **on_file(path, **QUICK)) as app:
        async with locked(path):
            told = refused(*await app.ask("POST", target, QUERY, **KEY))
        made, _ = await app.ask("POST", target, QUERY, **KEY)

    assert (told, made.status) == (UNAVAILABLE, 200)


async def test_a_history_that_cannot_be_read_is_not_left_out(monkeypatch):
    """An upstream that has lost the conversation would answer as if nothing had been said."""

    async def unreadable(_):
        raise StorageUnavailable("It takes too long.")

    async with application(HELLO) as app:
        turn = await app.ended()
        with monkeypatch.context() as patch:
            patch.setattr(app.services.turns, "history", unreadable)
            next_turn = QUERY | {"conversation_id": turn.headers["x-conversation-id"]}
            told = refused(*await app.ask("POST", TURNS, next_turn))
        again = await app.goes_on(turn)

    assert (told, again.status) == ((503, "storage_unavailable", "5"), 200)
    assert [each.opened.is_set() for each in app.upstream.turns] == [True, False, True]
    assert app.upstream.plans[2].conversation.thread == thread_of(1)
    assert [each.question for each in app.upstream.histories[2]] == [QUERY["query"]]


async def test_a_turn_that_runs_streams_on(path):
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hel"), go_on, says("lo"), *closing("Hello")))
    async with application(script, **on_file(path, **QUICK)) as app, app.turn() as turn:
        await turn.part()
        async with locked(path):
            async with app.resume(turn) as again:
                assert names(await again.part()) == ["start", "token"]
            go_on.set()
            told = events(await turn.body())

    assert [each["data"].get("token") for each in told[:2]] == ["lo", "Hello"]
    assert told[-1]["event"] == "end"


async def test_a_turn_that_runs_can_be_stopped(path):
    async with application(ENDLESS, **on_file(path, **QUICK)) as app, app.turn() as turn:
        await turn.part()
        async with locked(path):
            said = await app.interrupt(turn)
            last = events(await turn.body())[-1]

    assert said["interrupted"] is True
    assert (last["event"], last["data"]["stored"]) == ("interrupted", False)


async def test_answers_that_cannot_be_kept_are_not_sent(path):
    async with application(WAITS, GOES_ON, **on_file(path, **QUICK)) as app:
        turn = await app.ended()
        target = f"{turn.headers['content-location']}/tool_results"
        async with locked(path):
            told = refused(*await app.ask("POST", target, BOTH))
        async with app.answer(turn, **BOTH) as again:
            assert names(await again.body())[-1] == "end"

    assert told == UNAVAILABLE
    assert len(app.upstream.resumed) == 1


async def test_a_conversation_that_cannot_be_deleted_stays(path):
    async with application(HELLO, HELLO, **on_file(path, **QUICK)) as app:
        turn = await app.ended()
        kept = f"/v1/conversations/{turn.headers['x-conversation-id']}"
        async with locked(path):
            told = refused(*await app.ask("DELETE", kept))
        forgotten = list(app.upstream.forgotten)
        again = await app.goes_on(turn)

    assert forgotten == []
    assert (told, again.status) == (UNAVAILABLE, 200)


async def test_what_is_kept_can_be_read(path):
    """Who writes does not keep others from reading."""
    async with application(HELLO, **on_file(path, **QUICK)) as app:
        turn = await app.ended()
        kept = f"/v1/conversations/{turn.headers['x-conversation-id']}"
        async with locked(path):
            read, _ = await app.ask("GET", kept)
            listed, _ = await app.ask("GET", "/v1/conversations")

    assert (read.status, listed.status) == (200, 200)


async def test_who_may_what_is_known_without_it(path):
    async with used_by(PEOPLE, HELLO, **on_file(path, **QUICK)) as people, locked(path):
        _, body = await people["alice"].ask("POST", "/v1/authorized")
        nobody, _ = await people["alice"].ask("GET", "/v1/info", Authorization="Bearer eve")

    assert str(Action.STREAMING_QUERY) in json.loads(body)["actions"]
    assert nobody.status == 401


async def test_a_refusal_says_nothing_of_the_database(path):
    async with application(HELLO, **on_file(path, **QUICK)) as app, locked(path):
        _, body = await app.ask("POST", TURNS, QUERY)

    assert b"sqlite" not in body.lower()
    assert str(path.parent).encode() not in body
