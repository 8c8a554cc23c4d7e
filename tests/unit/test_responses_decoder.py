"""The Responses API: items become steps, calls and results, in whatever order they come."""

import pytest

from statemachine.upstream.responses import ResponsesDecoder
from tests.support import responses_chunks as responses
from tests.support.laws import Run, check, run_chunks

SHOUT = {"name": "shout", "server_label": "lab"}
SAID = responses.completed(responses.message(responses.said("Hi")))


def told(*chunks: object) -> Run:
    """Feed the chunks to a new stream; the end of the body follows them."""
    run = run_chunks(ResponsesDecoder(), [responses.created(), *chunks])
    check(run)
    return run


def data_of(run: Run, event: str) -> list[dict[str, object]]:
    return [each["data"] for each in run.told if each["event"] == event]


def names(run: Run) -> list[str]:
    return [each["event"] for each in run.told]


def mcp_added(item_id: str, **fields: object) -> dict[str, object]:
    return responses.item_added(item_id, "mcp_call", **SHOUT, **fields)


def mcp_done(item_id: str, output: object = "HI", **fields: object) -> dict[str, object]:
    return responses.item_done(item_id, "mcp_call", **SHOUT, output=output, **fields)


def test_text_of_an_announced_item_is_told() -> None:
    run = told(
        responses.item_added("m1"), responses.text("m1", "H"), responses.text("m1", "i"), SAID
    )

    assert names(run) == ["start", "token", "token", "turn_complete", "end"]


def test_a_part_announces_its_item_too() -> None:
    run = told(responses.part_added("m1"), responses.text("m1", "Hi"), SAID)

    assert run.last["event"] == "end"


@pytest.mark.parametrize(
    "delta",
    [responses.text, responses.reasoning, responses.refusal],
    ids=lambda each: each.__name__,
)
def test_a_delta_of_an_item_that_was_not_announced_is_refused(delta) -> None:
    run = told(responses.item_added("m1"), delta("m2", "Hi"))

    assert run.last["code"] == "illegal_transition"


def test_a_delta_after_its_item_is_done_is_refused() -> None:
    run = told(responses.item_added("m1"), responses.item_done("m1"), responses.text("m1", "Hi"))

    assert run.last["code"] == "illegal_transition"


def test_thinking_is_told_apart_from_the_answer() -> None:
    summary = responses.chunk("reasoning_summary_text.delta", item_id="m1", delta="so")

    run = told(responses.part_added("m1"), responses.reasoning("m1", "Hm"), summary, SAID)

    assert [each["token"] for each in data_of(run, "reasoning")] == ["Hm", "so"]


def test_a_function_call_names_its_arguments() -> None:
    fields = {"call_id": "c1", "name": "add"}

    run = told(
        responses.item_added("f1", "function_call", **fields), responses.arguments("f1", "{}")
    )

    (delta,) = data_of(run, "tool_call_delta")
    assert (delta["call_id"], delta["tool_name"], delta["token"]) == ("c1", "add", "{}")


def test_arguments_of_a_server_tool_come_before_its_item() -> None:
    pieces = responses.arguments("f1", '{"a":'), responses.arguments("f1", "1}")

    run = told(*pieces, responses.arguments_done("f1", '{"a":1}'), mcp_added("f1"), mcp_done("f1"))

    assert names(run)[:5] == [
        "start",
        "tool_call_delta",
        "tool_call_delta",
        "tool_call",
        "tool_result",
    ]
    (call,) = data_of(run, "tool_call")
    assert (call["token"]["arguments"], call["server_label"]) == ({"a": 1}, "lab")


@pytest.mark.parametrize(
    "kind", ["mcp_call.arguments", "mcp_call_arguments", "function_call_arguments"]
)
def test_arguments_may_also_come_after_the_item(kind: str) -> None:
    done = responses.arguments_done("f1", '{"a":1}', kind)

    run = told(mcp_added("f1"), done, mcp_done("f1"))

    assert data_of(run, "tool_call")[0]["token"]["arguments"] == {"a": 1}


def test_arguments_that_the_item_brings_start_it_at_once() -> None:
    run = told(mcp_added("f1", arguments='{"a":1}'))

    assert names(run) == ["start", "tool_call", "tool_result", "error"]


def test_arguments_of_a_call_that_executes_are_not_told() -> None:
    run = told(mcp_added("f1", arguments="{}"), responses.arguments("f1", "{}"))

    assert data_of(run, "tool_call_delta") == []


def test_an_item_that_is_done_without_its_arguments_is_still_a_call() -> None:
    run = told(mcp_added("f1"), mcp_done("f1", arguments='{"a":1}'))

    assert names(run)[1:3] == ["tool_call", "tool_result"]
    assert data_of(run, "tool_call")[0]["token"]["arguments"] == {"a": 1}


def test_an_item_that_was_never_added_has_no_open_call() -> None:
    assert told(mcp_done("f1", arguments="{}")).last["code"] == "illegal_transition"


def test_parallel_calls_are_known_by_their_item() -> None:
    added = [mcp_added(item_id, arguments="{}") for item_id in ("f1", "f2")]

    run = told(*added, mcp_done("f2", "two"), mcp_done("f1", "one"), SAID)

    results = [(each["call_id"], each["token"]["response"]) for each in data_of(run, "tool_result")]
    assert results == [("f2", "two"), ("f1", "one")]
    assert run.last["event"] == "end"


RESULTS = [
    ({"output": "HI", "error": None}, "ok", "HI"),
    ({"output": None, "error": "boom"}, "failed", "boom"),
    ({"output": None, "error": {"code": 1}}, "failed", '{"code":1}'),
    ({"output": {"a": "\ud800"}}, "ok", '{"a":"\\ud800"}'),
    ({"output": [{"type": "text", "text": "HI"}]}, "ok", "HI"),
    ({"output": "HI", "status": "failed"}, "failed", "The tool failed."),
    ({}, "ok", ""),
]


@pytest.mark.parametrize(("fields", "status", "response"), RESULTS, ids=range(len(RESULTS)))
def test_a_finished_item_carries_its_result(
    fields: dict[str, object], status: str, response: str
) -> None:
    done = responses.item_done("f1", "mcp_call", **SHOUT, **fields)

    run = told(mcp_added("f1", arguments="{}"), done)

    (result,) = data_of(run, "tool_result")
    assert (result["status"], result["token"]["response"]) == (status, response)


@pytest.mark.parametrize(
    ("queries", "arguments"),
    [(["pods"], {"queries": ["pods"]}), ([], {}), (["\ud800"], '{"queries":["\\ud800"]}')],
    ids=range(3),
)
def test_a_search_shows_its_queries_as_arguments(queries: list[str], arguments: object) -> None:
    run = told(responses.item_added("f1", "file_search_call", queries=queries))

    (call,) = data_of(run, "tool_call")
    assert call["token"] == {"tool_name": "file_search", "arguments": arguments}


SEARCHES = [
    ("completed", [{"text": "A pod."}], "ok", {"summary": "file_search found 1 result"}),
    ("completed", [], "ok", {"summary": "file_search found nothing"}),
    ("failed", None, "failed", {"response": ""}),
]  # fmt: skip


@pytest.mark.parametrize(("state", "found", "status", "token"), SEARCHES, ids=range(3))
def test_a_search_is_summed_up(
    state: str, found: object, status: str, token: dict[str, str]
) -> None:
    done = responses.item_done("f1", "file_search_call", status=state, results=found)

    run = told(responses.item_added("f1", "file_search_call"), done)

    (result,) = data_of(run, "tool_result")
    assert result["status"] == status
    assert result["token"] == {"tool_name": "file_search", **token}


@pytest.mark.parametrize(
    ("outcome", "item_id", "status"),
    [("completed", "f1", "ok"), ("failed", "f1", "failed"), ("completed", None, "ok"),
     ("completed", "f9", "failed"), (None, None, "failed")],
    ids=range(5),
)  # fmt: skip
def test_a_call_whose_item_never_closes_is_closed_at_the_end(
    outcome: str | None, item_id: str | None, status: str
) -> None:
    said = [responses.chunk(f"mcp_call.{outcome}", item_id=item_id)] if outcome else []

    run = told(mcp_added("f1", arguments="{}"), *said, SAID)

    (result,) = data_of(run, "tool_result")
    assert (result["status"], run.last["event"]) == (status, "end")
    assert result["token"]["response"] == "The upstream did not report a result."


def test_a_call_whose_item_never_closes_may_be_in_the_output() -> None:
    item = {"id": "f1", "type": "mcp_call", **SHOUT, "output": "HI"}

    run = told(mcp_added("f1", arguments="{}"), responses.completed(item))

    assert data_of(run, "tool_result")[0]["token"]["response"] == "HI"


def test_an_output_item_with_an_odd_id_closes_nothing() -> None:
    item = {"id": ["f1"], "type": "mcp_call", **SHOUT, "output": "HI"}

    run = told(mcp_added("f1", arguments="{}"), responses.completed(item))

    assert run.last["event"] == "end"
    assert data_of(run, "tool_result")[0]["status"] == "failed"


def test_an_outcome_without_any_call_says_nothing() -> None:
    run = told(responses.chunk("mcp_call.completed"), SAID)

    assert names(run) == ["start", "turn_complete", "end"]


def test_the_list_of_tools_says_nothing() -> None:
    run = told(
        responses.chunk("mcp_list_tools.in_progress"),
        responses.item_added("l1", "mcp_list_tools"),
        responses.item_done("l1", "mcp_list_tools"),
        SAID,
    )

    assert names(run) == ["start", "turn_complete", "end"]
    assert run.stream.unknown == {}
