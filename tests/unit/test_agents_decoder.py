"""Agent turns: what each chunk says."""

import pytest

from statemachine.upstream.agents import AgentsDecoder
from tests.support import agents_chunks as agents
from tests.support.laws import Run, check, run_chunks

START = agents.step_start("i1")
TOOL = "tool_execution"
TOUCHPOINTS = [
    ([], {}, "user-input"),
    ([], {"touchpoint": "assistant-output"}, "assistant-output"),
    ([], {"touchpoint": "nowhere"}, "user-input"),
    ([], {"touchpoint": ["user-input"]}, "user-input"),
    ([START, agents.inference_complete("i1")], {}, "assistant-output"),
    ([START, agents.inference_complete("i1")], {"touchpoint": "user-input"}, "user-input"),
]
ENDINGS = [
    ("end_of_turn", "stop", False),
    ("end_of_message", "stop", False),
    (None, "stop", False),
    ("out_of_tokens", "length", True),
    (["out_of_tokens"], "stop", False),
]
CONTENTS = [
    ("Hi", "Hi"),
    ({"type": "text", "text": "Hi"}, "Hi"),
    (None, ""),
    ({}, ""),
    ([{"type": "text", "text": "H"}, {"type": "image"}, {"text": 7}, "x", {"text": "i"}], "Hi"),
]
AWAITED = [
    # stop reason of the last inference, of the turn, and why it stopped
    ("end_of_message", "end_of_message", "tool_result"),
    ("end_of_message", "end_of_turn", "max_iterations"),
    ("end_of_turn", "end_of_turn", "max_iterations"),
]
WRITTEN = [
    ('{"city":"Prague"}', {"city": "Prague"}),
    ({"city": "Prague"}, {"city": "Prague"}),
    ({}, {}),
    ("", ""),
    ("[1]", "[1]"),
    ('{"city":', '{"city":'),
    ({"n": 10**30}, {"n": 10**30}),
    ('{"half":"\ud800"}', '{"half":"\ud800"}'),
    ({"half": "\ud800"}, '{"half":"\\ud800"}'),
]


def told(*chunks: object) -> Run:
    """Feed the chunks to a new stream; the end of the body follows them."""
    run = run_chunks(AgentsDecoder(), chunks)
    check(run)
    return run


def data_of(run: Run, event: str) -> list[dict[str, object]]:
    return [each["data"] for each in run.told if each["event"] == event]


def test_a_turn_start_only_adds_the_id_of_the_turn() -> None:
    message = {"tool_calls": [agents.call("c1")]}
    waiting = agents.payload("turn_awaiting_input", turn={"output_message": message})

    run = told(agents.payload("turn_start", turn_id="t7"), waiting)

    assert [each["event"] for each in run.told] == ["start", "awaiting_input"]
    assert run.last["turn_id"] == "t7"


@pytest.mark.parametrize(("before", "metadata", "touchpoint"), TOUCHPOINTS, ids=range(6))
def test_a_shield_looked_at_what_it_says_or_at_what_there_was(
    before: list[object], metadata: dict[str, object], touchpoint: str
) -> None:
    run = told(*before, agents.step_start("s1", "shield_call", **metadata), agents.verdict("s1"))

    assert data_of(run, "shield") == [{"id": 2, "touchpoint": touchpoint, "verdict": "passed"}]


def test_a_violation_is_told_with_level_and_metadata() -> None:
    shield = agents.step_start("s1", "shield_call")

    run = told(shield, agents.verdict("s1", agents.violation()), agents.turn_complete("No."))

    (told_of,) = data_of(run, "shield")
    assert (told_of["verdict"], told_of["violation_level"]) == ("violation", "error")
    assert told_of["metadata"] == {"type": "S1"}
    assert run.last["finish_reason"] == "shield"


def test_a_violation_without_words_still_says_something() -> None:
    run = told(agents.step_start("s1", "shield_call"), agents.verdict("s1", {}))

    (told_of,) = data_of(run, "shield")
    assert told_of["message"] == "The request was refused by a safety shield."


def test_a_turn_that_goes_on_after_a_violation_did_not_end_by_it() -> None:
    shield = agents.step_start("s1", "shield_call")
    rest = (START, agents.inference_complete("i1"), agents.turn_complete("Hi"))

    run = told(shield, agents.verdict("s1", agents.violation()), *rest)

    assert run.last["finish_reason"] == "stop"


@pytest.mark.parametrize("content", ["", None, [], {"type": "image"}])
def test_a_refusal_takes_the_place_of_what_was_said_though_it_is_not_repeated(
    content: object,
) -> None:
    said = (START, agents.text("i1", "secret"), agents.inference_complete("i1"))
    objects = (agents.step_start("s1", "shield_call"), agents.verdict("s1", agents.violation()))

    run = told(*said, *objects, agents.turn_complete(content))

    assert data_of(run, "turn_complete")[0]["token"] == "I can't answer that."
    assert run.stream.summary.answer == "I can't answer that."


def test_a_shield_that_passes_takes_no_violation_back() -> None:
    first = (agents.step_start("s1", "shield_call"), agents.verdict("s1", agents.violation()))
    second = (agents.step_start("s2", "shield_call"), agents.verdict("s2"))

    run = told(*first, *second, agents.turn_complete("No."))

    assert (run.last["finish_reason"], run.stream.summary.told) == ("shield", False)


@pytest.mark.parametrize(
    "metadata", [{"half": "\ud800"}, {"big": 10**30}, {"n": [float("nan")], "half": "\udfff"}]
)
def test_odd_metadata_of_a_violation_comes_out_as_json(metadata: dict[str, object]) -> None:
    violation = {"user_message": "No \ud800.", "metadata": metadata}

    run = told(agents.step_start("s1", "shield_call"), agents.verdict("s1", violation))

    (told_of,) = data_of(run, "shield")
    assert told_of["message"] == "No \ud800."
    assert list(told_of["metadata"]) == list(metadata)


@pytest.mark.parametrize(("stop_reason", "reason", "truncated"), ENDINGS, ids=range(5))
def test_the_stop_reason_of_the_turn_is_the_finish_reason(
    stop_reason: object, reason: str, *, truncated: bool
) -> None:
    run = told(agents.turn_complete("Hi", stop_reason))

    assert (run.last["finish_reason"], run.last["truncated"]) == (reason, truncated)


@pytest.mark.parametrize(("content", "text"), CONTENTS, ids=range(5))
def test_the_answer_is_the_text_of_the_output_message(content: object, text: str) -> None:
    assert data_of(told(agents.turn_complete(content)), "turn_complete")[0]["token"] == text


@pytest.mark.parametrize(("last", "turn", "reason"), AWAITED, ids=range(3))
def test_a_rewritten_stop_reason_means_the_iteration_limit(
    last: str, turn: str, reason: str
) -> None:
    inference = (START, agents.inference_complete("i1", last))

    run = told(*inference, agents.awaiting(agents.call("c1"), stop_reason=turn))

    assert run.last["reason"] == reason
    assert run.last["calls"] == [{"call_id": "c1", "tool_name": "get_weather", "arguments": {}}]


def test_a_retrieval_step_says_nothing() -> None:
    kind = "memory_retrieval"

    run = told(agents.step_start("m1", kind), agents.step_complete("m1", kind))

    assert [each["event"] for each in run.told] == ["start", "error"]
    assert run.last["state"] == "turn_started"


@pytest.mark.parametrize("details", [None, [], {}, {"model_response": []}, {"model_response": {}}])
def test_an_inference_may_close_without_details(details: object) -> None:
    closed = agents.payload("step_complete", step_id="i1", step_type="inference")
    closed["event"]["payload"]["step_details"] = details

    assert told(START, closed, agents.turn_complete("Hi")).last["event"] == "end"


@pytest.mark.parametrize(("arguments", "shown"), WRITTEN, ids=range(len(WRITTEN)))
def test_arguments_are_an_object_when_they_parse_as_one(arguments: object, shown: object) -> None:
    call = agents.call("c1", arguments=arguments)

    run = told(agents.step_start("t1", TOOL), agents.whole_call("t1", call, TOOL))

    assert data_of(run, "tool_call")[0]["token"]["arguments"] == shown


@pytest.mark.parametrize("depth", [100, 1_000, *range(1_480, 1_500), 100_000])
def test_arguments_may_be_nested_beyond_reason(depth: int) -> None:
    arguments = '{"a":' * depth + "1" + "}" * depth
    call = agents.call("c1", "\ud800", arguments)
    decoder = AgentsDecoder()

    run = run_chunks(decoder, [agents.step_start("t1", TOOL), agents.whole_call("t1", call, TOOL)])

    assert [emission.number for emission in run.emissions] == [1, 2, 3, 4]


def test_fragments_are_named_and_the_whole_call_is_not_told_twice() -> None:
    pieces = ['get_weather({"city":', '"Prague"})', "get_time({", "})"]
    calls = [agents.whole_call("i1", agents.call(each)) for each in ("c1", "c2")]

    run = told(START, *(agents.fragment("i1", piece) for piece in pieces), *calls)

    assert [(each["tool_name"], each["token"]) for each in data_of(run, "tool_call_delta")] == [
        ("get_weather", '{"city":'),
        ("get_weather", '"Prague"}'),
        ("get_time", "{"),
        ("get_time", "}"),
    ]


def test_a_call_without_fragments_is_told_as_one_piece() -> None:
    run = told(START, agents.whole_call("i1", agents.call("c1", arguments='{"a":1}')))

    (delta,) = data_of(run, "tool_call_delta")
    assert delta == {"id": 2, "call_id": "c1", "tool_name": "get_weather", "token": '{"a":1}'}


def test_only_the_call_that_came_in_fragments_is_not_told_again() -> None:
    calls = [agents.whole_call("i1", agents.call(each, arguments="{}")) for each in ("c1", "c2")]

    run = told(START, agents.fragment("i1", "get_weather({})"), *calls)

    assert [each.get("call_id") for each in data_of(run, "tool_call_delta")] == [None, "c2"]


def test_a_fragment_that_the_server_could_not_read_is_not_told() -> None:
    run = told(START, agents.fragment("i1", 'get_weather({"a"', "failed"))

    assert data_of(run, "tool_call_delta") == []


def test_a_new_step_begins_with_new_fragments() -> None:
    first = (START, agents.fragment("i1", "get_weather({"), agents.inference_complete("i1"))
    second = (agents.step_start("i2"), agents.fragment("i2", "get_time({})"))

    run = told(*first, *second)

    assert data_of(run, "tool_call_delta")[-1]["token"] == "{}"


@pytest.mark.parametrize(
    ("content", "status"),
    [("Sunny", "ok"), ("Error executing tool x: boom", "failed"), (None, "ok")],
)
def test_a_tool_that_raised_is_told_by_its_text(content: object, status: str) -> None:
    began = (agents.step_start("t1", TOOL), agents.whole_call("t1", agents.call("c1"), TOOL))

    run = told(*began, agents.tool_complete("t1", agents.response("c1", content)))

    (result,) = data_of(run, "tool_result")
    assert (result["status"], result["token"]["response"]) == (status, content or "")


def test_a_tool_that_lists_documents_is_a_retrieval_whatever_its_name() -> None:
    began = (agents.step_start("t1", TOOL), agents.whole_call("t1", agents.call("c1"), TOOL))
    found = {**agents.response("c1", "found 1"), "metadata": {"document_ids": ["d1"]}}

    run = told(*began, agents.tool_complete("t1", found))

    assert data_of(run, "tool_result")[0]["token"] == {
        "tool_name": "get_weather",
        "summary": "found 1",
    }


@pytest.mark.parametrize("error", ["boom", {"message": "boom"}, {}, {"message": 7}, 7, ["boom"]])
def test_an_error_of_any_shape_ends_the_turn(error: object) -> None:
    run = told(START, {"error": error})

    assert (run.last["code"], run.last["state"]) == ("upstream_error", "step_in_progress")


@pytest.mark.parametrize(
    "chunk",
    [
        {"detail": "404: no model"},
        {"message": "404: no model"},
        {"type": "error", "message": "404: no model"},
        {"event": None, "error": None, "detail": "404: no model"},
    ],
)
def test_words_without_an_event_are_an_error(chunk: object) -> None:
    run = told(START, chunk)

    assert (run.last["code"], run.last["cause"]) == ("upstream_not_found", "no model")


def test_a_limit_of_tokens_counts_though_the_server_rewrote_the_stop_reason() -> None:
    inference = (START, agents.text("i1", "cut"), agents.inference_complete("i1", "out_of_tokens"))

    run = told(*inference, agents.turn_complete("cut", "end_of_turn"))

    assert (run.last["finish_reason"], run.last["truncated"]) == ("length", True)


def test_calls_that_a_limit_of_tokens_cut_are_not_owed() -> None:
    cut = agents.call("c1", arguments='{"city": "Pra')
    fragment = agents.fragment("i1", 'get_weather({"city": "Pra')
    inference = (START, agents.text("i1", "Let me see."), fragment)

    closed = agents.inference_complete("i1", "out_of_tokens")
    run = told(*inference, closed, agents.awaiting(cut, stop_reason="out_of_tokens"))

    assert (run.last["event"], run.last["finish_reason"]) == ("end", "length")
    assert run.last["truncated"]
    assert data_of(run, "turn_complete")[0]["token"] == "Let me see."


def test_a_resumed_stream_may_list_the_answers_without_the_calls() -> None:
    finished = agents.tool_complete("t1", agents.response("c1", "Sunny"))

    run = told(finished, agents.turn_complete("Hi"))

    names = [each["event"] for each in run.told]
    assert names == ["start", "tool_result", "turn_complete", "end"]


def test_arguments_without_a_name_before_them_are_told_once() -> None:
    """A model that sends name and arguments in one piece makes servers leave out `name(`."""
    call = agents.call("c1", arguments='{"a": 1}')
    pieces = (agents.fragment("i1", '{"a": 1}'), agents.fragment("i1", ")"))

    run = told(START, *pieces, agents.whole_call("i1", call))

    assert [each["token"] for each in data_of(run, "tool_call_delta")] == ['{"a": 1}']


def test_fragments_after_a_broken_call_belong_to_the_next_one() -> None:
    broken = (agents.fragment("i1", 'put({"a": '), agents.fragment("i1", "put", "failed"))

    run = told(START, *broken, agents.fragment("i1", 'get({"b": 2})'))

    last = data_of(run, "tool_call_delta")[-1]
    assert (last["tool_name"], last["token"]) == ("get", '{"b": 2}')
