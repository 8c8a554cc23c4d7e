"""The text dialect: the answer as it comes, and one line for whatever is not the answer."""

import pytest
from hypothesis import given

from statemachine import ENCODERS, Emission, State, TextEncoder
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
    Touchpoint,
)
from tests.support.walks import TEXTS

CALL = Call("c1", "get_weather", "{}")
PODS, NODES = Document("https://e.org/", "Pods"), Document(None, "Nodes")
# fmt: off
LINES: list[tuple[Output, str]] = [
    (Start("c", "r", "t"), ""),
    (Token("Hi"), "Hi"),
    (Reasoning("Hm"), ""),
    (ToolCallDelta("{", None, None), ""),
    (ToolCall(CALL), "\n[tool: get_weather]\n"),
    (ToolResult("c1", "get_weather", CallStatus.OK, "Sunny"), ""),
    (Shield(Touchpoint.USER_INPUT, None, None, None), ""),
    (Shield(Touchpoint.USER_INPUT, "No.", None, None), "\n[shield: user-input violation]\n"),
    (TurnComplete("Hi"), "Hi"),
    (End(FinishReason.STOP, None), ""),
    (End(FinishReason.STOP, None, documents=(PODS, NODES)),
     "\n\n---\n\nPods: https://e.org/\nNodes: -\n"),
    (AwaitingInput("t", (CALL, Call("c2", "now", "")), InputReason.APPROVAL),
     "\n\n[awaiting input: get_weather, now]"),
    (Interrupted("r", Interrupter.USER), "\n\n[interrupted: user]"),
    (Failure("boom", 502, "It failed.", "Boom.", State.IDLE), "\n\n[error: boom] It failed."),
]
ANSWERS = [
    # what was streamed, the whole answer, and what the client reads
    (["Hel", "lo"], "Hello",            "Hello"),
    (["Hel", "lo"], " Hello\n",         "Hello"),
    (["Hello", "\n\n"], "Hello",        "Hello\n\n"),
    (["Let me see. ", "Hello"], "Hello", "Let me see. Hello"),
    (["Hello wor"], "Hello world",      "Hello world"),
    (["Hello"], "I refuse.",            "Hello\nI refuse."),
    ([], "I refuse.",                   "I refuse."),
    (["Hello"], "",                     "Hello"),
    ([], "",                            ""),
]
# fmt: on


def written(*outputs: Output) -> bytes:
    encoder = TextEncoder()
    emissions = (Emission(number, output, b"") for number, output in enumerate(outputs, 1))
    return b"".join(encoder.encode(emission) for emission in emissions)


@pytest.mark.parametrize(("output", "line"), LINES, ids=range(len(LINES)))
def test_every_output_has_its_text(output: Output, line: str) -> None:
    assert written(output).decode() == line


@pytest.mark.parametrize(("pieces", "answer", "text"), ANSWERS, ids=range(len(ANSWERS)))
def test_the_answer_is_written_once(pieces: list[str], answer: str, text: str) -> None:
    assert written(*map(Token, pieces), TurnComplete(answer)).decode() == text


def test_a_refusal_after_a_shield_is_written_under_it() -> None:
    shield = Shield(Touchpoint.ASSISTANT_OUTPUT, "No.", None, None)

    body = written(Token("Secret"), shield, TurnComplete("No."))

    assert body == b"Secret\n[shield: assistant-output violation]\n\nNo."


@given(text=TEXTS)
def test_any_text_is_utf_8_without_framing(text: str) -> None:
    body = written(Token(text)).decode()

    assert body == text.encode("utf-8", "replace").decode()


def test_a_refusal_is_written_even_if_the_withdrawn_text_ended_in_its_words() -> None:
    violation = Shield(Touchpoint.ASSISTANT_OUTPUT, "no", None, None)

    text = written(Token("I say no"), violation, TurnComplete("no"))

    assert text == b"I say no\n[shield: assistant-output violation]\n\nno"


def test_a_name_that_a_model_made_up_stays_on_its_line() -> None:
    call = ToolCall(Call("c1", "a\n[error: x]\r", "{}"))

    assert written(call) == b"\n[tool: a [error: x] ]\n"


def test_a_gap_is_a_line() -> None:
    assert TextEncoder().gap(3, 7) == b"\n[gap: 3 to 7]\n"


def test_an_answer_that_cannot_be_followed_says_so() -> None:
    said = TextEncoder().unavailable("log_unavailable", "Try again.", 2_500)

    assert said == b"\n\n[error: log_unavailable] Try again."


@pytest.mark.parametrize(
    ("name", "framed", "content_type"),
    [("native", True, "text/event-stream"), ("text", False, "text/plain")],
)
def test_a_dialect_says_what_it_is(name: str, content_type: str, *, framed: bool) -> None:
    encoder = ENCODERS[name]()

    assert encoder.framed is framed
    assert encoder.content_type == f"{content_type}; charset=utf-8"
