"""What servers do that the Responses API does not say."""

from tests.support import responses_chunks as responses
from tests.unit.test_responses_decoder import data_of, mcp_added, names, told


def test_a_response_that_names_itself_again_under_another_id_is_refused() -> None:
    other = responses.chunk("created", response={"id": "resp_2"})

    assert told(other).last["code"] == "illegal_transition"


def test_a_call_that_never_got_its_arguments_is_told_at_the_end() -> None:
    item = mcp_added("fc1", arguments="")["item"]

    run = told(mcp_added("fc1", arguments=""), responses.completed({**item, "error": "boom"}))

    assert names(run)[1:3] == ["tool_call", "tool_result"]
    assert data_of(run, "tool_result")[0]["status"] == "failed"


def test_empty_arguments_start_a_call_that_waited_for_them() -> None:
    run = told(mcp_added("fc1", arguments=""), responses.arguments_done("fc1", ""))

    assert names(run)[1] == "tool_call"


def test_a_web_search_names_its_query_and_its_sources() -> None:
    source = {"type": "url", "url": "https://example.org/a"}
    action = {"type": "search", "query": "pods", "sources": [source, "odd"]}
    fields = {"status": "completed", "action": action}

    run = told(
        responses.item_added("ws1", "web_search_call", action=action),
        responses.item_done("ws1", "web_search_call", **fields),
        responses.completed(),
    )

    assert data_of(run, "tool_call")[0]["token"]["arguments"] == {"query": "pods"}
    assert run.last["referenced_documents"][0]["doc_url"] == "https://example.org/a"


def test_a_refusal_in_one_piece_is_the_models_own() -> None:
    done = responses.chunk("refusal.done", item_id="m1", refusal="I will not.")
    output = responses.message(responses.refused("I will not."))

    run = told(responses.item_added("m1"), done, responses.completed(output))

    assert run.last["finish_reason"] == "refusal"
    assert data_of(run, "turn_complete")[0]["token"] == "I will not."


def test_a_response_cut_after_a_tool_without_a_reason_met_the_iteration_limit() -> None:
    output = {"id": "fc1", "type": "mcp_call", "name": "shout", "arguments": "{}"}

    run = told(responses.ended("incomplete", output))

    assert (run.last["finish_reason"], run.last["truncated"]) == ("max_iterations", True)
