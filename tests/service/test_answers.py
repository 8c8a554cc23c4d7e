"""A turn that waits for its client goes on with the answers, in a stream of its own."""

from dataclasses import replace

from service.domain import Approval, ToolAnswer
from tests.support import responses_chunks as responses
from tests.support.applications import TURNS, application, events, names
from tests.support.upstreams import Script, answer, thread_of
from tests.support.waiting_turns import (
    APPROVE,
    APPROVED,
    ASKS,
    BOTH,
    DONE,
    FUNCTION,
    GOES_ON,
    RETURNED_ONE,
    THREE,
    WAITS,
    WAITS_AGAIN,
    refusal,
)


async def test_a_turn_that_waits_says_for_what_and_for_how_long():
    async with application(WAITS) as app, app.turn() as turn:
        last = events(await turn.body())[-1]

    assert last["event"] == "awaiting_input"
    assert [each["call_id"] for each in last["data"]["calls"]] == ["c1", "c2"]
    assert (last["data"]["reason"], last["data"]["answer_within_s"]) == ("tool_result", 600)


async def test_answers_let_the_turn_go_on_in_a_new_stream():
    async with application(WAITS, GOES_ON) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as again:
            body = await again.body()

    assert again.status == 200
    assert names(body) == [
        "start", "tool_result", "tool_result", "token", "token", "turn_complete", "end",
    ]  # fmt: skip
    assert again.headers["x-request-id"] != turn.headers["x-request-id"]
    assert again.headers["x-conversation-id"] == turn.headers["x-conversation-id"]
    assert again.headers["content-location"] == f"{TURNS}/{again.headers['x-request-id']}"


async def test_the_upstream_gets_the_answers_in_the_order_of_the_calls():
    async with application(WAITS, GOES_ON) as app:
        turn = await app.ended()
        failed = DONE | {"content": {"why": ["no display", 7]}, "status": "failed"}
        async with app.answer(turn, tool_results=[failed, THREE]) as again:
            await again.body()

    ((paused, answers),) = app.upstream.resumed
    assert answers == (
        ToolAnswer("c1", "3"),
        ToolAnswer("c2", '{"why":["no display",7]}', failed=True),
    )
    assert (paused.turn_id, paused.thread) == ("t1", thread_of(1))
    (asked,) = app.upstream.plans
    # What was said until then is stored already.
    assert replace(paused.plan, conversation=asked.conversation) == asked
    assert paused.plan.conversation.version == asked.conversation.version + 1


async def test_a_call_can_be_approved_or_not():
    async with application(ASKS, APPROVED) as app:
        async with app.turn() as turn:
            asked = events(await turn.body())[-1]["data"]
        no = {"call_id": "a1", "approve": False, "reason": "too dangerous"}
        async with app.answer(turn, approvals=[no]) as again:
            body = await again.body()

    assert asked["reason"] == "approval"
    assert names(body)[-1] == "end"
    assert app.upstream.resumed[0][1] == (Approval("a1", approve=False, reason="too dangerous"),)


async def test_a_turn_can_wait_for_both():
    both = Script(
        (responses.created(), responses.completed(FUNCTION, APPROVE)), dialect="responses"
    )
    async with application(both, APPROVED) as app:
        turn = await app.ended()
        yes = {"call_id": "a1", "approve": True}
        async with app.answer(turn, tool_results=[THREE], approvals=[yes]) as again:
            assert names(await again.body())[-1] == "end"

    assert app.upstream.resumed[0][1] == (ToolAnswer("c1", "3"), Approval("a1", approve=True))


async def test_a_resumed_turn_can_be_followed_and_read_as_text():
    async with application(WAITS, GOES_ON) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH, media_type="text/plain") as again:
            text = await again.body()
        async with app.resume(again, "last_event_id=3") as follower:
            followed = names(await follower.body())

    assert text == b"It is 3."
    assert followed == ["token", "token", "turn_complete", "end"]


async def test_a_resumed_turn_can_wait_again():
    async with application(WAITS, WAITS_AGAIN, Script((RETURNED_ONE, *answer("3")))) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as second:
            assert names(await second.body())[-1] == "awaiting_input"
        async with app.answer(second, tool_results=[THREE]) as third:
            assert names(await third.body())[-1] == "end"
        told = await refusal(app, third, tool_results=[THREE])

        assert app.upstream.forgotten == [thread_of(1), thread_of(2)]

    assert told[:2] == (409, "not_awaiting")


async def test_the_turn_stays_one_turn_of_the_history():
    async with application(WAITS, GOES_ON, Script(answer("Bye"))) as app:
        turn = await app.ended(query="Add")
        async with app.answer(turn, **BOTH) as again:
            await again.body()
        await app.goes_on(turn)

    (kept,) = app.upstream.histories[1]
    assert (kept.question, kept.answer) == ("Add", "Well\n\nIt is 3.")
    assert app.upstream.plans[1].conversation.thread == thread_of(2)


async def test_a_question_instead_of_an_answer_leaves_the_turn_waiting():
    """The answer may still come; but its thread has not heard of the question."""
    async with application(WAITS, Script(answer("Bye")), GOES_ON) as app:
        turn = await app.ended(query="Add")
        await app.goes_on(turn, query="Bye?")
        async with app.answer(turn, **BOTH) as again:
            assert names(await again.body())[-1] == "end"
        await app.goes_on(turn)

    assert app.upstream.plans[1].conversation.thread is None
    assert [each.answer for each in app.upstream.histories[1]] == ["Well"]
    assert app.upstream.plans[2].conversation.thread is None
    assert [each.answer for each in app.upstream.histories[2]] == [
        "Bye",
        "Well\n\nIt is 3.",
    ]
