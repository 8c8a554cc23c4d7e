"""Where the upstream goes on with a conversation, and what it may delete."""

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from service.errors import UpstreamError
from tests.support import agents_chunks as agents
from tests.support.applications import application
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says, thread_of
from tests.support.waiting_turns import LOOPS, WAITS

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
REFUSED = UpstreamError("upstream_unavailable", "The upstream is not available.", 503)


def said(past):
    """Return what an upstream was told of the turns before."""
    return [(each.question, each.answer) for each in past]


async def test_the_next_turn_goes_on_with_the_thread_of_the_last():
    async with application(HELLO) as app:
        turn = await app.ended()
        await app.goes_on(turn)
        await app.goes_on(turn)

        assert app.upstream.forgotten == [thread_of(1), thread_of(2)]

    came_from = [each.conversation.thread for each in app.upstream.plans]
    assert came_from == [None, thread_of(1), thread_of(2)]


async def test_a_thread_that_stays_the_same_is_not_forgotten():
    async with application(Script(answer("Hi"), stays=True)) as app:
        turn = await app.ended()
        await app.goes_on(turn)
        await app.goes_on(turn)

        assert app.upstream.forgotten == []

    assert app.upstream.plans[2].conversation.thread == thread_of(1)


FAILURES = [REFUSED, b"{garbage", agents.error("500: boom"), agents.step_start("s9")]


@pytest.mark.parametrize("failure", FAILURES)
async def test_after_a_failure_the_history_is_all_there_is(failure):
    """Nobody can trust what the upstream has kept of a turn that went wrong."""
    failing = Script((opening_chunk(), says("Hel"), failure))
    async with application(HELLO, failing, HELLO) as app:
        turn = await app.ended()
        await app.goes_on(turn)

        assert app.upstream.forgotten == [thread_of(1)]
        await app.goes_on(turn)

    assert app.upstream.plans[2].conversation.thread is None
    assert len(said(app.upstream.histories[2])) == 2


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failure_before_anything_was_said_leaves_the_thread_as_it_was(failure):
    async with application(HELLO, Script((opening_chunk(), failure)), HELLO) as app:
        turn = await app.ended()
        await app.goes_on(turn)

        assert app.upstream.forgotten == []
        await app.goes_on(turn)

    assert app.upstream.plans[2].conversation.thread == thread_of(1)
    assert len(said(app.upstream.histories[2])) == 1


async def test_after_an_interrupt_the_history_is_all_there_is():
    script = Script((opening_chunk(), says("Hel"), NEVER))
    async with application(HELLO, script, HELLO) as app:
        turn = await app.ended()
        async with app.turn(conversation_id=turn.headers["x-conversation-id"]) as stopped:
            await stopped.part()
            await app.interrupt(stopped)

        assert app.upstream.forgotten == [thread_of(1)]
        await app.goes_on(turn)

    assert app.upstream.plans[2].conversation.thread is None


async def test_a_turn_that_the_upstream_did_not_take_leaves_the_thread_as_it_was():
    async with application(HELLO, Script(at_open=(REFUSED,)), HELLO) as app:
        turn = await app.ended()
        await app.goes_on(turn)

        assert app.upstream.forgotten == []
        await app.goes_on(turn)

    assert app.upstream.plans[2].conversation.thread == thread_of(1)


async def test_a_turn_without_a_thread_leaves_none():
    async with application(HELLO, Script(answer("Hi"), threads=False)) as app:
        turn = await app.ended()
        await app.goes_on(turn)
        await app.goes_on(turn)

        assert app.upstream.forgotten == [thread_of(1)]

    assert app.upstream.plans[2].conversation.thread is None


async def test_of_two_questions_at_once_one_is_refused_and_the_other_goes_on():
    """Both come while the upstream is asked what it offers."""
    offered = anyio.Event()
    async with application(HELLO, Script(answer("Hi"), at_prepare=(offered,))) as app:
        turn = await app.ended()
        again = {"conversation_id": turn.headers["x-conversation-id"]}
        async with app.turn(**again) as one, app.turn(**again) as other:
            await wait_all_tasks_blocked()
            offered.set()
            statuses = sorted([(await one.begun()).status, (await other.begun()).status])
            await one.body()
            await other.body()

    assert statuses == [200, 409]
    assert [each.conversation.thread for each in app.upstream.plans[1:]] == [thread_of(1)]


@pytest.mark.parametrize(("script", "goes_on"), [(WAITS, None), (LOOPS, thread_of(1))])
async def test_a_thread_that_waits_for_answers_is_taken(script, goes_on):
    """At its iteration limit a server waits for nothing."""
    async with application(script, HELLO) as app:
        turn = await app.ended()

        assert app.upstream.forgotten == []
        await app.goes_on(turn)

    assert app.upstream.plans[1].conversation.thread == goes_on


async def test_the_end_of_the_process_forgets_every_thread():
    async with application(HELLO, WAITS) as app:
        await app.ended()
        await app.ended()

    assert app.upstream.forgotten == [thread_of(1), thread_of(2)]


async def test_a_question_that_comes_while_the_process_stops_takes_no_thread():
    """It is refused, and the thread is forgotten with all the others."""
    offered = anyio.Event()
    async with application(HELLO, Script(answer("Hi"), at_prepare=(offered,))) as app:
        turn = await app.ended()
        async with app.turn(conversation_id=turn.headers["x-conversation-id"]) as late:
            await wait_all_tasks_blocked()
            app.services.live.stop_all()
            offered.set()
            await late.begun()

    assert late.status == 503
    assert app.upstream.forgotten == [thread_of(1)]
