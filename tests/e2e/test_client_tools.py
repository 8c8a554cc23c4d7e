"""Turns that wait for their client: results of its own tools, and approvals."""

import pytest

from tests.e2e.lab.gateway import only
from tests.e2e.lab.reply import FIRST_MODEL

RESTART = "Restart the web deployment in the staging namespace, please."
DELETE = "Delete the finished jobs in the reports namespace."
HISTORY = "What did I ask before?"
POD = "What is a pod in Kubernetes?"
TOOL = {
    "name": "restart_deployment",
    "description": "Restart a deployment.",
    "parameters": {
        "type": "object",
        "properties": {"namespace": {"type": "string"}, "deployment": {"type": "string"}},
        "required": ["namespace", "deployment"],
    },
}

one_of_each_dialect = only("agents-0.3.5", "0.7.3")
with_approvals = only("0.7.3", "ogx-1.5.0")


@pytest.fixture
def waiting(gateway):
    """A turn that waits for the result of a client tool."""
    return gateway.ask(RESTART, client_tools=[TOOL])


@pytest.fixture
def careful(gateway):
    """Turnstile that asks its client before a tool of the MCP server runs."""
    with gateway.with_settings(gateway.lab.turnstile_configuration("always")) as asking:
        yield asking


def result(waiting, content, **more):
    (call,) = waiting.last["calls"]
    return {"tool_results": [{"call_id": call["call_id"], "content": content, **more}]}


def decision(waiting, *, approve):
    (call,) = waiting.last["calls"]
    return {"approvals": [{"call_id": call["call_id"], "approve": approve}]}


def test_a_turn_waits_for_a_tool_of_its_client(waiting):
    assert (waiting.last["event"], waiting.last["reason"]) == ("awaiting_input", "tool_result")
    (call,) = waiting.last["calls"]
    assert call["tool_name"] == "restart_deployment"
    assert call["arguments"] == {"namespace": "staging", "deployment": "web"}
    assert waiting.last["answer_within_s"] == 600


def test_the_result_reaches_the_model_and_the_turn_goes_on(gateway, waiting):
    told = gateway.answer(waiting, **result(waiting, "restarted")).check()

    assert told.text == "The console says: restarted"
    assert told.one("tool_result")["token"]["response"] == "restarted"
    assert told.conversation_id == waiting.conversation_id
    assert told.one("start")["turn_id"] == waiting.last["turn_id"]


def test_a_failed_tool_is_told_to_the_model_as_failed(gateway, waiting):
    told = gateway.answer(waiting, **result(waiting, "no rights", status="failed")).check()

    assert told.one("tool_result")["status"] == "failed"
    assert told.text == "The console says: Error executing tool: no rights"


@one_of_each_dialect
def test_the_same_answer_again_gets_the_same_stream(gateway, waiting):
    first = gateway.answer(waiting, **result(waiting, "restarted"))
    asked = len(gateway.model.requests(FIRST_MODEL))

    again = gateway.answer(waiting, **result(waiting, "restarted"))

    assert again.body == first.body
    assert len(gateway.model.requests(FIRST_MODEL)) == asked


@one_of_each_dialect
def test_another_answer_later_is_refused(gateway, waiting):
    gateway.answer(waiting, **result(waiting, "restarted"))

    refused = gateway.answer(waiting, **result(waiting, "not restarted")).problem

    assert (refused["status"], refused["code"]) == (409, "answers_differ")


@one_of_each_dialect
def test_answers_to_other_calls_are_refused_and_cost_nothing(gateway, waiting):
    wrong = {"tool_results": [{"call_id": "call_nope", "content": "x"}]}

    refused = gateway.answer(waiting, **wrong).problem
    told = gateway.answer(waiting, **result(waiting, "restarted")).check()

    assert (refused["status"], refused["code"]) == (422, "request_invalid")
    assert "call_nope" in refused["cause"]
    assert told.text == "The console says: restarted"


@one_of_each_dialect
def test_a_turn_that_waits_for_nothing_takes_no_answer(gateway):
    told = gateway.ask(POD)
    answers = {"tool_results": [{"call_id": "call_nope", "content": "x"}]}

    assert gateway.answer(told, **answers).problem["status"] == 409


def test_the_conversation_goes_on_after_an_answer(gateway, waiting):
    gateway.answer(waiting, **result(waiting, "restarted"))

    gateway.ask(HISTORY, conversation_id=waiting.conversation_id)

    seen = str(gateway.model.requests(FIRST_MODEL)[-1]["messages"])
    assert RESTART in seen
    assert "The console says: restarted" in seen


def test_another_question_may_come_instead_of_the_answer(gateway, waiting):
    told = gateway.ask(HISTORY, conversation_id=waiting.conversation_id)

    assert told.last["event"] == "end"
    assert RESTART in str(gateway.model.requests(FIRST_MODEL)[-1]["messages"])


@one_of_each_dialect
def test_tools_of_the_settings_are_offered_to_every_client(gateway):
    configuration = '[[client_tools]]\nname = "restart_deployment"\ndescription = "Restarts."\n'
    with gateway.with_settings(configuration) as offering:
        waiting = offering.ask(RESTART)

    assert waiting.last["calls"][0]["tool_name"] == "restart_deployment"


@with_approvals
def test_a_tool_waits_for_its_approval(careful):
    waiting = careful.ask(DELETE)

    assert (waiting.last["event"], waiting.last["reason"]) == ("awaiting_input", "approval")
    assert waiting.last["calls"][0]["tool_name"] == "delete_finished_jobs"
    assert waiting.all("tool_result") == []


@with_approvals
def test_an_approved_tool_runs(careful):
    waiting = careful.ask(DELETE)

    told = careful.answer(waiting, **decision(waiting, approve=True)).check()

    assert told.tools("tool_result") == ["delete_finished_jobs"]
    assert "The tool says: deleted 7 finished jobs" in told.text


@with_approvals
def test_a_denied_tool_does_not_run(careful):
    waiting = careful.ask(DELETE)

    told = careful.answer(waiting, **decision(waiting, approve=False)).check()

    assert b"deleted 7" not in told.body
    assert all(each["status"] == "failed" for each in told.all("tool_result"))
    assert told.last["event"] == "end"


@with_approvals
def test_an_approval_is_for_one_call_only(careful):
    """Servers remember approvals: neither in this turn nor in the next may that matter."""
    waiting = careful.ask(DELETE)
    told = careful.answer(waiting, **decision(waiting, approve=True)).check()

    again = careful.ask(DELETE, conversation_id=waiting.conversation_id)

    assert len(told.all("tool_result")) == 1
    assert (again.last["event"], again.last["reason"]) == ("awaiting_input", "approval")
    assert b"deleted 7" not in again.body


@only("agents-0.3.5", "responses-0.3.5")
def test_a_tool_that_wants_an_approval_never_runs_without_one(careful):
    told = careful.post({"query": DELETE})

    assert b"deleted 7" not in told.body
