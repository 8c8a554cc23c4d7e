"""Stopping turns: by who asks for it, and by a process that stops."""

import uuid

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from statemachine import Interrupter
from tests.support.applications import QUERY, TURNS, application, events, names
from tests.support.upstreams import NEVER, Script, answer, closing, opening_chunk, says

ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
STOPPED = "The turn was stopped."
OVER = "The turn had already ended."


async def test_an_interrupt_ends_the_stream_of_every_reader():
    async with application(ENDLESS) as app, app.turn() as turn:
        await turn.part()
        async with app.resume(turn) as beside:
            said = await app.interrupt(turn)
            last = events(await turn.body())[-1]

            assert events(await beside.body())[-1] == last

    request_id = turn.headers["x-request-id"]
    assert said == {"request_id": request_id, "interrupted": True, "message": STOPPED}
    assert last["event"] == "interrupted"
    assert (last["data"]["by"], last["data"]["request_id"]) == ("user", request_id)


async def test_an_interrupt_makes_the_upstream_stop():
    async with application(ENDLESS) as app, app.turn() as turn:
        await turn.part()
        await app.interrupt(turn)
        await turn.body()

        assert app.upstream.turns[0].closed.is_set()


async def test_the_turn_to_stop_may_be_named_in_the_body():
    async with application(ENDLESS) as app, app.turn() as turn:
        await turn.part()
        named = {"request_id": turn.headers["x-request-id"].upper()}
        reply, _ = await app.ask("POST", f"{TURNS}/interrupt", named)

        assert reply.status == 200
        assert names(await turn.body())[-1] == "interrupted"


async def test_a_second_interrupt_says_that_the_turn_is_over():
    async with application(ENDLESS) as app, app.turn() as turn:
        await turn.part()
        await app.interrupt(turn)

        assert (await app.interrupt(turn))["interrupted"] is False
        assert names(await turn.body()).count("interrupted") == 1


async def test_an_interrupt_after_the_end_says_so():
    async with application(Script(answer("Hi"))) as app, app.turn() as turn:
        await turn.body()
        said = await app.interrupt(turn)

    assert (said["interrupted"], said["message"]) == (False, OVER)


@pytest.mark.parametrize("target", [f"{TURNS}/{uuid.UUID(int=7)}/interrupt", f"{TURNS}/interrupt"])
async def test_an_interrupt_of_an_unknown_turn_is_a_404(target):
    async with application() as app:
        reply, body = await app.ask("POST", target, {"request_id": str(uuid.UUID(int=7))})

    assert reply.status == 404
    assert b'"code":"turn_unknown"' in body


@pytest.mark.parametrize("body", [{}, {"request_id": "x"}, {"request_id": 7}, [], None])
async def test_an_interrupt_that_names_no_turn_is_refused(body):
    async with application() as app:
        reply, _ = await app.ask("POST", f"{TURNS}/interrupt", body)

    assert reply.status == (400 if body is None else 422)


async def test_a_turn_can_be_stopped_before_the_upstream_has_said_anything():
    async with application(Script(at_open=(NEVER,)), commit_wait_s=0.01) as app, app.turn() as turn:
        await turn.begun()
        await app.interrupt(turn)

        assert names(await turn.body()) == ["start", "interrupted"]


async def test_an_interrupt_that_comes_with_the_last_chunk_is_told_how_the_turn_ended():
    """The chunk is there when the interrupt comes, but it was not applied yet."""
    last = anyio.Event()
    step_complete, turn_complete = closing("")
    script = Script((opening_chunk(), step_complete, last, turn_complete))
    async with application(script) as app, app.turn() as turn:
        await turn.part()
        last.set()
        said = await app.services.live.interrupt(turn.headers["x-request-id"], Interrupter.USER)
        told = names(await turn.body())

    assert said is (told == ["interrupted"])
    assert told in (["interrupted"], ["turn_complete", "end"])


async def test_an_interrupt_while_the_upstream_is_closed_comes_too_late():
    closed = anyio.Event()
    script = Script(answer("Hi"), at_close=(closed,))
    async with application(script) as app, app.turn() as turn, anyio.create_task_group() as tasks:
        await turn.part()
        (running,) = app.services.live._turns.values()
        while running.terminal is None:
            await checkpoint()
        tasks.start_soon(_expect_too_late, app, turn)
        await wait_all_tasks_blocked()
        closed.set()

        assert names(await turn.body())[-1] == "end"


async def _expect_too_late(app, turn):
    said = await app.interrupt(turn)
    assert (said["interrupted"], said["message"]) == (False, OVER)


async def test_a_process_that_stops_tells_every_reader():
    async with application(ENDLESS) as app, app.turn() as turn, app.turn() as other:
        await turn.part()
        await other.part()
        app.services.live.stop_all()

        for reader in (turn, other):
            last = events(await reader.body())[-1]

            assert (last["event"], last["data"]["by"]) == ("interrupted", "drain")


async def test_the_end_of_the_lifespan_stops_the_turns(log):
    async with application(ENDLESS) as app, app.turn() as turn:
        await turn.part()

    (line,) = [each for each in log if each["event"] == "turn.ended"]
    assert line["outcome"] == "interrupted"
    assert log[-1]["event"] == "service.stopped"


async def test_a_process_that_stops_takes_no_new_turns():
    async with application(Script(answer("Hi"))) as app:
        app.services.live.stop_all()
        reply, body = await app.ask("POST", TURNS, QUERY)

    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert b'"code":"stopping"' in body


async def test_a_turn_that_is_prepared_while_the_process_stops_is_refused():
    prepared = anyio.Event()
    async with application(Script(answer("Hi"), at_prepare=(prepared,))) as app, app.turn() as turn:
        await wait_all_tasks_blocked()
        app.services.live.stop_all()
        prepared.set()
        await turn.begun()

    assert turn.status == 503


async def test_turns_beyond_the_limit_are_refused():
    async with application(ENDLESS, running_turns_limit=1) as app, app.turn() as turn:
        await turn.part()
        reply, body = await app.ask("POST", TURNS, QUERY)
        await app.interrupt(turn)
        await turn.body()
        async with app.turn() as next_turn:
            await next_turn.begun()

    assert (reply.status, reply.headers["retry-after"]) == (503, "5")
    assert b'"code":"too_many_turns"' in body
    assert next_turn.status == 200
