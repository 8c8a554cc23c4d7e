"""What is older than it may be is deleted: turns, transcripts, and what the upstream has."""

import json
import os
import time
from contextlib import AsyncExitStack

import anyio
import pytest

from tests.support.applications import application, names
from tests.support.kept_turns import kept_conversations, kept_turns, locked, on_file
from tests.support.logs import until
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says, thread_of
from tests.support.waiting_turns import BOTH, WAITS

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
AN_HOUR_S = 3_600.0
KEEPS = {"retention": {"turns_s": AN_HOUR_S, "transcripts_s": AN_HOUR_S}}


async def pass_by(app, time_s=AN_HOUR_S + 1):
    """Delete what would be too old at a later time."""
    await app.services.retention.expire(time.time() + time_s)


async def read(app, turn):
    """Return the conversation of a turn, None when it is not there."""
    target = f"/v1/conversations/{turn.headers['x-conversation-id']}"
    made, body = await app.ask("GET", target)
    return json.loads(body) if made.status == 200 else None


async def test_what_is_young_enough_stays():
    async with application(HELLO, **KEEPS) as app:
        turn = await app.ended()
        await pass_by(app, AN_HOUR_S - 60)

        assert (await read(app, turn))["message_count"] == 1
    assert app.upstream.forgotten == [thread_of(1)]  # with the process


async def test_a_conversation_goes_with_its_last_turn():
    async with application(HELLO, **KEEPS) as app:
        turn = await app.ended()
        await pass_by(app)
        refused, _ = await app.ask("POST", "/v1/feedback", judged(turn))

        assert await read(app, turn) is None
        assert app.upstream.forgotten == [thread_of(1)]
    assert refused.status == 404


def judged(turn):
    return {"request_id": turn.headers["x-request-id"], "sentiment": 1}


async def test_without_a_setting_everything_stays():
    async with application(HELLO) as app:
        turn = await app.ended()
        await pass_by(app, 1_000 * AN_HOUR_S)

        assert await read(app, turn)


async def test_a_turn_that_runs_is_not_old():
    async with application(ENDLESS, **KEEPS) as app, app.turn() as turn:
        await turn.part()
        await pass_by(app)
        kept = await read(app, turn)
        await app.interrupt(turn)

        assert names(await turn.body())[-1] == "interrupted"
    assert len(kept["turns"]) == 1


async def test_only_old_turns_of_a_conversation_go(tmp_path):
    path = tmp_path / "turnstile.db"
    async with application(HELLO, HELLO, **KEEPS, **on_file(path)) as app:
        first = await app.ended()
        second_began_at = time.time()
        second = await app.goes_on(first)
        await app.services.retention.expire(second_began_at + AN_HOUR_S)
        kept = await read(app, first)

    assert [each["request_id"] for each in kept["turns"]] == [second.headers["x-request-id"]]
    assert kept["message_count"] == 1
    assert len(kept_turns(path)) == 1
    assert app.upstream.forgotten == [thread_of(1)]


async def test_a_turn_that_waits_goes_with_the_others():
    async with application(WAITS, **KEEPS) as app:
        turn = await app.ended()
        await pass_by(app)
        async with app.answer(turn, **BOTH) as late:
            await late.body()

        assert app.upstream.forgotten == [thread_of(1)]
    assert late.status == 404


async def test_what_has_waited_in_vain_is_forgotten_upstream():
    async with application(WAITS, answer_timeout_s=0.01) as app:
        turn = await app.ended()
        # Much longer than it waits.
        await anyio.sleep(0.05)
        await pass_by(app, 0)

        assert app.upstream.forgotten == [thread_of(1)]
        assert await read(app, turn)


async def test_old_transcripts_go(tmp_path):
    async with application(HELLO, **KEEPS, transcripts={"directory": tmp_path}) as app:
        await app.ended()
        await app.ended()
        await written(tmp_path, 2)
        old, _ = written_in(tmp_path)
        os.utime(old, (0, time.time() - AN_HOUR_S - 1))
        await pass_by(app, 0)

        assert old not in written_in(tmp_path)
        assert len(written_in(tmp_path)) == 1


def written_in(directory):
    return sorted(directory.rglob("*.json"))


async def written(directory, count):
    """Wait until there are so many transcripts."""
    await until(lambda: len(written_in(directory)) >= count)


async def test_it_is_done_by_itself(tmp_path):
    path = tmp_path / "turnstile.db"
    async with application(HELLO, **on_file(path)) as app:
        await app.ended()
    soon = {"retention": {"turns_s": 0.001}}
    async with application(HELLO, **soon, **on_file(path)) as app:
        await until(lambda: app.upstream.forgotten)

        assert app.upstream.forgotten == [thread_of(1)]
    assert kept_conversations(path) == []


@pytest.mark.parametrize("again", [False, True])
async def test_a_database_that_is_not_there_is_a_line_in_the_log(tmp_path, log, again):
    path, lock = tmp_path / "turnstile.db", AsyncExitStack()
    async with application(HELLO, **on_file(path)) as app:
        await app.ended()
    await lock.enter_async_context(locked(path))
    soon = on_file(path, timeout_s=0.3) | {"retention": {"turns_s": 0.001}}
    async with application(HELLO, **soon) as app:
        await until(lambda: failures(log))
        await lock.aclose()
        if again:
            await pass_by(app, 0)

    assert failures(log) == ["The database takes too long."]
    assert bool(kept_turns(path)) is not again


def failures(log):
    return [each["cause"] for each in log if each["event"] == "retention.failed"]


async def test_old_recordings_go_though_no_turn_begins(tmp_path):
    recording = {"directory": tmp_path, "age_limit_s": AN_HOUR_S}
    async with application(HELLO, HELLO, recording=recording) as app:
        await app.ended()
        (old,) = tmp_path.iterdir()
        os.utime(old, (0, time.time() - AN_HOUR_S - 1))
        await app.ended()

        await pass_by(app, 0)

        assert len(list(tmp_path.iterdir())) == 1
        assert not old.exists()
