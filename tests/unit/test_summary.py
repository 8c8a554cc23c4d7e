"""What is stored and logged of a turn, folded from its outputs."""

import pytest

from statemachine import DECODERS, Summary
from statemachine.emissions import (
    AwaitingInput,
    End,
    Failure,
    Interrupted,
    Output,
    Reasoning,
    Shield,
    Start,
    Token,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    TurnComplete,
)
from statemachine.events import (
    Call,
    CallStatus,
    Document,
    FinishReason,
    InputReason,
    Interrupter,
    RagChunk,
    Touchpoint,
    Usage,
)
from statemachine.states import State
from statemachine.summary import estimate_tokens
from tests.support import agents_chunks as agents
from tests.support.laws import run_chunks

START = Start("conv", "req", None)
CALL = Call("c1", "get_weather", "{}")
STOP = End(FinishReason.STOP, None)
PODS, NODES = Document("https://e.org/pods", "Pods", "d1"), Document(None, "Nodes", "d2")


def result(call_id: str, *documents: Document, chunks: tuple[RagChunk, ...] = ()) -> ToolResult:
    return ToolResult(call_id, "search", CallStatus.OK, "found", None, documents, chunks)


def folded(*outputs: Output, prompt: str = "") -> Summary:
    summary = Summary(prompt)
    for output in outputs:
        summary.add(output)
    return summary


def test_a_running_turn_has_its_partial_answer() -> None:
    summary = folded(START, Token("Hel"), Reasoning("Hm"), Token("lo"))

    assert (summary.answer, summary.outcome, summary.usage) == ("Hello", None, None)


def test_a_complete_turn_has_its_whole_answer() -> None:
    summary = folded(Token("Hel"), TurnComplete("I refuse."), STOP)

    assert (summary.answer, summary.outcome) == ("I refuse.", "end")


def test_calls_results_and_shields_are_kept() -> None:
    shield, found = Shield(Touchpoint.USER_INPUT, None, None, None), result("c1")

    summary = folded(shield, ToolCallDelta("{}", None, None), ToolCall(CALL), found)

    assert (summary.shields, summary.calls) == ([shield], [ToolCall(CALL)])
    assert summary.results == [found]


CLOSINGS = [
    (STOP, "end", None, "stop", False),
    (End(FinishReason.LENGTH, None), "end", None, "length", True),
    (End(FinishReason.MAX_ITERATIONS, None), "end", None, "max_iterations", True),
    (End(FinishReason.SHIELD, None), "end", None, "shield", False),
    (AwaitingInput("t1", (CALL,), InputReason.TOOL_RESULT), "awaiting_input", None, None, False),
    (AwaitingInput("t1", (CALL,), InputReason.APPROVAL), "awaiting_input", None, None, False),
    (
        AwaitingInput("t1", (CALL,), InputReason.MAX_ITERATIONS),
        "awaiting_input",
        None,
        "max_iterations",
        True,
    ),
    (Interrupted("req", Interrupter.USER), "interrupted", None, None, False),
    (Failure("boom", 502, "It failed.", "Boom.", State.IDLE), "error", "boom", None, False),
]


@pytest.mark.parametrize(
    ("output", "outcome", "code", "reason", "truncated"), CLOSINGS, ids=range(len(CLOSINGS))
)
def test_the_last_output_is_the_outcome(
    output: Output, outcome: str, code: str | None, reason: str | None, *, truncated: bool
) -> None:
    summary = folded(Token("Hello"), output, prompt="How?")

    assert (summary.outcome, summary.code) == (outcome, code)
    assert (summary.finish_reason, summary.truncated) == (reason, truncated)
    assert summary.usage == Usage(1, 2)
    assert not (summary.exact and outcome != "end")


@pytest.mark.parametrize(
    "output",
    [
        AwaitingInput("t1", (CALL,), InputReason.APPROVAL, Usage(7, 0)),
        Failure("boom", 502, "It failed.", "Boom.", State.IDLE, Usage(7, 0)),
    ],
)
def test_usage_of_a_turn_without_an_answer_may_be_exact_too(output: Output) -> None:
    summary = folded(Token("Hello"), output)

    assert (summary.usage, summary.exact) == (Usage(7, 0), True)


def test_what_is_awaited_is_kept() -> None:
    awaiting = AwaitingInput("t1", (CALL,), InputReason.APPROVAL)

    assert folded(awaiting).awaiting == awaiting


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("日本", 2), ("\ud800", 1)]
)
def test_tokens_are_estimated_from_bytes(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


def test_an_estimate_counts_everything_that_the_model_wrote() -> None:
    summary = folded(
        Reasoning("1234"), ToolCallDelta("1234", None, None), Token("1234"), prompt="12345678"
    )

    assert summary.ended(STOP).usage == Usage(2, 3)
    assert not summary.ended(STOP).exact


def test_an_answer_that_was_not_streamed_is_estimated_too() -> None:
    assert folded(TurnComplete("12345678")).ended(STOP).usage == Usage(0, 2)


def test_usage_of_the_upstream_is_exact() -> None:
    usage = Usage(7, 0)
    end = Summary().ended(End(FinishReason.STOP, usage))

    assert (end.usage, end.exact) == (usage, True)


def test_an_empty_answer_at_the_end_is_what_was_said() -> None:
    summary = folded(Token("Hel"), Token("lo"))

    assert summary.completed(TurnComplete("")) == TurnComplete("Hello")
    assert summary.completed(TurnComplete("No.")) == TurnComplete("No.")


def test_documents_are_given_once_in_the_order_of_their_first_mention() -> None:
    again = Document("https://e.org/pods", "Pods again")

    summary = folded(result("c1", PODS, NODES), result("c2", NODES, again, Document(None, "More")))

    assert summary.documents == (PODS, NODES, Document(None, "More"))


def test_passages_of_all_tools_are_given_in_order() -> None:
    first, second = RagChunk("A pod.", None, 1.0), RagChunk("A node.", None, None)

    summary = folded(result("c1", chunks=(first,)), result("c2", chunks=(second, first)))

    assert summary.ended(STOP).chunks == (first, second, first)
    assert summary.ended(STOP).documents == ()


def test_a_whole_stream_can_be_folded_again() -> None:
    chunks = [agents.step_start("i1"), agents.text("i1", "Hi"), agents.inference_complete("i1")]

    run = run_chunks(DECODERS["agents"](), [*chunks, agents.turn_complete("Hi")])

    assert Summary.of(run.emissions, run.stream.summary.prompt) == run.stream.summary
