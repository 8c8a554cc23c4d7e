"""How conversations go on from response to response, and what becomes of lost ones."""

import json

import pytest

from service.domain import Thread
from service.settings.groups import ModerationSettings
from service.upstream.body import error_message
from service.upstream.responses import response_id
from tests.support import responses_chunks as responses
from tests.support.plans import PAST, history_of, not_needed, payloads_of, plan, ran
from tests.support.stack import FakeStack, running, says, streams

PATH = "/v1/responses"
THREAD = Thread("responses", ("resp_1",))
COMPLETED = responses.completed(responses.message(responses.said("Hi")))
NEXT = responses.chunk("created", response={"id": "resp_2", "output": []})
FUNCTION = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "add", "arguments": "{}"}
REFUSED = responses.completed(responses.message(responses.refused("No.")))
ITERATIONS = {"reason": "max_iterations_exceeded"}
TOOL = {"name": "add", "server_label": "lab", "arguments": "{}"}
CALLED = (
    responses.item_added("c1", "mcp_call", **TOOL),
    responses.item_done("c1", "mcp_call", **TOOL, output="3"),
)
UNSUPPORTED = (
    "Llama Stack OpenAI Responses does not yet support content type "
    "'<class 'llama_stack_api.openai_responses.OpenAIResponseContentPartRefusal'>' in this context"
)
UNFINISHED = (
    "Response resp_1 is still in_progress. "
    "Cannot use an incomplete background response as previous_response_id."
)


def bare(message, **fields):
    return {"error": {"message": message, **fields}}


def ogx(message, code="400"):
    return {"code": code, "message": message, "param": None, "sequence_number": 1, "type": "error"}


LOST = {
    "0.3.5 lost": bare("400: Invalid value: Response with id resp_1 not found"),
    "0.3.5 refused": bare(f"400: Invalid value: {UNSUPPORTED}"),
    "0.7.3 lost": bare("Response 'resp_1' not found. Use 'client.responses.list()'", code="404"),
    "0.7.3 unfinished": bare(UNFINISHED, code="400"),
    "0.7.3 refused": bare(UNSUPPORTED, code="400"),
    "OGX lost": ogx("Response 'resp_1' not found. Use 'client.responses.list()'", "404"),
    "OGX unfinished": ogx(UNFINISHED),
    "OGX refused": ogx(UNSUPPORTED),
}


def going_on(*replies):
    return FakeStack().on("POST", PATH, *replies)


def inputs(stack):
    return [(each.get("previous_response_id"), each["input"]) for each in stack.bodies(PATH)]


MESSAGES = [
    {"role": "user", "content": "Who are you?"},
    {"role": "assistant", "content": "A pod."},
    {"role": "user", "content": "Sure?"},
    {"role": "assistant", "content": "Yes."},
    {"role": "user", "content": "And then?"},
]


async def test_the_next_turn_goes_on_from_the_last_response():
    stack = going_on(streams(NEXT, COMPLETED))
    async with running(stack) as upstream:
        turn = upstream.prepare(plan("And then?", thread=THREAD), not_needed)
        thread = turn.thread(await ran(turn))

    (body,) = stack.bodies(PATH)
    assert (body["previous_response_id"], body["input"]) == ("resp_1", "And then?")
    assert (body["instructions"], body["model"]) == ("Be brief.", "vllm/small")
    assert thread == Thread("responses", ("resp_2",))


async def test_a_session_of_an_agent_is_nothing_to_go_on_from():
    stack = going_on(streams(NEXT, COMPLETED))
    foreign = Thread("agents", ("a1", "s1", "own"), "fingerprint")
    async with running(stack) as upstream:
        await payloads_of(upstream.prepare(plan("And then?", thread=foreign), history_of(PAST)))

    assert inputs(stack) == [(None, MESSAGES)]


@pytest.mark.parametrize("told", LOST.values(), ids=LOST)
async def test_what_a_server_cannot_go_on_from_is_sent_as_messages(told):
    stack = going_on(streams(told), streams(NEXT, COMPLETED))
    async with running(stack) as upstream:
        turn = upstream.prepare(plan("And then?", thread=THREAD), history_of(PAST))
        summary = await ran(turn)

    assert inputs(stack) == [("resp_1", "And then?"), (None, MESSAGES)]
    assert (summary.outcome, turn.thread(summary).ids) == ("end", ("resp_2",))


async def test_it_is_rebuilt_once_and_not_for_ever():
    stack = going_on(streams(LOST["0.7.3 lost"]))
    async with running(stack) as upstream:
        turn = upstream.prepare(plan("And then?", thread=THREAD), history_of(PAST))
        summary = await ran(turn)

    assert (summary.code, turn.thread(summary)) == ("upstream_not_found", None)
    assert len(stack.bodies(PATH)) == 2


async def test_another_error_is_told_as_it_is():
    stack = going_on(streams(bare("Model 'x' not found.", code="404")))
    async with running(stack) as upstream:
        summary = await ran(upstream.prepare(plan(thread=THREAD)))

    assert summary.code == "upstream_not_found"
    assert len(stack.bodies(PATH)) == 1


@pytest.mark.parametrize(("said", "stays"), [((responses.text("m1", "Hi"),), False), ((), True)])
async def test_a_response_stays_when_a_turn_after_it_has_failed_and_said_nothing(said, stays):
    opened = (NEXT, responses.item_added("m1"), responses.part_added("m1"))
    failed = responses.ended("failed", error={"code": "server_error"})
    stack = going_on(streams(*opened, *said, failed)).on("DELETE", f"{PATH}/resp_2", says({}))
    async with running(stack) as upstream:
        turn = upstream.prepare(plan(thread=THREAD))
        kept = turn.thread(await ran(turn))

    assert kept == (THREAD if stays else None)
    assert [each.target for each in stack.to("DELETE")] == [f"{PATH}/resp_2"]


@pytest.mark.parametrize(
    ("chunks", "outcome", "goes_on"),
    [
        ((COMPLETED,), "end", True),
        ((responses.ended("incomplete", incomplete_details={"reason": "length"}),), "end", True),
        ((responses.ended("incomplete", FUNCTION, incomplete_details=ITERATIONS),), "end", False),
        ((responses.completed(FUNCTION),), "awaiting_input", True),
        ((REFUSED,), "end", False),
        ((responses.ended("failed", error={"code": "server_error"}),), "error", False),
        ((bare("gone", code="500"),), "error", False),
        ((), "error", False),
    ],
    ids=["answer", "cut", "iterations", "waits", "refused", "failed", "error", "truncated"],
)
async def test_only_a_response_that_ended_in_order_is_kept(chunks, outcome, goes_on):
    stack = going_on(streams(NEXT, *chunks)).on("DELETE", f"{PATH}/resp_2", says({}))
    async with running(stack) as upstream:
        turn = upstream.prepare(plan())
        summary = await ran(turn)
        thread = turn.thread(summary)

    assert (summary.outcome, thread is not None) == (outcome, goes_on)
    deleted = [each.target for each in stack.to("DELETE")]
    assert deleted == ([] if goes_on else [f"{PATH}/resp_2"])


@pytest.mark.parametrize(("by", "goes_on"), [("upstream", False), ("turnstile", True)])
async def test_a_response_with_tools_is_more_than_its_own_guardrails_can_read(by, goes_on):
    stack = going_on(streams(NEXT, *CALLED, COMPLETED)).on("DELETE", f"{PATH}/resp_2", says({}))
    async with running(stack, ModerationSettings(by=by)) as upstream:
        turn = upstream.prepare(plan(input_shields=("guard",)))
        thread = turn.thread(await ran(turn))

    assert (thread is not None) == goes_on


REFUSALS = {
    "bad request": bare("Unsupported content type: <class 'list'>", code="400"),
    "not found": bare("A part of it was not found.", code="404"),
    "conflict": bare("busy", code="409"),
    "too long": bare("too long", code="context_length_exceeded"),
    "unprocessable": bare("odd", code="422"),
}


@pytest.mark.parametrize("told", REFUSALS.values(), ids=REFUSALS)
async def test_a_response_that_a_server_refuses_late_is_not_gone_on_from_again(told):
    """It may be why: then the conversation would fail for ever."""
    opened = (NEXT, responses.chunk("in_progress", response={}))
    stack = going_on(streams(*opened, told)).on("DELETE", f"{PATH}/resp_2", says({}))
    async with running(stack) as upstream:
        turn = upstream.prepare(plan(thread=THREAD), history_of(PAST))
        summary = await ran(turn)

    assert (summary.outcome, turn.thread(summary)) == ("error", None)


@pytest.mark.parametrize(
    "first",
    [
        None, b"", b"{", b"[]", b"7", b"\xff", b'"', b"[" * 100_000, b"{}", b'{"response": []}',
        b'{"response": {}}', b'{"response": {"id": null}}', b'{"response": {"id": ""}}',
        b'{"response": {"id": 7}}',
    ],
    ids=repr,
)  # fmt: skip
def test_a_first_payload_may_name_no_response(first):
    assert response_id(first) is None


def test_an_error_is_told_in_three_ways():
    told = [bare("lost"), bare("lost", code="404"), ogx("lost")]

    assert [error_message(json.dumps(each).encode()) for each in told] == ["lost"] * 3


@pytest.mark.parametrize(
    "payload",
    [
        None, b"", b'{"error"', b'["error"]', b'"error"', b'{"error": null}', b'{"error": "text"}',
        b'{"error": {"message": 7}}', b'{"type": "error"}', b'{"error": [' + b"[" * 4_000,
        b'\xff"error"', b'{"error": {"message": "' + b"x" * 5_000 + b'"}}',
        b'{"response": {"error": {"message": "inside"}}}',
    ],
    ids=lambda each: repr(each)[:40],
)  # fmt: skip
def test_what_is_no_error_has_no_sentence(payload):
    assert error_message(payload) == ""
