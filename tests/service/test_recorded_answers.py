"""Recorded turns that wait for their client: what was recorded of how they went on is played."""

import time
from dataclasses import replace

import pytest

from service.app import create_app
from service.domain import Approval, Conversation, PausedTurn, Plan, Thread, ToolAnswer
from service.errors import NotAwaiting, SettingsInvalid
from service.settings import Settings
from service.upstream.replayed import PACKAGED, ReplayedUpstream, load_recordings
from service.wiring import open_services
from statemachine import (
    CallStatus,
    Ending,
    Frame,
    Header,
    Recording,
    ToolCallCompleted,
    TurnResumed,
    write_recording,
)
from tests.support.applications import Application, events, names
from tests.support.asgi import lifespan
from tests.support.plans import every

pytestmark = pytest.mark.slow

RESTART = "Restart the web deployment in the staging namespace, please."
DELETE = "Delete the finished jobs in the reports namespace."
ENDLESS = "Check every namespace for pods that are not ready."
PAUSED = PausedTurn(
    "request", Plan("Q", Conversation("conversation")), Thread("recorded", ("Q",)), None, ()
)
DENIED = ToolCallCompleted("c", "tool", CallStatus.FAILED, "no")


def session(title):
    return Recording(Header("agents", "tests", title), (Frame(1.0, b"{}"),), Ending.END, 1.0)


def continuation(*answers, title="Q", at_ms=1.0):
    header = Header("agents", "tests", title, resumed=TurnResumed("turn", answers=answers))
    return Recording(header, (Frame(at_ms, b"{}"),), Ending.END, at_ms)


def upstream(*continuations, speed=0.0):
    return ReplayedUpstream({}, {"Q": continuations}, default_session="Q", speed=speed)


@pytest.fixture
async def demonstration():
    """The service as it is without any configuration, but for the pace."""
    services = open_services(Settings(speed=0))
    app = create_app(services)
    async with lifespan(app):
        yield Application(app, services, services.upstream)


async def waiting(app, query):
    """Ask, and return the turn that waits, with what it says of that."""
    async with app.turn(query=query) as turn:
        return turn, events(await turn.body())[-1]["data"]


async def answered(app, query, field, **answer):
    """Ask, answer each call, and return what followed."""
    turn, data = await waiting(app, query)
    given = [{"call_id": call["call_id"], **answer} for call in data["calls"]]
    async with app.answer(turn, **{field: given}) as again:
        return events(await again.body())


def data_of(told, event):
    (data,) = [each["data"] for each in told if each["event"] == event]
    return data


async def test_a_recorded_turn_that_waits_says_for_how_long(demonstration):
    for query in (RESTART, DELETE):
        _, data = await waiting(demonstration, query)

        assert data["answer_within_s"] == 600


async def test_a_recorded_turn_without_a_continuation_does_not_wait(demonstration):
    turn, data = await waiting(demonstration, ENDLESS)
    result = {"call_id": data["calls"][0]["call_id"], "content": "none"}
    async with demonstration.answer(turn, tool_results=[result]) as refused:
        problem = await refused.json()

    assert "answer_within_s" not in data
    assert (refused.status, problem["code"]) == (409, "not_awaiting")


async def test_the_result_of_a_tool_lets_a_recorded_turn_go_on(demonstration):
    told = await answered(demonstration, RESTART, "tool_results", content="anything")

    result = data_of(told, "tool_result")
    assert result["status"] == "ok"
    assert "deployment.apps/web restarted" in result["token"]["response"]
    assert told[-1]["event"] == "end"


async def test_an_approved_call_runs_as_it_was_recorded(demonstration):
    told = await answered(demonstration, DELETE, "approvals", approve=True)

    assert data_of(told, "tool_result")["status"] == "ok"
    assert "deleted 7 finished jobs" in data_of(told, "turn_complete")["token"]


async def test_a_denied_call_does_not_run(demonstration):
    told = await answered(demonstration, DELETE, "approvals", approve=False)

    result = data_of(told, "tool_result")
    assert (result["status"], told[-1]["event"]) == ("failed", "end")
    assert "The user has denied this call" in result["token"]["response"]


async def test_the_same_answer_again_joins_the_stream_that_goes_on(demonstration):
    turn, data = await waiting(demonstration, DELETE)
    yes = [{"call_id": data["calls"][0]["call_id"], "approve": True}]

    async with (
        demonstration.answer(turn, approvals=yes) as one,
        demonstration.answer(turn, approvals=yes) as two,
    ):
        bodies = [await one.body(), await two.body()]

    assert bodies[0] == bodies[1]
    assert one.headers["x-request-id"] == two.headers["x-request-id"]
    assert names(bodies[0])[-1] == "end"


async def test_another_answer_later_is_refused(demonstration):
    turn, data = await waiting(demonstration, DELETE)
    yes = {"call_id": data["calls"][0]["call_id"], "approve": True}
    async with demonstration.answer(turn, approvals=[yes]) as one:
        await one.body()
    async with demonstration.answer(turn, approvals=[yes | {"approve": False}]) as two:
        problem = await two.json()

    assert (two.status, problem["code"]) == (409, "answers_differ")


def test_every_packaged_continuation_belongs_to_a_session():
    sessions, continuations = load_recordings(PACKAGED)

    for title, recorded in continuations.items():
        for each in recorded:
            assert each.header.conversation_id == sessions[title].header.conversation_id
    assert {title: len(each) for title, each in continuations.items()} == {RESTART: 1, DELETE: 2}


def test_a_continuation_is_no_session(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(write_recording(continuation(title="The other")))
    (tmp_path / "b.jsonl").write_bytes(write_recording(session("One")))
    services = open_services(Settings(recordings_directory=tmp_path))

    assert [each.title for each in services.upstream.info.sessions] == ["One"]
    assert services.upstream.title_for("The other") == "One"


def test_continuations_alone_are_no_recordings(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(write_recording(continuation()))

    with pytest.raises(SettingsInvalid, match="There are no recordings"):
        open_services(Settings(recordings_directory=tmp_path))


@pytest.mark.parametrize(
    ("answer", "chosen"),
    [
        (Approval("c", approve=True), 0),
        (Approval("c", approve=False), 1),
        (ToolAnswer("c", "done"), 0),
        (ToolAnswer("c", "no", failed=True), 1),
    ],
)
async def test_what_fits_the_answers_is_played(answer, chosen):
    recorded = [continuation(at_ms=1.0), continuation(DENIED, at_ms=2.0)]

    async with upstream(*recorded).resume(PAUSED, (answer,)).open() as body:
        assert body.opening == recorded[chosen].header.resumed


async def test_else_the_first_is_played():
    recorded = [continuation(DENIED), continuation(replace(DENIED, response="never"))]

    async with upstream(*recorded).resume(PAUSED, (Approval("c", approve=True),)).open() as body:
        assert body.opening == recorded[0].header.resumed


def test_what_was_not_recorded_takes_no_answer():
    with pytest.raises(NotAwaiting):
        upstream().resume(PAUSED, (ToolAnswer("c", "done"),))


async def test_a_continuation_has_its_pace_as_well():
    begun = time.monotonic()
    source = upstream(continuation(at_ms=100.0), speed=5.0)
    turn = source.resume(PAUSED, (ToolAnswer("c", "done"),))
    async with turn.open() as body:
        assert len(await every(body.payloads())) == 1

    assert 0.018 <= time.monotonic() - begun < 0.1
