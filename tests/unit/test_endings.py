"""How a response ends: four ways to end, and the five meanings of `completed`."""

import pytest

from statemachine import Summary
from statemachine.events import Usage
from statemachine.upstream.responses import ResponsesDecoder
from tests.support import responses_chunks as responses
from tests.support.laws import Run, check, run_chunks

SPOKEN = (responses.item_added("m1"), responses.text("m1", "Hello"))
FUNCTION = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "add"}
APPROVAL = {"type": "mcp_approval_request", "id": "a1", "name": "add", "server_label": "lab"}
USAGE = {"input_tokens": 7, "output_tokens": 3}


def told(*chunks: object) -> Run:
    run = run_chunks(ResponsesDecoder(), [responses.created(), *chunks])
    check(run)
    return run


def answer_of(run: Run) -> object:
    (complete,) = [each["data"] for each in run.told if each["event"] == "turn_complete"]
    return complete["token"]


ANSWERS = [
    ([responses.message(responses.said("Hi"))], "Hi"),
    ([responses.message(responses.said("H"), responses.said("i"))], "Hi"),
    ([responses.message(responses.said("H")), responses.message(responses.said("i"))], "Hi"),
    ([{"type": "message", "content": "Hi"}], "Hi"),
    ([{"type": "message", "content": None}], "Hello"),
    ([responses.message({"type": "output_text", "text": None})], "Hello"),
    ([{"type": "reasoning", "content": [responses.said("Hm")]}], "Hello"),
    ([responses.message({"type": "reasoning_text", "text": "Hm"}, responses.said("Hi"))], "Hi"),
    ([{"type": "message", "role": "user", "content": "Q?"}], "Hello"),
    ([{"type": "message", "role": None, "content": "Hi"}], "Hi"),
    ([], "Hello"),
]


@pytest.mark.parametrize(("output", "answer"), ANSWERS, ids=range(len(ANSWERS)))
def test_completed_means_answered(output: list[object], answer: str) -> None:
    run = told(*SPOKEN, responses.completed(*output))

    assert answer_of(run) == answer
    assert run.last["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("before", "touchpoint"), [((), "user-input"), (SPOKEN, "assistant-output")], ids=range(2)
)
def test_completed_means_refused_by_a_guardrail(
    before: tuple[object, ...], touchpoint: str
) -> None:
    run = told(*before, responses.completed(responses.message(responses.refused("No."))))

    (shield,) = [each["data"] for each in run.told if each["event"] == "shield"]
    assert (shield["touchpoint"], shield["message"]) == (touchpoint, "No.")
    assert (answer_of(run), run.last["finish_reason"]) == ("No.", "shield")


def test_a_refusal_without_words_still_says_something() -> None:
    run = told(responses.completed(responses.message(responses.refused(""))))

    assert answer_of(run) == "The model refused to answer."


@pytest.mark.parametrize(
    "output",
    [
        [],
        [responses.message(responses.said(""))],
        [responses.message(responses.refused("No."))],
    ],
    ids=range(3),
)
def test_completed_means_refused_by_the_model_itself(output: list[object]) -> None:
    refusal = (
        responses.part_added("m1"),
        responses.refusal("m1", "N"),
        responses.refusal("m1", "o."),
    )

    run = told(*refusal, responses.completed(*output))

    assert (answer_of(run), run.last["finish_reason"]) == ("No.", "refusal")
    assert "shield" not in {each["event"] for each in run.told}


@pytest.mark.parametrize("refusal", ["", None, "No.", "N"])
def test_the_models_own_refusal_may_come_again_in_the_output(refusal: object) -> None:
    streamed = (responses.part_added("m1"), responses.refusal("m1", "No."))
    part = {"type": "refusal", "refusal": refusal}

    run = told(*streamed, responses.completed(responses.message(part)))

    assert (answer_of(run), run.last["finish_reason"]) == (refusal or "No.", "refusal")


def test_refusals_in_several_parts_are_one_refusal() -> None:
    parts = responses.refused("N"), responses.refused("o.")
    streamed = (responses.part_added("m1"), responses.refusal("m1", "No."))

    run = told(*streamed, responses.completed(responses.message(*parts)))

    assert (answer_of(run), run.last["finish_reason"]) == ("No.", "refusal")


def test_a_guardrail_may_refuse_what_refuses() -> None:
    streamed = (responses.part_added("m1"), responses.refusal("m1", "Go away."))

    run = told(*streamed, responses.completed(responses.message(responses.refused("Blocked."))))

    (shield,) = [each["data"] for each in run.told if each["event"] == "shield"]
    assert (shield["touchpoint"], shield["message"]) == ("assistant-output", "Blocked.")
    assert (answer_of(run), run.last["finish_reason"]) == ("Blocked.", "shield")


@pytest.mark.parametrize(
    ("item", "reason", "call_id"),
    [(FUNCTION, "tool_result", "c1"), (APPROVAL, "approval", "a1")],
    ids=range(2),
)
def test_completed_means_that_the_client_owes_something(
    item: dict[str, object], reason: str, call_id: str
) -> None:
    run = told(*SPOKEN, responses.completed(responses.message(responses.said("Hello")), item))

    assert (run.last["event"], run.last["reason"]) == ("awaiting_input", reason)
    assert (run.last["calls"][0]["call_id"], run.last["turn_id"]) == (call_id, "resp_1")


def test_functions_and_approvals_may_be_owed_together() -> None:
    run = told(responses.completed(FUNCTION, APPROVAL))

    assert run.last["reason"] == "approval"
    assert run.last["calls"] == [
        {"call_id": "c1", "tool_name": "add", "arguments": {}},
        {"call_id": "a1", "tool_name": "add", "arguments": {}, "server_label": "lab"},
    ]


LIMITS = [
    ({"reason": "length"}, "length", True), ({"reason": "max_output_tokens"}, "length", True),
    ({"reason": "max_iterations_exceeded"}, "max_iterations", True),
    ({"reason": "content_filter"}, "shield", False), ({"reason": "moon phase"}, "length", True),
    ({"reason": ["length"]}, "length", True), ({}, "length", True), (None, "length", True),
]  # fmt: skip


@pytest.mark.parametrize(("details", "reason", "truncated"), LIMITS, ids=range(len(LIMITS)))
def test_incomplete_says_which_limit_it_was(
    details: object, reason: str, *, truncated: bool
) -> None:
    run = told(*SPOKEN, responses.ended("incomplete", incomplete_details=details))

    assert (run.last["finish_reason"], run.last["truncated"]) == (reason, truncated)
    assert answer_of(run) == "Hello"


def test_an_incomplete_response_may_hold_a_refusal() -> None:
    refusal = responses.message(responses.refused("No."))

    run = told(responses.ended("incomplete", refusal, incomplete_details={"reason": "length"}))

    assert answer_of(run) == "No."


@pytest.mark.parametrize("response", [{"output": None}, {}], ids=range(2))
def test_an_incomplete_response_may_lack_its_output(response: dict[str, object]) -> None:
    run = told(*SPOKEN, responses.chunk("incomplete", response=response))

    assert (answer_of(run), run.last["finish_reason"]) == ("Hello", "length")


FAILED = {"status": "failed", "error": {"code": "rate_limit_exceeded"}, "output": []}
FAILURES = [
    (responses.chunk("completed", response=FAILED), "upstream_rate_limited"),
    ({"type": None, "error": {"message": "404: gone"}}, "upstream_not_found"),
    ({"type": "error", "status": 429, "message": "a"}, "upstream_rate_limited"),
    ({"type": "error", "error": {"message": "a"}, "code": 429}, "upstream_rate_limited"),
    ({"type": "error", "error": {"message": "a", "code": None}, "code": 404}, "upstream_not_found"),
    ({"type": "error", "error": "boom", "status_code": 503}, "upstream_unavailable"),
    (responses.ended("failed", error={"code": "server_error", "message": "x"}), "upstream_error"),
    (responses.ended("failed", error={"code": "rate_limit_exceeded"}), "upstream_rate_limited"),
    (responses.ended("failed", error="boom"), "upstream_error"),
    (responses.ended("failed", error=None), "upstream_error"),
    ({"error": {"message": "gone", "code": "404"}}, "upstream_not_found"),
    ({"error": "boom"}, "upstream_error"),
    ({"type": "error", "code": "404", "message": "gone"}, "upstream_not_found"),
    ({"type": "error", "error": {"code": "404", "message": "gone"}}, "upstream_not_found"),
    ({"type": "error", "error": "boom"}, "upstream_error"),
    ({"type": "error"}, "upstream_error"),
]


@pytest.mark.parametrize(("chunk", "code"), FAILURES, ids=range(len(FAILURES)))
def test_a_failure_of_any_shape_is_told_by_its_code(chunk: object, code: str) -> None:
    run = told(*SPOKEN, chunk)

    assert (run.last["event"], run.last["code"]) == ("error", code)
    assert run.last["state"] == "step_in_progress"


def test_only_the_first_ending_counts() -> None:
    run = told(*SPOKEN, responses.completed(), responses.ended("failed", error=None))

    assert run.last["event"] == "end"
    assert run.stream.ignored == 1


USAGES = [
    (USAGE, (7, 3, "exact")), ({**USAGE, "input_tokens": 0}, (0, 3, "exact")),
    (None, (3, 2, "estimated")), ([], (3, 2, "estimated")), ({}, (3, 2, "estimated")),
    ({**USAGE, "input_tokens": -1}, (3, 2, "estimated")),
    ({**USAGE, "output_tokens": True}, (3, 2, "estimated")),
    ({**USAGE, "output_tokens": 1.5}, (3, 2, "estimated")),
]  # fmt: skip


@pytest.mark.parametrize(("usage", "counts"), USAGES, ids=range(len(USAGES)))
def test_usage_is_exact_only_when_it_is_reported(usage: object, counts: tuple[object, ...]) -> None:
    run = told(*SPOKEN, responses.completed(usage=usage))

    assert (run.last["input_tokens"], run.last["output_tokens"], run.last["usage"]) == counts


@pytest.mark.parametrize(
    "ending",
    [
        responses.completed(FUNCTION, usage=USAGE),
        responses.completed(APPROVAL, usage=USAGE),
        responses.ended("failed", error={"message": "boom"}, usage=USAGE),
        responses.ended("incomplete", usage=USAGE),
        responses.completed(responses.message(responses.refused("No.")), usage=USAGE),
    ],
    ids=["function", "approval", "failed", "incomplete", "guardrail"],
)
def test_usage_is_kept_whatever_the_response_ends_in(ending: object) -> None:
    run = told(*SPOKEN, ending)

    summary = run.stream.summary
    assert (summary.usage, summary.exact) == (Usage(7, 3), True)
    assert Summary.of(run.emissions, summary.prompt) == summary
