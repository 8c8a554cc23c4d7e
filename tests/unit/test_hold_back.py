"""Text waits for the verdict of a shield beside the stream, and order is kept."""

import pytest

from statemachine import Release, Touchpoint
from statemachine.emissions import Shield
from statemachine.events import StepCompleted, StepKind, TextDelta
from statemachine.hold_back import HoldBack
from tests.support import agents_chunks as agents
from tests.support import responses_chunks as responses
from tests.support.laws import check
from tests.support.moderation import (
    SPEECHES,
    Speech,
    after_verdict,
    at_once,
    begun,
    names_of,
    run_moderated,
    text_of,
)

in_both_dialects = pytest.mark.parametrize("speech", SPEECHES.values(), ids=list(SPEECHES))
CUTS = [
    ("Hello, world",),
    ("Hello", ", ", "world"),
    tuple("Hello, world"),
    ("", "Hello, world", ""),
]


@in_both_dialects
@pytest.mark.parametrize("pieces", CUTS, ids=["whole", "three", "letters", "padded"])
@pytest.mark.parametrize("characters", [1, 2, 5, 7, 12, 13, 1_000])
def test_nothing_is_said_that_was_not_judged(
    speech: Speech, pieces: tuple[str, ...], characters: int
) -> None:
    turn = begun(speech.decoder(), after_verdict(characters))

    for chunk in speech.answer(*pieces):
        turn.feed(chunk)

        judged = turn.asked[-1] if turn.asked else ""
        assert judged.startswith(text_of(turn.said))
    check(turn.finish())
    assert text_of(turn.said) == turn.asked[-1] == "Hello, world"


@in_both_dialects
def test_text_that_waits_is_not_said_and_not_summed_up(speech: Speech) -> None:
    turn = begun(speech.decoder(), after_verdict(100))

    for chunk in (*speech.opening, speech.says("Hello")):
        turn.feed(chunk)

    assert names_of(turn.said) == ["Start"]
    assert (turn.stream.unjudged, turn.stream.summary.streamed) == (None, "")


CHECKPOINTS = [
    # characters, pieces, what the shield is asked about in turn
    (3, ("ab", "c", "def"), ["abc", "abcdef"]),
    (3, ("ab", "cd", "ef"), ["abcd", "abcdef"]),
    (2, ("abcdef",), ["abcdef"]),
    (4, ("abc", "d", "e"), ["abcd", "abcde"]),
    (100, ("abc", "def"), ["abcdef"]),
    (1, ("a", "", "b"), ["a", "ab"]),
]


@in_both_dialects
@pytest.mark.parametrize(("characters", "pieces", "asked"), CHECKPOINTS, ids=range(6))
def test_a_verdict_is_due_after_so_many_characters_and_at_the_end(
    speech: Speech, characters: int, pieces: tuple[str, ...], asked: list[str]
) -> None:
    run, questions = run_moderated(
        speech.decoder(), speech.answer(*pieces), after_verdict(characters)
    )

    check(run)
    assert questions == asked


@in_both_dialects
def test_a_verdict_is_due_before_a_tool_and_order_is_kept(speech: Speech) -> None:
    chunks = [
        *(*speech.opening, speech.says("Let me "), speech.says("look.")),
        *(*speech.starts_tool, *speech.ends_tool, speech.says("Sunny."), *speech.closes("Sunny.")),
    ]

    run, asked = run_moderated(speech.decoder(), chunks, after_verdict(100))

    check(run)
    assert asked == ["Let me look.", "Let me look.Sunny."]
    assert names_of(run.emissions) == [
        *("Start", "Token", "Token", "ToolCall", "ToolResult", "Token"),
        *("Shield", "TurnComplete", "End"),
    ]


@in_both_dialects
def test_that_an_answer_has_passed_is_said_once_and_before_its_end(speech: Speech) -> None:
    run, asked = run_moderated(speech.decoder(), speech.answer("ab", "cd", "ef"), after_verdict(2))

    (shield,) = run.stream.summary.shields
    assert shield == Shield(Touchpoint.ASSISTANT_OUTPUT, None, None, None)
    assert names_of(run.emissions)[-3:] == ["Shield", "TurnComplete", "End"]
    assert len(asked) == 3


@in_both_dialects
def test_a_stop_for_the_client_waits_and_says_no_verdict(speech: Speech) -> None:
    chunks = [*speech.opening, speech.says("I need you."), *speech.awaits]

    run, asked = run_moderated(speech.decoder(), chunks, after_verdict(100))

    check(run)
    assert asked == ["I need you."]
    assert names_of(run.emissions) == ["Start", "Token", "AwaitingInput"]


@in_both_dialects
def test_a_turn_without_text_is_not_judged(speech: Speech) -> None:
    run, asked = run_moderated(speech.decoder(), speech.answer(), after_verdict(1))

    check(run)
    assert asked == []
    assert names_of(run.emissions) == ["Start", "TurnComplete", "End"]


@in_both_dialects
@pytest.mark.parametrize("moderation", [after_verdict(100), at_once(100)], ids=["after", "at_once"])
def test_an_answer_that_was_never_streamed_is_judged(speech: Speech, moderation) -> None:
    chunks = speech.answer("Hello", whole="Hello and more")

    run, asked = run_moderated(speech.decoder(), chunks, moderation)

    check(run)
    assert asked[-1] == "HelloHello and more"
    assert run.stream.summary.answer == "Hello and more"


@in_both_dialects
def test_an_answer_in_one_piece_is_not_given_away_by_its_end(speech: Speech) -> None:
    run, asked = run_moderated(
        speech.decoder(), speech.answer(whole="Hello"), after_verdict(9), lambda text: True
    )

    check(run)
    assert asked == ["Hello"]
    assert b"Hello" not in run.native


SPOKEN = {
    "reasoning": [
        responses.created(),
        responses.part_added("m1", "reasoning_text"),
        responses.reasoning("m1", "Hmm"),
    ],
    "a refusal": [
        responses.created(),
        responses.item_added("m1"),
        responses.refusal("m1", "Hmm"),
    ],
    "text": [agents.step_start("i1"), agents.text("i1", "Hmm")],
}


@pytest.mark.parametrize("kind", SPOKEN)
def test_all_that_the_model_says_or_thinks_is_judged(kind: str) -> None:
    dialect = "agents" if kind == "text" else "responses"
    turn = begun(SPEECHES[dialect].decoder(), after_verdict(3))

    for chunk in SPOKEN[kind]:
        turn.feed(chunk)

    assert turn.asked == [text_of(turn.said)] == ["Hmm"]


def test_arguments_are_no_text_but_keep_their_place() -> None:
    turn = begun(SPEECHES["agents"].decoder(), after_verdict(100))
    early = [agents.step_start("i1"), agents.fragment("i1", 'a({"b"'), agents.text("i1", "Hi")]

    for chunk in (*early, agents.fragment("i1", ":1})"), agents.inference_complete("i1")):
        turn.feed(chunk)

    assert turn.asked == ["Hi"]
    assert names_of(turn.said) == ["Start", "ToolCallDelta", "Token", "ToolCallDelta"]


@in_both_dialects
def test_text_is_released_at_once_when_that_was_chosen(speech: Speech) -> None:
    stream = begun(speech.decoder(), at_once(3)).stream
    for chunk in speech.opening:
        stream.feed(chunk)

    said = [text_of(stream.feed(speech.says(piece))) for piece in ("He", "llo", ", world")]

    assert said == ["He", "llo", ", world"]
    assert stream.unjudged == "Hello, world"


@in_both_dialects
def test_the_end_waits_even_when_text_was_released_at_once(speech: Speech) -> None:
    stream = begun(speech.decoder(), at_once(100)).stream

    for chunk in speech.answer("Hello"):
        last = stream.feed(chunk)

    assert (last, stream.ended, stream.unjudged) == ((), False, "Hello")


@pytest.mark.parametrize(
    "moderation", [None, after_verdict(5), at_once(5)], ids=["no", "yes", "at"]
)
def test_the_start_says_how_text_is_released(moderation) -> None:
    (start, *_) = begun(SPEECHES["agents"].decoder(), moderation).said

    expected = moderation.release if moderation else None
    assert start.output.output_release == expected
    assert (b'"output_release":"at_once"' in start.payload) is (expected is Release.AT_ONCE)


def test_a_checkpoint_stays_due_when_text_follows_what_waits() -> None:
    waiting = HoldBack(100, Release.AFTER_VERDICT)
    said = TextDelta("i1", StepKind.INFERENCE, "Hello")

    waiting.take((said, StepCompleted("i1", StepKind.INFERENCE), said))

    assert waiting.text == "HelloHello"
