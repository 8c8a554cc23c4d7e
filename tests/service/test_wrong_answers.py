"""Answers that do not fit, come too late, or are owed by nobody."""

import json

import anyio
import pytest

from tests.support.applications import TURNS, application, events, names
from tests.support.upstreams import NEVER, Script, answer, opening_chunk
from tests.support.waiting_turns import (
    ASKS,
    BOTH,
    DONE,
    GOES_ON,
    LOOPS,
    THREE,
    WAITS,
    refusal,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("answers", "named"),
    [
        ({}, "missing call_id c1, c2"),
        ({"tool_results": [THREE]}, "missing call_id c2"),
        ({"tool_results": [THREE, DONE, DONE | {"call_id": "c9"}]}, "unknown call_id c9"),
        (
            {"tool_results": [THREE, DONE | {"call_id": "c9"}]},
            "unknown call_id c9; missing call_id c2",
        ),
        ({"tool_results": [THREE, THREE, DONE]}, "a call is answered twice"),
        (
            {"tool_results": [THREE, DONE], "approvals": [{"call_id": "c1", "approve": True}]},
            "a call is answered twice",
        ),
        (
            {"tool_results": [THREE], "approvals": [{"call_id": "c2", "approve": True}]},
            "c2 is answered in tool_results",
        ),
    ],
)
async def test_answers_that_do_not_fit_the_calls_are_refused_and_can_be_mended(answers, named):
    async with application(WAITS, GOES_ON) as app:
        turn = await app.ended()
        told = await refusal(app, turn, **answers)
        async with app.answer(turn, **BOTH) as again:
            assert names(await again.body())[-1] == "end"

    assert told == (422, "request_invalid", f"answers: {named}")


async def test_a_result_is_no_approval():
    async with application(ASKS) as app:
        turn = await app.ended()
        told = await refusal(app, turn, tool_results=[{"call_id": "a1", "content": "yes"}])

    assert told == (422, "request_invalid", "answers: a1 is answered in approvals")


@pytest.mark.parametrize(
    ("answers", "named"),
    [
        ({"tool_results": [{"content": "3"}]}, "tool_results.0.call_id"),
        ({"tool_results": [{"call_id": "c1"}]}, "tool_results.0.content"),
        ({"tool_results": [THREE | {"status": "maybe"}]}, "tool_results.0.status"),
        ({"tool_results": [THREE | {"tool_name": "add"}]}, "tool_results.0.tool_name"),
        ({"tool_results": "3"}, "tool_results"),
        ({"approvals": [{"call_id": "a1"}]}, "approvals.0.approve"),
        ({"approvals": [{"call_id": "a1", "approve": "perhaps"}]}, "approvals.0.approve"),
        ({"approvals": [{"call_id": "a1", "approve": "yes"}]}, "approvals.0.approve"),
        ({"approvals": [{"call_id": "a1", "approve": 1}]}, "approvals.0.approve"),
        ({"approvals": [{"call_id": "", "approve": True}]}, "approvals.0.call_id"),
        ({"answers": []}, "answers"),
    ],
)
async def test_a_body_that_is_not_right_is_refused_and_named(answers, named):
    async with application(WAITS) as app:
        turn = await app.ended()
        status, code, cause = await refusal(app, turn, **answers)

    assert (status, code) == (422, "request_invalid")
    assert cause.startswith(f"{named}: ")


async def test_a_body_that_is_not_json_is_refused():
    async with application(WAITS) as app:
        turn = await app.ended()
        target = f"{turn.headers['content-location']}/tool_results"
        reply, body = await app.ask("POST", target, b"{")

    assert (reply.status, json.loads(body)["code"]) == (400, "request_not_json")


@pytest.mark.parametrize("script", [Script(answer("Hi")), LOOPS])
async def test_a_turn_that_does_not_wait_takes_no_answers(script):
    """At its iteration limit a server waits for nothing, and the event says no time."""
    async with application(script) as app:
        async with app.turn() as turn:
            last = events(await turn.body())[-1]
        told = await refusal(app, turn, tool_results=[THREE])

    assert told[:2] == (409, "not_awaiting")
    assert "answer_within_s" not in last["data"]


async def test_a_turn_whose_upstream_keeps_nothing_takes_no_answers():
    async with application(Script(WAITS.body, threads=False)) as app:
        async with app.turn() as turn:
            last = events(await turn.body())[-1]
        told = await refusal(app, turn, **BOTH)

    assert (last["event"], "answer_within_s" in last["data"]) == ("awaiting_input", False)
    assert told[:2] == (409, "not_awaiting")


async def test_a_turn_that_still_runs_takes_no_answers():
    async with application(Script((opening_chunk(), NEVER))) as app, app.turn() as turn:
        await turn.part()
        told = await refusal(app, turn, **BOTH)

    assert told[:2] == (409, "not_awaiting")


async def test_a_turn_that_was_never_begun_is_a_404():
    async with application() as app:
        target = f"{TURNS}/8b6a3c6e-0f0c-4d5c-8b7e-2d3c1a5e9f10/tool_results"
        reply, body = await app.ask("POST", target, BOTH)

    assert (reply.status, json.loads(body)["code"]) == (404, "turn_unknown")


async def test_late_answers_are_refused():
    async with application(WAITS, answer_timeout_s=0.001) as app:
        turn = await app.ended()
        await anyio.sleep(0.002)
        told = await refusal(app, turn, **BOTH)

    assert told == (410, "answer_too_late", "Answers were taken for 0.001 s.")


@pytest.mark.parametrize("kept", [{"log_ttl_s": 0.001}, {"log_limit_bytes": 1_024}])
async def test_a_turn_can_be_answered_when_its_events_are_no_longer_kept(kept):
    async with application(WAITS, GOES_ON, **kept) as app:
        turn = await app.ended()
        await anyio.sleep(0.002)
        async with app.answer(turn, **BOTH) as again:
            assert names(await again.body())[-1] == "end"

    assert again.headers["x-conversation-id"] == turn.headers["x-conversation-id"]
