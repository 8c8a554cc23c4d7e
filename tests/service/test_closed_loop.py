"""What was recorded is played as an upstream, with its verdicts and its answers."""

from contextlib import asynccontextmanager

import pytest

from service.app import create_app
from service.settings import Settings
from service.wiring import open_services
from tests.support.applications import Application, application, events, names
from tests.support.asgi import lifespan
from tests.support.moderation import (
    OBJECTION,
    PASSED,
    QUESTION_OBJECTION,
    QUESTION_PASSED,
    after_verdict,
)
from tests.support.upstreams import Script, ScriptedUpstream, answer
from tests.support.waiting_turns import (
    APPROVED,
    ASKS,
    BOTH,
    DONE,
    GOES_ON,
    THREE,
    WAITS,
    refusal,
)

pytestmark = pytest.mark.slow

YES = {"approvals": [{"call_id": "a1", "approve": True}]}


async def record(directory, *scripts, query="Add", answers=None):
    """Record a turn, and how it goes on when it is answered; return what the client got last."""
    async with application(*scripts, recording={"directory": directory}) as app:
        turn = await app.ended(query=query)
        if answers is None:
            return b""
        async with app.answer(turn, **answers) as again:
            return await again.body()


@asynccontextmanager
async def played(directory):
    """Run an application on recordings."""
    services = open_services(Settings(recordings_directory=directory, speed=0))
    async with lifespan(app := create_app(services)):
        yield Application(app, services, ScriptedUpstream())


def said(body):
    """Return what a stream says, without its ids and what is computed of them."""
    kept = [(each["event"], dict(each["data"])) for each in events(body)]
    for _, data in kept:
        for name in ("conversation_id", "request_id", "digest"):
            data.pop(name, None)
    return kept


@pytest.mark.parametrize(
    "judgements",
    [(QUESTION_OBJECTION,), (QUESTION_PASSED, PASSED, PASSED), (QUESTION_PASSED, OBJECTION)],
)
async def test_recorded_verdicts_are_given_again(tmp_path, judgements):
    guarded = Script(
        answer("Hel", "lo"),
        judgements=judgements,
        judges_question=True,
        moderation=after_verdict(3),
    )
    async with (
        application(guarded, recording={"directory": tmp_path}) as app,
        app.turn(query="Add") as turn,
    ):
        before = await turn.body()
    async with played(tmp_path) as app, app.turn(query="Add") as turn:
        after = await turn.body()

    assert said(after) == said(before)
    assert b'"event":"shield"' in after


@pytest.mark.parametrize(
    ("asks", "goes_on", "answers"), [(WAITS, GOES_ON, BOTH), (ASKS, APPROVED, YES)]
)
async def test_a_recorded_turn_goes_on_as_it_was_recorded(tmp_path, asks, goes_on, answers):
    before = await record(tmp_path, asks, goes_on, answers=answers)
    async with played(tmp_path) as app:
        turn = await app.ended(query="Add")
        async with app.answer(turn, **answers) as again:
            after = await again.body()

    assert said(after) == said(before)


async def test_a_recorded_turn_goes_on_the_same_way_whatever_is_answered(tmp_path):
    await record(tmp_path, WAITS, GOES_ON, answers=BOTH)
    async with played(tmp_path) as app:
        turn = await app.ended(query="Add")
        async with app.answer(turn, tool_results=[THREE | {"content": "other"}, DONE]) as again:
            body = await again.body()

    assert names(body)[-1] == "end"


async def test_a_recorded_turn_that_was_never_answered_takes_no_answers(tmp_path):
    await record(tmp_path, WAITS)
    async with played(tmp_path) as app:
        async with app.turn(query="Add") as turn:
            last = events(await turn.body())[-1]
        told = await refusal(app, turn, **BOTH)

    assert (last["event"], "answer_within_s" in last["data"]) == ("awaiting_input", False)
    assert told[:2] == (409, "not_awaiting")


async def test_how_a_turn_went_on_is_no_session_of_its_own(tmp_path):
    await record(tmp_path, WAITS, GOES_ON, answers=BOTH)
    await record(tmp_path, Script(answer("Hi")), query="Say hi")
    async with played(tmp_path) as app:
        sessions = [each.title for each in app.services.upstream.info.sessions]

    assert sorted(sessions) == ["Add", "Say hi"]
