"""However a turn ends, the database says of it what its stream has said."""

import json

import anyio
import pytest

from service.errors import UpstreamError, UpstreamReset
from service.turns.drain import drain, stop
from tests.support import agents_chunks as agents
from tests.support.applications import QUERY, TURNS, application, events
from tests.support.kept_turns import agrees, kept_conversations, kept_turns, on_file, told
from tests.support.moderation import OBJECTION, PASSED, QUESTION_OBJECTION, after_verdict
from tests.support.upstreams import NEVER, Script, answer, closing, opening_chunk, says
from tests.support.waiting_turns import (
    BOTH,
    GOES_ON,
    LOOPS,
    RETURNED_ONE,
    THREE,
    WAITS,
    WAITS_AGAIN,
)

pytestmark = pytest.mark.slow

GONE = UpstreamError("upstream_unavailable", "The upstream is not available.", 503, untaken=True)
LOST = UpstreamError("upstream_unavailable", "The upstream is not available.", 503)
SAID = (opening_chunk(), says("Hel"), says("lo"))
CALL = agents.call("c1", "get_weather", '{"city":"Oslo"}')
TOOLS = (
    agents.step_start("s1"),
    agents.whole_call("s1", CALL),
    agents.inference_complete("s1", "end_of_message"),
    agents.step_start("s2", "tool_execution"),
    agents.whole_call("s2", CALL, "tool_execution"),
    agents.tool_complete("s2", agents.response("c1", "Rain")),
    *answer("It ", "rains."),
)
VIOLATION = (
    *SAID,
    agents.inference_complete("s1"),
    agents.step_start("s2", "shield_call", touchpoint="assistant-output"),
    agents.verdict("s2", agents.violation("I can't say that.")),
    agents.turn_complete("I can't say that."),
)
ENDINGS = {
    "end": Script(answer("Hel", "lo")),
    "tools": Script(TOOLS),
    "violation upstream": Script(VIOLATION),
    "iterations": LOOPS,
    "awaiting": WAITS,
    "never taken": Script(at_open=(GONE,)),
    "upstream error": Script((*SAID, LOST)),
    "error chunk": Script((*SAID, agents.error("500: no"))),
    "truncated": Script(SAID),
    "reset": Script((*SAID, UpstreamReset())),
    "illegal": Script((*SAID, opening_chunk())),
    "garbage": Script((*SAID, b"{")),
    "crash": Script((*SAID, RuntimeError("a bug"))),
    "question refused": Script(
        judgements=(QUESTION_OBJECTION,), judges_question=True, moderation=after_verdict(1)
    ),
    "answer refused": Script(
        answer("Hel", "lo"), judgements=(PASSED, OBJECTION), moderation=after_verdict(3)
    ),
}
HALVES = {"halves of characters": Script(answer("\ud83d", "\0", "\ude00"))}
"""In the file they are written in another way."""


@pytest.fixture
def path(tmp_path):
    """Return where the database is."""
    return tmp_path / "turnstile.db"


async def asked(app):
    """Ask, and return what the stream says; what is refused as a status is read as a stream."""
    async with app.turn() as turn:
        body = await turn.body()
    if turn.status != 200:
        async with app.resume(turn) as again:
            body = await again.body()
    return body


@pytest.mark.parametrize("ending", list(ENDINGS))
async def test_a_turn_is_kept_as_it_was_told(path, ending):
    async with application(ENDINGS[ending], **on_file(path)) as app:
        body = await asked(app)

    (row,) = kept_turns(path)
    said = told(body)
    assert {name: row[name] for name in said} == said
    assert events(body)[-1]["data"]["stored"] is True
    assert row["ended_ms"] >= row["began_ms"]


@pytest.mark.parametrize("ending", [*ENDINGS, *HALVES])
async def test_a_conversation_is_read_as_it_was_told(database_url, ending):
    kept = {"database": {"url": database_url}}
    async with application((ENDINGS | HALVES)[ending], **kept) as app:
        said = told(await asked(app))
    async with application(**kept) as later:
        _, listed = await later.ask("GET", "/v1/conversations")
        (conversation,) = json.loads(listed)["conversations"]
        _, body = await later.ask("GET", f"/v1/conversations/{conversation['conversation_id']}")

    (turn,) = json.loads(body)["turns"]
    assert {name: turn[name] for name in said} == said


async def test_nobody_has_to_read_a_turn(path):
    go_on = anyio.Event()
    script = Script((*SAID, go_on, *closing("Hello")))
    async with application(script, **on_file(path)) as app:
        async with app.turn() as turn:
            await turn.part()
            turn.disconnect()
        go_on.set()
        await app.services.live.ended()
        async with app.resume(turn) as later:
            said = told(await later.body())

    assert said["outcome"] == "end"
    assert agrees(kept_turns(path)[0], said)


async def test_one_that_ends_because_nobody_reads_it_is_interrupted(path):
    script = Script((*SAID, NEVER))
    async with application(script, disconnect_grace_s=0.05, **on_file(path)) as app:
        async with app.turn(on_disconnect="cancel") as turn:
            await turn.part()
            turn.disconnect()
        await app.services.live.ended()
        async with app.resume(turn) as later:
            said = told(await later.body())

    (row,) = kept_turns(path)
    assert (said["outcome"], row["answer"]) == ("interrupted", "Hello")
    assert agrees(row, said)


async def interrupt(app, turn):
    await app.interrupt(turn)


async def come_to_an_end(app, turn):
    with anyio.move_on_after(0.01):
        await drain(app.services)
    await stop(app.services, 2.0)


async def wait(app, turn):
    await app.services.live.ended()


STOPPED = [
    (interrupt, {}, "interrupted"),
    (come_to_an_end, {}, "interrupted"),
    (wait, {"idle_timeout_s": 0.05}, "error"),
    (wait, {"turn_timeout_s": 0.05}, "error"),
    (wait, {"first_chunk_timeout_s": 0.05, "idle_timeout_s": 0.05}, "error"),
]


@pytest.mark.parametrize(("how", "settings", "outcome"), STOPPED)
@pytest.mark.parametrize("script", [Script((*SAID, NEVER)), Script((opening_chunk(), NEVER))])
async def test_a_turn_that_is_cut_is_kept_as_it_was_told(path, how, settings, outcome, script):
    async with application(script, **settings, **on_file(path)) as app, app.turn() as turn:
        body = await turn.part()
        await how(app, turn)
        said = told(body + await turn.body())

    (row,) = kept_turns(path)
    assert said["outcome"] == outcome
    assert agrees(row, said)
    assert row["told"] == bool(row["answer"])


async def test_the_end_of_a_process_in_order_is_kept(path):
    async with application(Script((*SAID, NEVER)), **on_file(path)) as app, app.turn() as turn:
        body = await turn.part()

    said = told(body + await turn.body()) if turn.waiting_parts() else None
    (row,) = kept_turns(path)
    assert (row["outcome"], row["answer"]) == ("interrupted", "Hello")
    assert said is None or agrees(row, said)


async def test_each_stream_of_a_turn_that_waits_is_kept(path):
    last = Script((RETURNED_ONE, *answer("3")))
    async with application(WAITS, WAITS_AGAIN, last, **on_file(path)) as app:
        async with app.turn() as first:
            bodies = [await first.body()]
        async with app.answer(first, **BOTH) as second:
            bodies += [await second.body()]
        async with app.answer(second, tool_results=[THREE]) as third:
            bodies += [await third.body()]

    rows = kept_turns(path)
    assert [row["outcome"] for row in rows] == ["awaiting_input", "awaiting_input", "end"]
    for row, body in zip(rows, bodies, strict=True):
        assert agrees(row, told(body))
    ids = [each.headers["x-request-id"] for each in (first, second, third)]
    assert [row["resumes"] for row in rows] == [None, *ids[:2]]
    assert {row["key"] for row in rows} == {ids[0]}
    assert kept_conversations(path)[0]["message_count"] == 1


async def test_answers_that_do_not_reach_the_upstream_leave_the_truth(path):
    async with application(WAITS, Script(at_open=(GONE,)), GOES_ON, **on_file(path)) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as refused:
            await refused.body()
        async with app.answer(turn, **BOTH) as again:
            await again.body()

    rows = kept_turns(path)
    assert (refused.status, again.status) == (503, 200)
    assert [row["outcome"] for row in rows] == ["awaiting_input", "error", "end"]
    assert rows[1]["code"] == "upstream_unavailable"


async def test_a_turn_that_was_not_let_in_is_not_there(path):
    one = on_file(path) | {"running_turns_limit": 1}
    async with application(Script((*SAID, NEVER)), **one) as app, app.turn() as turn:
        await turn.part()
        refused, _ = await app.ask("POST", TURNS, QUERY)
        await app.interrupt(turn)
        await turn.body()

    assert refused.status == 503
    assert len(kept_turns(path)) == 1
    assert len(kept_conversations(path)) == 1


async def test_a_turn_that_was_not_let_in_leaves_its_conversation_where_it_was(path):
    scripts = (Script(answer("Hello")), Script((*SAID, NEVER)), Script(answer("More")))
    async with application(*scripts, running_turns_limit=1, **on_file(path)) as app:
        first = await app.ended()
        async with app.turn() as busy:
            await busy.part()
            refused = await app.goes_on(first)
            await app.interrupt(busy)
            await busy.body()
        await app.goes_on(first)

    threads = [each.conversation.thread for each in app.upstream.plans]
    assert refused.status == 503
    assert threads[-1] == threads[-2] is not None


async def test_two_processes_that_share_redis_and_a_database_tell_the_same(path, redis_server):
    shared = {"redis": {"url": redis_server.url}, **on_file(path)}
    async with (
        application(Script((*SAID, NEVER)), **shared) as one,
        application(Script(answer("More")), **shared) as other,
        one.turn() as turn,
    ):
        body = await turn.part()
        await other.interrupt(turn)
        said = told(body + await turn.body())
        await other.goes_on(turn)

    assert agrees(kept_turns(path)[0], said)
    assert [each.answer for each in other.upstream.histories[0]] == ["Hello"]
