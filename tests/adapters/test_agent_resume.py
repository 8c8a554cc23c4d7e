"""The answers of a client, sent to an agent that waits for them."""

import json

import pytest

from service.domain import PausedTurn, Thread, ToolAnswer
from service.errors import UpstreamError
from statemachine import Call, TurnResumed
from tests.support import agents_chunks as agents
from tests.support.agent_server import AgentServer
from tests.support.plans import mcp_server, payloads_of, plan, ran
from tests.support.stack import VERSION_HEADER, running, says, streams

THREAD = Thread("agents", ("a1", "s1", "shared"), "fingerprint")
CALLS = (Call("c1", "get_pods", "{}"), Call("c2", "get_nodes", "{}"))
ANSWERS = (ToolAnswer("c1", "Two."), ToolAnswer("c2", "No nodes.", failed=True))
PATH = "/v1alpha/agents/a1/session/s1/turn/t1/resume"
GOES_ON = (
    agents.tool_complete(
        "s2", agents.response("c1", "Two.", "get_pods"), agents.response("c2", "None", "get_nodes")
    ),
    agents.step_start("s3"),
    agents.text("s3", "Two pods."),
    agents.inference_complete("s3"),
    agents.turn_complete("Two pods."),
)


def paused(**fields):
    return PausedTurn("key", plan(**fields), THREAD, "t1", CALLS, approvals=False)


def resumable(*replies, version="0.3.5"):
    server = AgentServer(version)
    path = PATH.replace("/v1alpha/agents", server.root)
    return server.on("POST", path, *(replies or (streams(*GOES_ON),)))


@pytest.mark.parametrize("version", ["0.2.22", "0.3.5"])
async def test_the_answers_are_one_request(version):
    server = resumable(version=version)
    async with running(server, api_key="secret") as upstream:
        payloads = await payloads_of(upstream.resume(paused(), ANSWERS))

    (asked,) = server.to("POST")
    assert asked.target == f"{server.root}/a1/session/s1/turn/t1/resume"
    assert asked.body == {
        "stream": True,
        "tool_responses": [
            {"call_id": "c1", "tool_name": "get_pods", "content": "Two."},
            {
                "call_id": "c2",
                "tool_name": "get_nodes",
                "content": "Error executing tool: No nodes.",
            },
        ],
    }
    assert asked.headers["authorization"] == "Bearer secret"
    assert VERSION_HEADER not in asked.headers
    assert payloads == [json.dumps(each).encode() for each in GOES_ON]


async def test_the_headers_of_mcp_servers_are_sent_again():
    server = resumable()
    waiting = paused(mcp_servers=(mcp_server(**{"x-key": "1"}),))
    async with running(server) as upstream:
        await payloads_of(upstream.resume(waiting, ANSWERS))

    (asked,) = server.to("POST")
    data = json.loads(asked.headers["x-llamastack-provider-data"])
    assert data == {"mcp_headers": {"http://lab.test/mcp": {"x-key": "1"}}}


async def test_the_stream_goes_on_with_the_open_calls_in_the_same_thread():
    async with running(resumable()) as upstream:
        turn = upstream.resume(paused(), ANSWERS)
        async with turn.open() as body:
            opening = body.opening
        summary = await ran(upstream.resume(paused(), ANSWERS))

    assert opening == TurnResumed("t1", CALLS)
    assert (turn.server, turn.recording) == ("Llama Stack 0.3.5", None)
    assert (turn.moderation, turn.moderator) == (None, None)
    assert (summary.outcome, summary.answer) == ("end", "Two pods.")
    assert turn.thread(summary) == THREAD


async def test_a_resume_that_the_server_refuses_at_once_was_not_taken():
    async with running(resumable(streams(agents.error("400: no such session")))) as upstream:
        with pytest.raises(UpstreamError) as refused:
            await payloads_of(upstream.resume(paused(), ANSWERS))

    assert (refused.value.code, refused.value.untaken) == ("upstream_bad_request", True)


async def test_a_resume_that_fails_leaves_no_thread():
    begun = agents.step_start("s9")
    async with running(resumable(streams(begun, agents.error("500: boom")))) as upstream:
        turn = upstream.resume(paused(), ANSWERS)
        summary = await ran(turn)

    assert (summary.outcome, turn.thread(summary)) == ("error", None)


async def test_a_resume_that_is_refused_is_not_repeated():
    server = resumable(says({"detail": "busy"}, 503, **{"retry-after-ms": "1"}))
    async with running(server, retries_limit=5) as upstream:
        with pytest.raises(UpstreamError) as refused:
            await payloads_of(upstream.resume(paused(), ANSWERS))

    assert refused.value.code == "upstream_unavailable"
    assert len(server.to("POST")) == 1
