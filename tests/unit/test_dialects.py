"""Which dialect a chunk is of, and how a stream that begins with it opened."""

import pytest

from statemachine import DECODERS, recognise
from statemachine.events import Call, TurnResumed, TurnStarted
from tests.support import agents_chunks as agents
from tests.support import responses_chunks as responses

TOOL = "tool_execution"
START = agents.step_start("i1")
OPENINGS = [
    (None, TurnStarted()),
    ({}, TurnStarted()),
    (START, TurnStarted()),
    (agents.error("404: gone"), TurnStarted()),
    (agents.inference_complete("i1"), TurnStarted()),
    (agents.payload("step_complete", step_type=TOOL), TurnStarted()),
    (agents.tool_complete("t1", calls=["c1"]), TurnStarted()),
    (agents.tool_complete("t1"), TurnResumed("t1")),
    (
        agents.tool_complete("t1", calls=[agents.call("c1")]),
        TurnResumed("t1", (Call("c1", "get_weather", "{}"),)),
    ),
]
RECOGNISED = [
    (START, "agents"),
    (agents.error("404: gone"), "agents"),
    ({"error": "gone"}, "agents"),
    ({"error": {"message": "gone", "code": "404"}}, "responses"),
    ({"type": "error"}, "responses"),
    ({"type": "response.created"}, "responses"),
    ({"type": 7}, None),
    ({}, None),
    (None, None),
    ([START], None),
    ({"error": None}, None),
    ("event", None),
]


@pytest.mark.parametrize(("chunk", "dialect"), RECOGNISED, ids=range(len(RECOGNISED)))
def test_a_chunk_shows_its_dialect(chunk: object, dialect: str | None) -> None:
    assert recognise(chunk) == dialect


@pytest.mark.parametrize(("chunk", "opening"), OPENINGS, ids=range(len(OPENINGS)))
def test_the_first_chunk_tells_how_the_stream_opened(chunk: object, opening: object) -> None:
    assert DECODERS["agents"].opening(chunk) == opening


def test_a_response_opens_like_any_other() -> None:
    assert DECODERS["responses"].opening(responses.created()) == TurnStarted()
