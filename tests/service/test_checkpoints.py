"""What a running turn has said is kept now and then; who finds one that nobody drives ends it."""

import json
from contextlib import asynccontextmanager

import anyio
import pytest

from tests.support.applications import application, events, names
from tests.support.kept_turns import agrees, kept_conversations, kept_turns, locked, on_file, told
from tests.support.logs import until
from tests.support.upstreams import NEVER, Script, answer, closing, opening_chunk, says, thread_of

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
ENDLESS = Script((opening_chunk(), says("Hel"), NEVER))
SELDOM = {"checkpoint_s": 1_000.0, "lease_s": 3_600.0}
LONG_S = 7_200


@pytest.fixture
def path(tmp_path):
    """Return where the database is."""
    return tmp_path / "turnstile.db"


async def look(app, later_s=LONG_S):
    """Let an application look after its turns and those of others, as if it were later."""
    turns, clock = app.services.turns, app.services.turns._clock
    turns._clock = lambda: clock() + later_s
    await app.services.checkpoints._keep()
    turns._clock = clock


@asynccontextmanager
async def two(path, *scripts, **settings):
    """Run two applications on one database: one that drives a turn, and one that comes later."""
    shared = on_file(path, **SELDOM)
    async with (
        application(*scripts, **shared) as one,
        application(HELLO, **(shared | settings)) as other,
    ):
        yield one, other


def abandoned(log):
    return [each["request_id"] for each in log if each["event"] == "turn.abandoned"]


async def test_a_turn_is_there_from_before_it_has_said_anything(path):
    silent = Script(at_open=(NEVER,))
    async with application(silent, **on_file(path), commit_wait_s=0.01) as app, app.turn() as turn:
        await turn.begun()
        (row,) = kept_turns(path)

    assert (row["question"], row["answer"], row["outcome"]) == ("What is a pod?", "", None)


async def test_what_was_said_so_far_is_kept_while_the_turn_runs(path):
    async with application(ENDLESS, **on_file(path, checkpoint_s=0.01)) as app, app.turn() as turn:
        await turn.part()
        await until(lambda: kept_turns(path)[0]["answer"] == "Hel")
        (row,) = kept_turns(path)
        await app.interrupt(turn)

    assert row["outcome"] is None


async def test_it_is_kept_as_often_as_is_set(path):
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hel"), go_on, says("lo"), NEVER))
    async with application(script, **on_file(path, checkpoint_s=0.01)) as app, app.turn() as turn:
        await turn.part()
        await until(lambda: kept_turns(path)[0]["answer"] == "Hel")
        go_on.set()
        await until(lambda: kept_turns(path)[0]["answer"] == "Hello")
        await app.interrupt(turn)


async def test_a_conversation_shows_a_turn_that_runs(path):
    async with application(ENDLESS, **on_file(path, **SELDOM)) as app, app.turn() as turn:
        await turn.part()
        await look(app, later_s=0)
        target = f"/v1/conversations/{turn.headers['x-conversation-id']}"
        _, body = await app.ask("GET", target)
        await app.interrupt(turn)

    (shown,) = json.loads(body)["turns"]
    assert (shown["answer"], shown["outcome"], shown["completed_at"]) == ("Hel", None, None)


async def test_a_turn_of_a_process_that_died_is_ended_by_another(path, log):
    async with two(path, ENDLESS) as (one, other), one.turn() as turn:
        await turn.part()
        await look(one, later_s=0)
        await look(other)
        (row,) = kept_turns(path)
        await one.interrupt(turn)

    assert (row["outcome"], row["code"], row["answer"]) == ("error", "owner_lost", "Hel")
    assert abandoned(log) == [turn.headers["x-request-id"]]


async def test_what_it_has_said_is_part_of_its_conversation(path):
    async with two(path, ENDLESS) as (one, other), one.turn() as turn:
        await turn.part()
        await look(one, later_s=0)
        await look(other)
        await other.goes_on(turn)
        await one.interrupt(turn)

    (past,) = other.upstream.histories[0]
    assert (past.question, past.answer) == ("What is a pod?", "Hel")


async def test_what_the_upstream_has_of_it_goes_with_its_conversation(path):
    async with two(path, HELLO, ENDLESS) as (one, other):
        first = await one.ended()
        target = f"/v1/conversations/{first.headers['x-conversation-id']}"
        async with one.turn(conversation_id=first.headers["x-conversation-id"]) as turn:
            await turn.part()
            await look(other)
            deleted, _ = await other.ask("DELETE", target)
            await one.interrupt(turn)

    assert deleted.status == 200
    assert other.upstream.forgotten == [thread_of(1)]


async def test_each_is_ended_once(path, log):
    async with two(path, ENDLESS) as (one, other), one.turn() as turn:
        await turn.part()
        await look(one, later_s=0)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(look, other)
        await one.interrupt(turn)

    assert len(abandoned(log)) == 1


async def test_a_turn_that_somebody_drives_is_left_alone(path, log):
    async with two(path, ENDLESS) as (one, other), one.turn() as turn:
        await turn.part()
        await look(one)
        await look(other)
        await one.interrupt(turn)

        assert names(await turn.body())[-1] == "interrupted"
    assert abandoned(log) == []


async def test_who_lives_after_all_has_the_last_word(path):
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hel"), go_on, says("lo"), *closing("Hello")))
    async with two(path, script) as (one, other), one.turn() as turn:
        body = await turn.part()
        await look(other)
        go_on.set()
        body += await turn.body()

    assert events(body)[-1]["data"]["stored"] is True
    assert agrees(kept_turns(path)[0], told(body))
    (conversation,) = kept_conversations(path)
    assert conversation["message_count"] == 1


async def test_an_abandoned_turn_is_exported(path, tmp_path):
    directory = tmp_path / "transcripts"
    kept = {"transcripts": {"directory": directory}}
    async with two(path, ENDLESS, **kept) as (one, other), one.turn() as turn:
        await turn.part()
        await look(one, later_s=0)
        await look(other)
        await until(lambda: list(directory.rglob("*.json")))
        (written,) = directory.rglob("*.json")
        await one.interrupt(turn)

    assert turn.headers["x-request-id"] in written.read_text()


async def test_a_database_that_is_not_there_is_one_line_in_the_log(path, log):
    settings = on_file(path, checkpoint_s=0.01, timeout_s=0.3)
    async with application(ENDLESS, **settings) as app, app.turn() as turn:
        await turn.part()
        async with locked(path):
            await until(lambda: [each for each in log if each["event"] == "checkpoint.failed"])
            # Long enough to fail once more.
            await anyio.sleep(0.4)
        await until(lambda: kept_turns(path)[0]["answer"] == "Hel")
        await app.interrupt(turn)

    (line,) = [each for each in log if each["event"] == "checkpoint.failed"]
    assert line["cause"] == "The database takes too long."


async def test_turns_that_nobody_drives_are_ended_when_a_process_starts(path, log):
    async with application(ENDLESS, **on_file(path, **SELDOM)) as one, one.turn() as turn:
        await turn.part()
        await look(one, later_s=-LONG_S)
        async with application(HELLO, **on_file(path)):
            await until(lambda: abandoned(log))
            await one.interrupt(turn)
            await turn.body()

    assert abandoned(log) == [turn.headers["x-request-id"]]
