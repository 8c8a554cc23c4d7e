"""Tools that need leave: a server remembers it, so whatever follows is told without it."""

import pytest

from service.domain import Approval, ClientTool, PausedTurn, Thread, ToolAnswer
from statemachine import Call
from tests.support import responses_chunks as responses
from tests.support.live_applications import live_application
from tests.support.plans import mcp_server, payloads_of, plan, ran
from tests.support.stack import FakeStack, running, says, streams

PATH = "/v1/responses"
ASKED = mcp_server("lab", approval=True)
FREE = mcp_server("free")
TOOL = ClientTool("get_pods", "", {"type": "object"})
CALLS = (Call("c1", "delete", "{}", "lab"), Call("c2", "stop", "{}", "lab"))
YES, NO = Approval("c1", approve=True), Approval("c2", approve=False)
ALSO = Approval("c2", approve=True)
RESULTS = (ToolAnswer("c1", "Two."), ToolAnswer("c2", "None."))
DENIED = (Approval("c1", approve=False), NO)
APPROVAL = {"type": "mcp_approval_request", "id": "c3", "name": "delete", "arguments": "{}"}
APPROVAL |= {"server_label": "lab"}
DONE = responses.completed(responses.message(responses.said("Done.")))


def opened(response_id):
    return responses.chunk("created", response={"id": response_id, "output": []})


def says_done(response_id):
    text = (responses.item_added("m1"), responses.part_added("m1"), responses.text("m1", "Done."))
    return streams(opened(response_id), *text, DONE)


def asks(response_id):
    return streams(opened(response_id), responses.completed(APPROVAL))


def paused(thread, *servers):
    planned = plan(client_tools=(TOOL,), mcp_servers=servers or (ASKED,))
    return PausedTurn("key", planned, thread, "t1", CALLS)


FIRST = Thread("responses", ("resp_1",))


async def resumed(answers, reply=None, waiting=None, version="0.7.3"):
    """Send answers, and return the request, where the turn goes on, and what is deleted."""
    stack = FakeStack(version).on("POST", PATH, reply or says_done("resp_2"))
    stack.on("DELETE", f"{PATH}/resp_2", says({}))
    async with running(stack, dialect="responses") as upstream:
        turn = upstream.resume(waiting or paused(FIRST), answers)
        thread = turn.thread(await ran(turn))
    (body,) = stack.bodies(PATH)
    return body, thread, [each.target for each in stack.to("DELETE")]


async def after_leave():
    """Return where a turn waits again whose first call was approved."""
    _, thread, _ = await resumed((YES, NO), asks("resp_2"))
    assert thread.ids == ("resp_2",)
    return thread


@pytest.mark.parametrize(
    ("answers", "calls"),
    [((YES, ALSO), 2), ((YES, NO), 1), ((YES, RESULTS[1]), 1), (DENIED, None), (RESULTS, None)],
)
async def test_no_more_calls_run_than_were_approved(answers, calls):
    """A server would let an approved call run as often as its model asks for it."""
    body, _, _ = await resumed(answers)

    assert body.get("max_tool_calls") == calls
    assert [each["type"] for each in body["tools"]] == ["mcp", "function"]


@pytest.mark.parametrize(
    ("answers", "goes_on"), [((YES, ALSO), False), ((YES, NO), False), (DENIED, True)]
)
async def test_nothing_goes_on_from_a_response_that_followed_leave(answers, goes_on):
    _, thread, deleted = await resumed(answers)

    assert (thread is not None) == goes_on
    assert deleted == ([] if goes_on else [f"{PATH}/resp_2"])


@pytest.mark.parametrize("answers", [RESULTS, DENIED], ids=["results", "denied"])
async def test_leave_is_not_forgotten_when_a_later_answer_gives_none(answers):
    waiting = paused(await after_leave(), ASKED, FREE)
    body, thread, _ = await resumed(answers, says_done("resp_2"), waiting)

    assert body["previous_response_id"] == "resp_2"
    assert [each.get("server_label") for each in body["tools"]] == ["free", None]
    assert "max_tool_calls" not in body
    assert thread is None


async def test_leave_is_remembered_however_often_the_turn_waits():
    again = paused(await after_leave())
    _, thread, _ = await resumed(RESULTS, asks("resp_2"), again)
    body, thread, _ = await resumed((YES, NO), says_done("resp_2"), paused(thread))

    assert (body["max_tool_calls"], thread) == (1, None)


async def test_a_turn_that_waits_without_leave_is_like_any_other():
    _, thread, _ = await resumed(RESULTS, asks("resp_2"))

    assert thread == Thread("responses", ("resp_2",))


async def test_servers_that_cannot_be_bounded_get_no_tools_that_need_leave(log):
    stack = FakeStack("0.3.5").on("POST", PATH, says_done("resp_1"))
    planned = plan(mcp_servers=(ASKED, FREE))
    async with running(stack, dialect="responses") as upstream:
        for _ in range(2):
            await payloads_of(upstream.prepare(planned))

    labels = [[each["server_label"] for each in body["tools"]] for body in stack.bodies(PATH)]
    assert labels == [["free"]] * 2
    warned = [each["server"] for each in log if each["event"] == "mcp_server.left_out"]
    assert warned == ["lab"]


async def test_they_get_none_in_a_turn_that_goes_on_either():
    body, _, _ = await resumed(RESULTS, waiting=paused(FIRST, ASKED, FREE), version="0.3.5")

    assert [each.get("server_label") for each in body["tools"]] == ["free", None]


SERVERS = ({"name": "lab", "url": "http://lab.test/mcp", "approval": "always"},)
LEAVE = {"approvals": [{"call_id": "c3", "approve": True}]}


async def test_the_next_question_is_asked_without_what_was_approved():
    """With its whole history as messages: those hold no leave."""
    stack = FakeStack(offered=None).on("POST", PATH, asks("r1"), says_done("r2"), says_done("r3"))
    async with live_application(stack, mcp_servers=SERVERS) as app:
        turn = await app.turn(shield_ids=[], vector_store_ids=[])
        await app.answer(turn, **LEAVE)
        await app.goes_on(turn, query="And again?", shield_ids=[])

    first, second, third = stack.bodies(PATH)
    assert (second["previous_response_id"], second["max_tool_calls"]) == ("r1", 1)
    assert "previous_response_id" not in third
    assert "max_tool_calls" not in third
    assert third["input"] == [
        {"role": "user", "content": first["input"]},
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "And again?"},
    ]
