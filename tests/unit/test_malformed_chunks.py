"""A chunk with a wrong shape ends the turn; a chunk of an unknown kind does not."""

import pytest

from statemachine import DECODERS
from statemachine.upstream.unknown import OTHER
from tests.support import agents_chunks as agents
from tests.support import responses_chunks as responses
from tests.support.laws import check, run_chunks

TOOL = "tool_execution"
NO_CHUNKS = [None, 7, 0.5, True, "step_start", [], [{"type": "response.created"}]]
AGENTS: list[tuple[object, str]] = [
    ({}, "chunk.event: expected an object"),
    ({"event": "step_start"}, "chunk.event: expected an object"),
    ({"event": {}}, "event.payload: expected an object"),
    ({"event": {"payload": [{}]}}, "event.payload: expected an object"),
    ({"event": {"payload": {}}}, "event.payload.event_type: expected a string"),
    (
        {"event": {"payload": {"event_type": ["step_start"]}}},
        "event.payload.event_type: expected a string",
    ),
    (agents.payload("turn_start"), "turn_start.turn_id: expected a string"),
    (agents.payload("turn_start", turn_id=7), "turn_start.turn_id: expected a string"),
    (agents.payload("step_start", step_id="i1"), "step_start.step_type: expected a string"),
    (agents.step_start("i1", "dance"), "step_start.step_type: expected one of inference"),
    (agents.step_start(None), "step_start.step_id: expected a string"),
    (agents.progress("i1", {"type": "text"}, ["x"]), "step_progress.step_type: expected a string"),
    (agents.progress("i1", {"type": "text"}, "dance"), "step_progress.step_type: expected one of"),
    (agents.progress(None, {"type": "text"}), "step_progress.step_id: expected a string"),
    (agents.progress("i1", None), "step_progress.delta: expected an object"),
    (agents.progress("i1", ["text"]), "step_progress.delta: expected an object"),
    (agents.progress("i1", {}), "step_progress.delta.type: expected a string"),
    (agents.text("i1", None), "step_progress.delta.text: expected a string"),
    (agents.text("i1", ["Hi"]), "step_progress.delta.text: expected a string"),
    (agents.whole_call("i1", None), "delta.tool_call: expected an object"),
    (agents.whole_call("i1", {}), "tool_call.call_id: expected a string"),
    (agents.whole_call("t1", None, TOOL), "delta.tool_call: expected an object"),
    (agents.whole_call("t1", {"call_id": "c1"}, TOOL), "tool_call.tool_name: expected a string"),
    (agents.whole_call("t1", agents.call(7), TOOL), "tool_call.call_id: expected a string"),
    (agents.whole_call("t1", "get_wea", TOOL), "delta.tool_call: expected an object"),
    *(
        (agents.whole_call(step_id, agents.call("c1", arguments=odd), kind), "tool_call.arguments:")
        for step_id, kind in (("i1", "inference"), ("t1", TOOL))
        for odd in (None, 7, False, [])
    ),
    (
        agents.whole_call("i1", {"call_id": "c1", "tool_name": "x"}),
        "step_progress.delta.tool_call.arguments: expected a string or an object",
    ),
    (agents.step_complete("i1", "dance"), "step_complete.step_type: expected one of"),
    (agents.step_complete(7), "step_complete.step_id: expected a string"),
    (
        agents.payload("step_complete", step_id="s1", step_type="shield_call"),
        "step_complete.step_details: expected an object",
    ),
    (
        agents.payload("step_complete", step_id="t1", step_type=TOOL),
        "step_complete.step_details: expected an object",
    ),
    (agents.step_complete("t1", TOOL, tool_responses={}), "tool_responses: expected a list"),
    (agents.tool_complete("t1", "Sunny"), "tool_responses[0]: expected an object"),
    (agents.tool_complete("t1", {"tool_name": "x"}), "tool_responses.call_id: expected a string"),
    (agents.tool_complete("t1", {"call_id": "c1"}), "tool_responses.tool_name: expected a string"),
    (
        agents.tool_complete("t1", agents.response("c1", 7)),
        "tool_responses.content: expected a string, a list or an object",
    ),
    (agents.verdict("s1", "bad"), "step_details.violation: expected an object"),
    (agents.verdict("s1", {"user_message": 7}), "violation.user_message: expected a string"),
    (agents.verdict("s1", {"violation_level": 7}), "violation.violation_level: expected a string"),
    (agents.payload("turn_complete"), "turn_complete.turn: expected an object"),
    (agents.payload("turn_complete", turn={}), "turn_complete.turn.output_message: expected"),
    (agents.turn_complete(7), "turn_complete.turn.output_message.content: expected a string, a"),
    (agents.turn_complete(content=False), "turn_complete.turn.output_message.content: expected"),
    (
        agents.payload("turn_awaiting_input", turn=[]),
        "turn_awaiting_input.turn: expected an object",
    ),
    (
        agents.payload("turn_awaiting_input", turn={}),
        "turn_awaiting_input.turn.output_message: expec",
    ),
    (
        agents.payload("turn_awaiting_input", turn={"turn_id": 7, "output_message": {}}),
        "turn_awaiting_input.turn.turn_id: expected",
    ),
    (
        agents.payload("turn_awaiting_input", turn={"output_message": {}}),
        "turn_awaiting_input.turn.output_message.tool_calls: expected a call",
    ),
    (agents.awaiting(), "turn_awaiting_input.turn.output_message.tool_calls: expected a call"),
    (agents.awaiting("c1"), "tool_calls[0]: expected an object"),
]


def item(**fields: object) -> dict[str, object]:
    return responses.chunk("output_item.added", item=fields)


def done(**fields: object) -> dict[str, object]:
    return responses.chunk("output_item.done", item=fields)


RESPONSES: list[tuple[object, str]] = [
    ({}, "chunk.type: expected a string"),
    ({"type": None}, "chunk.type: expected a string"),
    ({"type": ["response.created"]}, "chunk.type: expected a string"),
    (responses.chunk("created"), "response.created.response: expected an object"),
    (responses.chunk("created", response={}), "response.created.response.id: expected a string"),
    (responses.text("m1", None), "output_text.delta.delta: expected a string"),
    (responses.text(7, "Hi"), "output_text.delta.item_id: expected a string"),
    (responses.chunk("output_text.delta"), "output_text.delta.item_id: expected a string"),
    (responses.reasoning("m1", 7), "reasoning_text.delta.delta: expected a string"),
    (responses.reasoning(None, "Hm"), "reasoning_text.delta.item_id: expected a string"),
    (responses.refusal("m1", None), "refusal.delta.delta: expected a string"),
    (responses.refusal(None, "No"), "refusal.delta.item_id: expected a string"),
    (responses.arguments(None, "{"), "arguments.delta.item_id: expected a string"),
    (responses.arguments("f1", {}), "arguments.delta.delta: expected a string"),
    (responses.arguments_done("f1", None), "arguments.done.arguments: expected a string"),
    (responses.arguments_done(None, "{}"), "arguments.done.item_id: expected a string"),
    (responses.part_added(None), "content_part.added.item_id: expected a string"),
    (responses.chunk("output_item.added"), "output_item.added.item: expected an object"),
    (item(), "output_item.added.item.type: expected a string"),
    (item(type=["message"]), "output_item.added.item.type: expected a string"),
    (item(type="message"), "item(message).id: expected a string"),
    (item(type="mcp_call", id=7), "item(mcp_call).id: expected a string"),
    (item(type="mcp_call", id="f1", arguments="{}"), "item(mcp_call).name: expected a string"),
    (item(type="mcp_call", id="f1", name="x", arguments={"a": 1}), "item(mcp_call).arguments"),
    (
        item(type="mcp_call", id="f1", name="x", arguments="{}", server_label=7),
        "item(mcp_call).server_label: expected a string",
    ),
    (done(), "output_item.done.item.type: expected a string"),
    (done(type="mcp_call"), "item(mcp_call).id: expected a string"),
    (done(type="file_search_call", id=7), "item(file_search_call).id: expected a string"),
    (done(type="mcp_call", id="f1"), "item(mcp_call).name: expected a string"),
    (responses.chunk("mcp_call.completed", item_id=7), "mcp_call.completed.item_id: expected"),
    (responses.chunk("completed"), "response.completed.response: expected an object"),
    (responses.chunk("completed", response={"output": {}}), "response.output: expected a list"),
    (responses.chunk("completed", response={"output": None}), "response.output: expected a list"),
    (responses.chunk("completed", response={}), "response.output: expected a list"),
    (responses.completed({"call_id": "c1", "name": "x"}), "output[0].type: expected a string"),
    (responses.completed({"type": ["function_call"]}), "output[0].type: expected a string"),
    (responses.ended("incomplete", {"type": None}), "output[0].type: expected a string"),
    (responses.completed(responses.message({"refusal": "No."})), "content.type: expected"),
    (responses.completed("Hi"), "response.output[0]: expected an object"),
    (responses.completed({"type": "message", "content": {}}), "content: expected a list"),
    (responses.completed(responses.message("Hi")), "content[0]: expected an object"),
    (responses.completed(responses.message(responses.said(7))), "content.text: expected a string"),
    (
        responses.completed(responses.message(responses.refused(7))),
        "content.refusal: expected a string",
    ),
    (responses.completed({"type": "function_call"}), "item(function_call).call_id: expected"),
    (
        responses.completed({"type": "function_call", "call_id": "c1", "name": 7}),
        "item(function_call).name: expected a string",
    ),
    (responses.completed({"type": "mcp_approval_request"}), "item(mcp_approval_request).id: exp"),
    (
        responses.chunk("completed", response={"id": 7, "output": [{"type": "function_call"}]}),
        "item(function_call).call_id: expected a string",
    ),
    (responses.chunk("incomplete"), "response.incomplete.response: expected an object"),
    (responses.chunk("failed"), "response.failed.response: expected an object"),
]
MALFORMED = [
    *(("agents", *row) for row in AGENTS),
    *(("responses", *row) for row in RESPONSES),
    *((dialect, chunk, "chunk: expected an object") for dialect in DECODERS for chunk in NO_CHUNKS),
]
UNKNOWN = [
    ("agents", agents.payload("turn_paused"), "turn_paused"),
    ("agents", agents.progress("i1", {"type": "image"}), "delta:image"),
    ("agents", agents.payload("x" * 900), "x" * 100),
    ("responses", responses.chunk("audio.delta"), "response.audio.delta"),
    ("responses", responses.item_added("c1", "computer_call"), "item:computer_call"),
    ("responses", {"type": "x" * 900}, "x" * 100),
]


@pytest.mark.parametrize(("dialect", "chunk", "cause"), MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_chunk_ends_the_turn_and_says_what_is_wrong(
    dialect: str, chunk: object, cause: str
) -> None:
    run = run_chunks(DECODERS[dialect](), [chunk])

    check(run)
    assert (run.last["event"], run.last["code"]) == ("error", "malformed_chunk")
    assert cause in run.last["cause"]
    assert run.last["response"] == "The upstream broke the protocol."


@pytest.mark.parametrize(("dialect", "chunk", "kind"), UNKNOWN, ids=range(len(UNKNOWN)))
def test_an_unknown_kind_is_counted_and_skipped(dialect: str, chunk: object, kind: str) -> None:
    endings = {"agents": agents.turn_complete("Hi"), "responses": responses.completed()}

    run = run_chunks(DECODERS[dialect](), [chunk, chunk, endings[dialect]])

    assert run.stream.unknown == {kind: 2}
    assert run.last["event"] == "end"


@pytest.mark.parametrize("dialect", DECODERS)
def test_unknown_kinds_are_bounded(dialect: str) -> None:
    decoder = DECODERS[dialect]()

    for number in range(300):
        decoder.decode(agents.payload(f"kind-{number}") | {"type": f"kind-{number}"})

    assert len(decoder.unknown) == 101
    assert decoder.unknown[OTHER] == 200
