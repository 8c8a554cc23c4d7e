"""Answers count once: the same again join the first, others are refused."""

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from tests.support.applications import application, names
from tests.support.moderation import QUESTION_OBJECTION
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, thread_of
from tests.support.waiting_turns import (
    BOTH,
    DONE,
    GOES_ON,
    LOST,
    REFUSED,
    RETURNED,
    THREE,
    WAITS,
    refusal,
)

pytestmark = pytest.mark.slow


async def test_the_same_answers_again_join_the_first_stream():
    async with application(WAITS, GOES_ON) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as first:
            one = await first.body()
        async with app.answer(turn, tool_results=[DONE, THREE]) as second:
            two = await second.body()

    assert one == two
    assert second.headers["x-request-id"] == first.headers["x-request-id"]
    assert len(app.upstream.resumed) == 1


async def test_the_same_answers_join_a_stream_that_runs():
    go_on = anyio.Event()
    async with application(WAITS, Script((RETURNED, go_on, *answer("3")))) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as first, app.answer(turn, **BOTH) as second:
            parts = await first.part(), await second.part()
            go_on.set()

            assert parts[0] == parts[1]
            assert await first.body() == await second.body()


async def test_of_two_at_once_one_is_first():
    asked = anyio.Event()
    async with application(WAITS, Script(GOES_ON.body, at_prepare=(asked,))) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as one, app.answer(turn, **BOTH) as other:
            await wait_all_tasks_blocked()
            asked.set()

            assert await one.body() == await other.body()

    assert len(app.upstream.resumed) == 1


async def test_other_answers_are_refused():
    async with application(WAITS, GOES_ON) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as first:
            await first.body()
        told = await refusal(app, turn, tool_results=[THREE | {"content": "4"}, DONE])

    assert told[:2] == (409, "answers_differ")
    assert len(app.upstream.resumed) == 1


async def test_answers_that_the_upstream_did_not_take_can_be_given_again():
    """Others too: nobody has heard of the first."""
    async with application(WAITS, Script(at_open=(REFUSED,)), GOES_ON) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as failed:
            await failed.body()
        async with app.answer(turn, tool_results=[THREE | {"content": "4"}, DONE]) as again:
            assert names(await again.body())[-1] == "end"

        assert app.upstream.forgotten == [thread_of(1)]

    assert (failed.status, again.status) == (503, 200)


async def test_answers_that_were_stopped_on_their_way_are_not_sent_again():
    """They may have arrived, and what they allow may have happened."""
    async with application(WAITS, Script(at_open=(NEVER,)), GOES_ON, commit_wait_s=0.01) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as stopped:
            await stopped.begun()
            await app.interrupt(stopped)
        async with app.answer(turn, **BOTH) as again:
            assert names(await again.body())[-1] == "interrupted"

        assert thread_of(1) in app.upstream.forgotten

    assert len(app.upstream.resumed) == 1


@pytest.mark.parametrize(
    ("at_open", "expected"),
    [(LOST, (502, "upstream_reset")), (NEVER, (504, "upstream_timeout"))],
    ids=["lost", "silent"],
)
async def test_answers_that_may_have_arrived_fail_the_same_way_again(at_open, expected):
    script = Script(at_open=(at_open,))
    async with application(WAITS, script, GOES_ON, first_chunk_timeout_s=0.05) as app:
        turn = await app.ended()
        one, same = [await refusal(app, turn, **BOTH) for _ in range(2)]
        other = await refusal(app, turn, tool_results=[THREE | {"content": "4"}, DONE])

        assert thread_of(1) in app.upstream.forgotten

    assert one == same
    assert (one[:2], other[:2]) == (expected, (409, "answers_differ"))
    assert len(app.upstream.resumed) == 1


async def test_answers_that_failed_before_anything_was_said_say_the_same_ids_again():
    async with application(WAITS, Script(at_open=(LOST,))) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as one, app.answer(turn, **BOTH) as same:
            assert await one.body() == await same.body()

    ids = ("x-request-id", "x-conversation-id", "content-location")
    assert [one.headers[each] for each in ids] == [same.headers[each] for each in ids]


async def test_answers_that_were_stopped_before_they_were_sent_can_be_given_again():
    judged = {"judgements": (NEVER,), "judges_question": True}
    async with application(WAITS, Script(**judged), GOES_ON, commit_wait_s=0.01) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as stopped:
            await stopped.begun()
            await app.interrupt(stopped)
        async with app.answer(turn, **BOTH) as again:
            assert names(await again.body())[-1] == "end"


async def test_answers_that_a_shield_refuses_can_be_given_again():
    """They were never sent."""
    judged = {"judgements": (QUESTION_OBJECTION,), "judges_question": True}
    async with application(WAITS, Script(**judged), GOES_ON) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as refused:
            told = names(await refused.body())
        async with app.answer(turn, tool_results=[THREE | {"content": "4"}, DONE]) as again:
            assert names(await again.body())[-1] == "end"

    assert told == ["start", "shield", "turn_complete", "end"]


async def test_answers_that_come_when_too_many_turns_run_can_be_given_again():
    endless = Script((opening_chunk(), NEVER))
    async with application(WAITS, endless, GOES_ON, running_turns_limit=1) as app:
        turn = await app.ended()
        async with app.turn() as other:
            await other.part()
            told = await refusal(app, turn, **BOTH)
            await app.interrupt(other)
        async with app.answer(turn, **BOTH) as again:
            assert names(await again.body())[-1] == "end"

    assert told[:2] == (503, "too_many_turns")


async def test_answers_that_come_when_the_process_stops_are_refused():
    async with application(WAITS) as app:
        turn = await app.ended()
        app.services.live.stop_all()
        told = await refusal(app, turn, **BOTH)

    assert told[:2] == (503, "stopping")
    assert app.upstream.forgotten == [thread_of(1)]


async def test_answers_that_the_upstream_took_are_given_even_if_it_fails_then():
    async with application(WAITS, Script((RETURNED, REFUSED))) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as failed:
            assert names(await failed.body())[-1] == "error"
        told = await refusal(app, turn, tool_results=[THREE, DONE | {"content": "other"}])

        assert app.upstream.forgotten == [thread_of(1)]

    assert told[:2] == (409, "answers_differ")
