"""Answers that a server refuses at once can be given again, by either API; others are not."""

import httpx
import pytest

from tests.support import agents_chunks as agents
from tests.support import responses_chunks as responses
from tests.support.agent_server import AgentServer
from tests.support.live_applications import live_application
from tests.support.stack import FakeStack, says, streams
from tests.support.stories import answers_in_agents, answers_in_responses

FUNCTION = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "add", "arguments": "{}"}
ASKED = {"client_tools": [{"name": "add"}], "shield_ids": [], "vector_store_ids": []}
ANSWER = {"tool_results": [{"call_id": "c1", "content": "3"}]}
NO = "404: It is not there."
IN_BAND = streams(agents.error(NO))
RESET = httpx.RemoteProtocolError("Server disconnected")


def by_agents(*replies):
    """Return a server of agent turns that waits, and answers a resume so and then in order."""
    waits = (
        agents.step_start("s1"),
        agents.inference_complete("s1", "end_of_message"),
        agents.awaiting(agents.call("c1", "add")),
    )
    returned = agents.tool_complete("s2", agents.response("c1", "3", "add"))
    server = AgentServer().turns(1, 1, streams(*waits))
    done = streams(returned, *answers_in_agents("3", step_id="s3"))
    return server.on("POST", f"{server.turn()}/t1/resume", *replies, done)


def by_responses(*replies):
    """Return a server with the Responses API that does the same."""
    waits = streams(responses.created(), responses.completed(FUNCTION))
    done = streams(responses.created(), *answers_in_responses("3"))
    return FakeStack().on("POST", "/v1/responses", waits, *replies, done)


def resumes(server):
    """Return how often the answers were sent."""
    sent = [each.body for each in server.to("POST")]
    return sum("tool_responses" in each or "previous_response_id" in each for each in sent)


@pytest.mark.parametrize("play", [by_agents, by_responses])
@pytest.mark.parametrize("refused", [IN_BAND, says({"detail": "It is not there."}, 404)])
async def test_answers_that_are_refused_at_once_can_be_given_again(play, refused):
    server = play(refused)
    async with live_application(server) as app:
        turn = await app.turn(**ASKED)
        status, (problem,) = await app.answer(turn, **ANSWER)
        _, told = await app.answer(turn, **ANSWER)

    assert turn[1][-1]["event"] == "awaiting_input"
    assert (status, problem["code"]) == (404, "upstream_not_found")
    assert told[-1]["event"] == "end"
    assert resumes(server) == 2


@pytest.mark.parametrize("play", [by_agents, by_responses])
@pytest.mark.parametrize(
    ("lost", "code"), [(RESET, "upstream_reset"), (says({}, 500), "upstream_error")]
)
async def test_answers_that_may_have_arrived_are_sent_once(play, lost, code):
    server = play(lost)
    async with live_application(server) as app:
        turn = await app.turn(**ASKED)
        one, same = [await app.answer(turn, **ANSWER) for _ in range(2)]

    assert one == same
    assert (one[0], one[1][0]["code"]) == (502, code)
    assert resumes(server) == 1
