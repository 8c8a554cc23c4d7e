"""The answers of a client, sent to a response that waits for them."""

import pytest

from service.domain import Approval, ClientTool, PausedTurn, Thread, ToolAnswer
from service.errors import UpstreamError
from statemachine import Call, CallStatus, OutputModeration, Release, ToolCallCompleted, TurnResumed
from tests.support import responses_chunks as responses
from tests.support.plans import mcp_server, plan, ran
from tests.support.stack import FakeStack, running, says, streams

PATH = "/v1/responses"
CALLS = (Call("c1", "get_pods", "{}"), Call("c2", "get_nodes", '{"all":true}', "lab"))
TOOL = ClientTool("get_pods", "", {"type": "object"})
NO = Approval("c2", approve=False, reason="Too much.")
RESULTS = (ToolAnswer("c1", "Two."),)
NEXT = responses.chunk("created", response={"id": "resp_2", "output": []})
COMPLETED = responses.completed(responses.message(responses.said("Two.")))


def paused(*, approvals=False, **fields):
    planned = plan(**{"client_tools": (TOOL,)} | fields)
    return PausedTurn("key", planned, Thread("responses", ("resp_1",)), "t1", CALLS, approvals)


async def resumed(answers, waiting=None, chunks=(NEXT, COMPLETED)):
    """Send answers, and return the request, how the stream opened, and where it goes on."""
    stack = FakeStack().on("POST", PATH, streams(*chunks)).on("DELETE", f"{PATH}/resp_2", says({}))
    async with running(stack) as upstream:
        turn = upstream.resume(waiting or paused(), answers)
        async with turn.open() as body:
            opening = body.opening
        turn = upstream.resume(waiting or paused(), answers)
        thread = turn.thread(await ran(turn))
    return stack.bodies(PATH)[0], opening, thread


async def test_results_of_tools_are_input_and_events():
    answers = (ToolAnswer("c1", "Two."), ToolAnswer("c2", "None.", failed=True))
    body, opening, thread = await resumed(answers)

    function = {"type": "function", "name": "get_pods", "description": ""}
    assert body == {
        "model": "vllm/small",
        "stream": True,
        "max_infer_iters": 10,
        "instructions": "Be brief.",
        "tools": [function | {"parameters": {"type": "object"}, "strict": False}],
        "previous_response_id": "resp_1",
        "input": [
            {"type": "function_call_output", "call_id": "c1", "output": "Two."},
            {
                "type": "function_call_output",
                "call_id": "c2",
                "output": "Error executing tool: None.",
            },
        ],
    }
    failed = ToolCallCompleted("c2", "get_nodes", CallStatus.FAILED, "Error executing tool: None.")
    told = ToolCallCompleted("c1", "get_pods", CallStatus.OK, "Two.")
    assert opening == TurnResumed("t1", CALLS, (told, failed))
    assert thread == Thread("responses", ("resp_2",))


async def test_what_was_approved_is_said_and_runs_in_the_stream():
    answers = (Approval("c1", approve=True), Approval("c2", approve=False, reason="Too much."))
    waiting = paused(approvals=True, client_tools=(), mcp_servers=(mcp_server(approval=True),))
    body, opening, _ = await resumed(answers, waiting)

    assert body["input"] == [
        {"type": "mcp_approval_response", "approval_request_id": "c1", "approve": True},
        {
            "type": "mcp_approval_response",
            "approval_request_id": "c2",
            "approve": False,
            "reason": "Too much.",
        },
    ]
    assert [each["type"] for each in body["tools"]] == ["mcp"]
    (denied,) = opening.answers
    assert (denied.call_id, denied.status) == ("c2", CallStatus.FAILED)


async def test_when_all_was_denied_the_model_is_told_as_by_a_tool():
    """A server would let the calls vanish, and its model would hear of nothing."""
    answers = (Approval("c1", approve=False), Approval("c2", approve=False, reason="Too much."))
    body, opening, _ = await resumed(answers, paused(approvals=True))

    told = ("The user has denied this call.", "The user has denied this call: Too much.")
    calls = [(each["type"], each["call_id"]) for each in body["input"]]
    assert calls == [
        ("function_call", "c1"),
        ("function_call", "c2"),
        ("function_call_output", "c1"),
        ("function_call_output", "c2"),
    ]
    assert tuple(each["output"] for each in body["input"][2:]) == told
    assert [each.status for each in opening.answers] == [CallStatus.FAILED] * 2
    assert opening.calls == CALLS


async def test_a_response_without_a_name_cannot_be_gone_on_from():
    _, _, thread = await resumed(RESULTS, chunks=(responses.item_added("m1"), COMPLETED))

    assert thread is None


async def test_a_response_that_failed_is_deleted():
    failed = responses.ended("failed", error={"code": "server_error"})
    _, _, thread = await resumed(RESULTS, chunks=(NEXT, failed))

    assert thread is None


@pytest.mark.parametrize(
    ("answers", "shields", "question"),
    [
        ((ToolAnswer("c1", "Two."), ToolAnswer("c2", "None.")), ("guard",), "Two.\n\nNone."),
        ((ToolAnswer("c1", "Two."),), (), None),
        ((Approval("c1", approve=True),), ("guard",), None),
        ((NO, Approval("c1", approve=True)), ("guard",), "Too much."),
        ((ToolAnswer("c1", "Two."), NO), ("guard",), "Two.\n\nToo much."),
    ],
    ids=["results", "nobody to ask", "approvals", "a reason", "results and a reason"],
)
async def test_what_a_client_said_is_judged_and_what_may_run_is_not(answers, shields, question):
    waiting = paused(input_shields=shields, output_shields=("guard",))
    async with running(FakeStack()) as upstream:
        turn = upstream.resume(waiting, answers)

    assert turn.moderator.question == question
    assert turn.moderation == OutputModeration(400, Release.AFTER_VERDICT)


REFUSALS = {
    "bare": {"error": {"message": "Response 'resp_1' not found.", "code": "404"}},
    "OGX": {"type": "error", "code": "404", "message": "Response 'resp_1' not found."},
    "no sentence": {"error": "404: not found"},
}


@pytest.mark.parametrize("told", REFUSALS.values(), ids=REFUSALS)
async def test_answers_that_the_server_refuses_at_once_were_not_taken(told):
    with pytest.raises(UpstreamError) as refused:
        await resumed(RESULTS, chunks=(told,))

    assert (refused.value.code, refused.value.untaken) == ("upstream_not_found", True)


async def test_answers_that_the_server_refuses_later_were_taken():
    failed = responses.ended("failed", error={"code": "server_error"})

    assert (await resumed(RESULTS, chunks=(NEXT, failed)))[2] is None
