"""One turn of a conversation runs at a time."""

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from service.errors import UpstreamError
from tests.support.applications import TURNS, application, events, names
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says
from tests.support.waiting_turns import BOTH, GOES_ON, WAITS, refusal

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))


@pytest.fixture(params=["memory", "redis"])
def store(request):
    """Return the settings that choose where turns are kept."""
    if request.param == "memory":
        return {}
    return {"redis": {"url": request.getfixturevalue("redis_server").url}}


async def test_a_second_question_is_refused_and_told_which_turn_runs(store):
    async with application(ENDLESS, **store) as app, app.turn() as running:
        await running.part()
        again = {"conversation_id": running.headers["x-conversation-id"]}
        async with app.turn(**again) as other:
            body = await other.json()
        await app.interrupt(running)
        await running.body()

    request_id = running.headers["x-request-id"]
    assert (other.status, body["code"]) == (409, "conversation_busy")
    assert body["request_id"] == request_id
    assert other.headers["content-location"] == f"{TURNS}/{request_id}"


async def test_a_second_question_may_stop_the_turn_first(store):
    async with application(ENDLESS, HELLO, **store) as app, app.turn() as running:
        await running.part()
        again = {"conversation_id": running.headers["x-conversation-id"], "if_busy": "interrupt"}
        async with app.turn(**again) as other:
            said = await other.body()
        stopped = await running.body()

    assert events(stopped)[-1]["data"]["by"] == "user"
    assert names(said)[-1] == "end"
    # What was said until then is part of the history.
    assert [each.answer for each in app.upstream.histories[1]] == ["Hi"]


async def test_another_process_refuses_it_as_well(shared_store):
    async with (
        application(ENDLESS, **shared_store) as one,
        application(HELLO, **shared_store) as other,
        one.turn() as running,
    ):
        await running.part()
        again = {"conversation_id": running.headers["x-conversation-id"]}
        async with other.turn(**again) as refused:
            body = await refused.json()
        async with other.turn(**again, if_busy="interrupt") as turn:
            said = await turn.body()
        stopped = await running.body()

    assert (refused.status, body["request_id"]) == (409, running.headers["x-request-id"])
    assert names(stopped)[-1] == "interrupted"
    assert names(said)[-1] == "end"
    assert [each.answer for each in other.upstream.histories[0]] == ["Hi"]


async def test_the_next_question_can_come_with_the_last_event(store):
    async with application(HELLO, HELLO, **store) as app:
        turn = await app.ended()
        following = await app.goes_on(turn)

    assert following.status == 200


async def test_a_turn_that_failed_leaves_its_conversation_free(store):
    failing = Script(at_open=(UpstreamError("upstream_error", "No."),))
    async with application(HELLO, failing, HELLO, **store) as app:
        turn = await app.ended()
        failed = await app.goes_on(turn)
        following = await app.goes_on(turn)

    assert (failed.status, following.status) == (502, 200)


async def test_a_question_that_is_not_admitted_leaves_its_conversation_free(store):
    tools = [{"name": "a_tool"}]
    async with application(HELLO, HELLO, client_tools_by_request=False, **store) as app:
        turn = await app.ended()
        refused = await app.goes_on(turn, client_tools=tools)
        following = await app.goes_on(turn)

    assert (refused.status, following.status) == (422, 200)


async def test_a_conversation_whose_turn_has_ended_is_free_whatever_was_forgotten():
    """The claim of a turn can outlive it when the claims could not be reached."""
    async with application(HELLO, HELLO) as app:
        turn = await app.ended()
        conversation_id = turn.headers["x-conversation-id"]
        claims, request_id = app.services.admission.claims, turn.headers["x-request-id"]
        await claims.claim(f"conversation:{conversation_id}", f"{request_id} started ", 1_000)

        assert (await app.goes_on(turn)).status == 200


async def test_answers_are_refused_while_another_turn_runs(store):
    async with application(WAITS, ENDLESS, GOES_ON, **store) as app:
        turn = await app.ended()
        again = {"conversation_id": turn.headers["x-conversation-id"]}
        async with app.turn(**again) as running:
            await running.part()
            status, code, _ = await refusal(app, turn, **BOTH)
            await app.interrupt(running)
            await running.body()
        async with app.answer(turn, **BOTH) as answered:
            await answered.body()

    assert (status, code) == (409, "conversation_busy")
    assert answered.status == 200


async def test_questions_without_a_conversation_never_meet(store):
    go_on = anyio.Event()
    script = Script((opening_chunk(), go_on, *answer("Hi")[1:]))
    async with application(script, script, **store) as app, app.turn() as one, app.turn() as two:
        go_on.set()

        assert [names(await each.body())[-1] for each in (one, two)] == ["end", "end"]


async def test_a_turn_that_is_about_to_start_is_stopped_when_it_has(store):
    offered = anyio.Event()
    starting = Script((opening_chunk(), says("Hi"), NEVER), at_prepare=(offered,))
    async with application(HELLO, starting, HELLO, **store) as app:
        turn = await app.ended()
        again = {"conversation_id": turn.headers["x-conversation-id"]}
        async with app.turn(**again) as first, app.turn(**again, if_busy="interrupt") as second:
            await wait_all_tasks_blocked()
            offered.set()
            stopped, said = await first.body(), await second.body()

    assert (names(stopped)[-1], names(said)[-1]) == ("interrupted", "end")
