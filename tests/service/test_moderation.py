"""Shields that are asked beside the stream: before the question is sent, and at checkpoints."""

import anyio
import pytest

from service.errors import UpstreamError
from statemachine import Touchpoint
from tests.support import agents_chunks as agents
from tests.support.applications import application, events, names
from tests.support.moderation import (
    OBJECTION,
    PASSED,
    QUESTION_OBJECTION,
    QUESTION_PASSED,
    REFUSAL,
    after_verdict,
    at_once,
)
from tests.support.upstreams import NEVER, Script, answer, closing, opening_chunk, says

pytestmark = pytest.mark.slow

UNASKED = UpstreamError(
    "moderation_failed", "The shields could not be asked.", 503, detail="guard: secret"
)
BUG = ZeroDivisionError("division by a secret")
HELLO = answer("Hel", "lo")
INPUT, OUTPUT = Touchpoint.USER_INPUT, Touchpoint.ASSISTANT_OUTPUT


def asks_first(*judgements, body=HELLO):
    """Return a turn whose question is judged."""
    return Script(body, judgements=judgements, judges_question=True)


def checks(*judgements, body=HELLO, moderation=None):
    """Return a turn whose answer is judged after every three characters."""
    return Script(body, judgements=judgements, moderation=moderation or after_verdict(3))


# The question.


async def test_a_question_that_passes_is_asked_and_that_is_said_first():
    async with application(asks_first(QUESTION_PASSED)) as app, app.turn() as turn:
        body = await turn.body()

    assert names(body) == ["start", "shield", "token", "token", "turn_complete", "end"]
    assert app.upstream.turns[0].asked == [(INPUT, "What is a pod?")]


async def test_a_question_that_a_shield_refuses_never_reaches_the_upstream():
    async with application(asks_first(QUESTION_OBJECTION)) as app, app.turn() as turn:
        body = await turn.body()

    start, shield, complete, end = events(body)
    assert turn.status == 200
    assert shield["data"]["verdict"] == "violation"
    assert (complete["data"]["token"], end["data"]["finish_reason"]) == (REFUSAL, "shield")
    assert start["event"] == "start"
    assert not app.upstream.turns[0].opened.is_set()


async def test_nothing_is_sent_before_the_verdict_is_there():
    judged = anyio.Event()
    script = asks_first(judged, QUESTION_PASSED)
    async with application(script, commit_wait_s=0.01) as app, app.turn() as turn:
        await turn.begun()
        before = app.upstream.turns[0].opened.is_set()
        judged.set()
        await turn.body()

    assert (before, app.upstream.turns[0].opened.is_set()) == (False, True)


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [(UNASKED, 503, "moderation_failed"), (BUG, 500, "internal_error")],
)
async def test_a_question_that_nobody_can_judge_is_a_status(failure, status, code):
    async with application(asks_first(failure)) as app, app.turn() as turn:
        body = await turn.body()

    assert turn.status == status
    assert f'"code":"{code}"'.encode() in body
    assert b"secret" not in body
    assert not app.upstream.turns[0].opened.is_set()


async def test_a_verdict_that_does_not_come_is_a_timeout():
    script = asks_first(NEVER)
    async with application(script, first_chunk_timeout_s=0.01) as app, app.turn() as turn:
        body = await turn.json()

    assert (turn.status, body["code"]) == (504, "upstream_timeout")


async def test_a_turn_can_be_stopped_while_its_question_is_judged():
    script = asks_first(NEVER)
    async with application(script, commit_wait_s=0.01) as app, app.turn() as turn:
        await turn.begun()
        await app.interrupt(turn)

        assert names(await turn.body()) == ["start", "interrupted"]


async def test_a_turn_whose_question_nobody_judges_asks_nobody():
    async with application(Script(answer("Hi"), judgements=())) as app, app.turn() as turn:
        assert names(await turn.body()) == ["start", "token", "turn_complete", "end"]

    assert app.upstream.turns[0].asked == []


# The answer.


async def test_text_waits_for_its_verdict():
    judged = anyio.Event()
    script = checks(judged, PASSED, body=answer("Hel"))
    async with application(script) as app, app.turn() as turn:
        before = names(await turn.part())
        judged.set()

        assert before == ["start"]
        assert names(await turn.body()) == ["token", "shield", "turn_complete", "end"]

    assert app.upstream.turns[0].asked == [(OUTPUT, "Hel")]


async def test_every_checkpoint_judges_all_that_was_said_so_far():
    async with application(checks(PASSED, PASSED)) as app, app.turn() as turn:
        body = await turn.body()

    assert names(body) == ["start", "token", "token", "shield", "turn_complete", "end"]
    assert app.upstream.turns[0].asked == [(OUTPUT, "Hel"), (OUTPUT, "Hello")]


@pytest.mark.parametrize(
    ("judgements", "said"), [((OBJECTION,), []), ((PASSED, OBJECTION), ["Hel"])]
)
async def test_what_a_shield_refuses_is_never_said(judgements, said):
    async with application(checks(*judgements)) as app, app.turn() as turn:
        told = events(await turn.body())

    assert [each["data"]["token"] for each in told if each["event"] == "token"] == said
    assert [each["event"] for each in told[-3:]] == ["shield", "turn_complete", "end"]
    assert told[-2]["data"]["token"] == REFUSAL
    assert told[-1]["data"]["finish_reason"] == "shield"


async def test_a_refusal_makes_the_upstream_stop():
    script = checks(OBJECTION, body=(opening_chunk(), says("Hello"), NEVER))
    async with application(script) as app, app.turn() as turn:
        assert names(await turn.body())[-1] == "end"
        assert app.upstream.turns[0].closed.is_set()


async def test_what_was_refused_is_in_no_log_and_no_history(log):
    script = checks(OBJECTION, body=answer("SECRET ANSWER"))
    async with application(script, Script(answer("Hi"))) as app:
        turn = await app.ended()
        async with app.resume(turn) as again:
            kept = await again.body()
        await app.goes_on(turn)

    assert b"SECRET" not in kept
    assert "SECRET" not in str(log)
    assert app.upstream.histories[1] == []


async def test_text_may_be_said_at_once_and_the_start_says_so():
    judged = anyio.Event()
    script = checks(judged, PASSED, body=answer("Hel"), moderation=at_once(3))
    async with application(script) as app, app.turn() as turn:
        told = events(await turn.part())
        if len(told) == 1:
            told += events(await turn.part())
        judged.set()
        rest = names(await turn.body())

    assert [each["event"] for each in told] == ["start", "token"]
    assert told[0]["data"]["output_release"] == "at_once"
    assert rest == ["shield", "turn_complete", "end"]


async def test_text_that_waits_is_announced_too():
    async with application(checks(PASSED, PASSED)) as app, app.turn() as turn:
        start = events(await turn.body())[0]

    assert start["data"]["output_release"] == "after_verdict"


@pytest.mark.parametrize(
    ("failure", "code"), [(UNASKED, "moderation_failed"), (BUG, "internal_error")]
)
async def test_an_answer_that_nobody_can_judge_is_an_error(failure, code):
    async with application(checks(PASSED, failure)) as app, app.turn() as turn:
        body = await turn.body()

    assert names(body) == ["start", "token", "error"]
    assert events(body)[-1]["data"]["code"] == code
    assert b"secret" not in body


async def test_a_verdict_on_an_answer_that_does_not_come_is_a_timeout():
    async with application(checks(NEVER), idle_timeout_s=0.01) as app, app.turn() as turn:
        last = events(await turn.body())[-1]

    assert last["data"]["code"] == "upstream_timeout"


async def test_time_for_a_verdict_is_not_time_of_the_upstream():
    """The next chunk may take as long as if there had been no verdict."""
    judged, second = anyio.Event(), anyio.Event()
    body = (opening_chunk(), says("Hel"), second, *closing("Hel"))
    script = checks(judged, PASSED, body=body)
    async with (
        application(script, idle_timeout_s=0.4, heartbeat_s=0.25) as app,
        app.turn() as turn,
    ):
        assert names(await turn.part()) == ["start"]
        await turn.part()
        judged.set()
        assert names(await turn.part()) == ["token"]
        await turn.part()
        second.set()

        assert names(await turn.body())[-1] == "end"


async def test_an_interrupt_says_nothing_that_waits():
    script = checks(NEVER, body=(opening_chunk(), says("Hello")))
    async with application(script) as app, app.turn() as turn:
        await turn.part()
        await app.interrupt(turn)

        assert names(await turn.body()) == ["interrupted"]


@pytest.mark.parametrize(
    ("judgement", "outcome", "said"),
    [(PASSED, "error", ["token"]), (OBJECTION, "end", ["shield", "turn_complete"])],
)
async def test_a_body_that_stops_is_judged_first(judgement, outcome, said):
    script = checks(judgement, body=(opening_chunk(), says("He")))
    async with application(script) as app, app.turn() as turn:
        assert names(await turn.body()) == ["start", *said, outcome]

    assert app.upstream.turns[0].asked == [(OUTPUT, "He")]


async def test_what_comes_before_a_tool_is_judged_before_it():
    call = agents.call("c1")
    body = (
        opening_chunk(),
        says("He"),
        agents.inference_complete("s1", "end_of_message"),
        agents.step_start("s2", "tool_execution"),
        agents.whole_call("s2", call, "tool_execution"),
        agents.tool_complete("s2", agents.response("c1", "Sunny")),
        *answer("llo"),
    )
    async with application(checks(PASSED, PASSED, body=body)) as app, app.turn() as turn:
        told = names(await turn.body())

    assert told == [
        "start", "token", "tool_call", "tool_result", "token", "shield", "turn_complete", "end",
    ]  # fmt: skip
    assert app.upstream.turns[0].asked == [(OUTPUT, "He"), (OUTPUT, "Hello")]


async def test_a_failure_right_after_a_passed_question_is_a_status():
    """Nothing is on the wire yet, and that the question has passed helps nobody."""
    script = asks_first(QUESTION_PASSED, body=(agents.error("404: There is no such tool"),))
    async with application(script) as app, app.turn() as turn:
        body = await turn.json()

    assert (turn.status, body["code"]) == (404, "upstream_not_found")
