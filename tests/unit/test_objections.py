"""A shield beside the stream objects: what waits is never said, and what is open is closed."""

import pytest

from statemachine import CallStatus, State, Touchpoint
from statemachine.emissions import NO_RESULT, Shield
from tests.support import agents_chunks as agents
from tests.support.laws import Run, check
from tests.support.moderation import (
    OBJECTION,
    PASSED,
    QUESTION_OBJECTION,
    QUESTION_PASSED,
    REFUSAL,
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


def finds(word: str):
    return lambda text: word in text


@in_both_dialects
@pytest.mark.parametrize("characters", [1, 4, 9, 100])
def test_what_waits_is_never_said_after_an_objection(speech: Speech, characters: int) -> None:
    chunks = speech.answer("Fine. ", "A ", "secr", "et", " word.")

    run, _ = run_moderated(speech.decoder(), chunks, after_verdict(characters), finds("secr"))

    check(run)
    assert b"secr" not in run.native + run.text
    assert run.stream.summary.answer == REFUSAL
    assert "Fine. A secret word.".startswith(run.stream.summary.streamed)


@in_both_dialects
def test_an_objection_ends_the_turn_with_its_refusal(speech: Speech) -> None:
    run, _ = run_moderated(
        speech.decoder(), speech.answer("ab", "cd", "ef"), after_verdict(2), finds("d")
    )

    check(run)
    assert names_of(run.emissions) == ["Start", "Token", "Shield", "TurnComplete", "End"]
    assert run.told[3]["data"]["token"] == REFUSAL
    assert (run.last["finish_reason"], run.stream.summary.outcome) == ("shield", "end")
    assert run.stream.summary.shields == [
        Shield(Touchpoint.ASSISTANT_OUTPUT, REFUSAL, "error", None)
    ]


@in_both_dialects
def test_an_objection_closes_the_open_step(speech: Speech) -> None:
    turn = begun(speech.decoder(), after_verdict(2), finds("x"))

    for chunk in (*speech.opening, speech.says("xy")):
        turn.feed(chunk)

    moves = [state for emission in turn.said for state in emission.path]
    assert moves[-3:] == [State.STEP_IN_PROGRESS, State.SHIELD_CHECKED, State.TURN_COMPLETE]
    check(Run(turn.stream, turn.said))


@in_both_dialects
def test_an_objection_while_a_tool_runs_closes_its_call_as_failed(speech: Speech) -> None:
    """The verdict comes late, when text was released at once."""
    stream = begun(speech.decoder(), at_once(100)).stream
    for chunk in (*speech.opening, *speech.starts_tool):
        stream.feed(chunk)

    (result, *rest) = stream.judge(OBJECTION)

    assert (result.output.status, result.output.response) == (CallStatus.FAILED, NO_RESULT)
    assert names_of(rest) == ["Shield", "TurnComplete", "End"]


@in_both_dialects
def test_a_tool_that_waited_for_the_verdict_is_never_shown(speech: Speech) -> None:
    chunks = [*speech.opening, speech.says("xyz"), *speech.starts_tool]

    run, _ = run_moderated(speech.decoder(), chunks, after_verdict(100), finds("x"))

    check(run)
    assert names_of(run.emissions) == ["Start", "Shield", "TurnComplete", "End"]


@in_both_dialects
def test_an_objection_to_text_that_was_released_takes_its_place(speech: Speech) -> None:
    run, _ = run_moderated(speech.decoder(), speech.answer("ab", "cd"), at_once(100), finds("d"))

    check(run)
    assert names_of(run.emissions) == ["Start", "Token", "Token", "Shield", "TurnComplete", "End"]
    assert (run.stream.summary.streamed, run.stream.summary.answer) == ("abcd", REFUSAL)


@in_both_dialects
def test_verdicts_and_chunks_after_an_objection_change_nothing(speech: Speech) -> None:
    turn = begun(speech.decoder(), after_verdict(1), finds("x"))
    for chunk in (*speech.opening, speech.says("x")):
        turn.feed(chunk)

    late = [turn.stream.judge(PASSED), turn.stream.judge(OBJECTION), turn.feed(speech.says("y"))]

    assert late == [(), (), ()]
    assert (turn.stream.unjudged, turn.stream.ignored) == (None, 1)


@in_both_dialects
def test_a_question_that_has_passed_is_said_at_once(speech: Speech) -> None:
    """The upstream's first chunk may still name the turn after it."""
    turn = begun(speech.decoder(), after_verdict(100))

    (shield,) = turn.take(turn.stream.judge(QUESTION_PASSED))
    for chunk in speech.answer("Hello"):
        turn.feed(chunk)

    check(turn.finish())
    assert shield.output == Shield(Touchpoint.USER_INPUT, None, None, None)
    assert names_of(turn.said) == ["Start", "Shield", "Token", "Shield", "TurnComplete", "End"]


@pytest.mark.parametrize("moderation", [None, after_verdict(100)], ids=["alone", "moderated"])
def test_a_question_that_is_refused_is_never_answered(moderation) -> None:
    turn = begun(SPEECHES["responses"].decoder(), moderation)

    turn.take(turn.stream.judge(QUESTION_OBJECTION))

    check(turn.finish())
    assert names_of(turn.said) == ["Start", "Shield", "TurnComplete", "End"]
    assert (turn.stream.summary.answer, turn.stream.summary.finish_reason) == (REFUSAL, "shield")


def test_a_response_may_be_named_after_the_question_has_passed() -> None:
    speech = SPEECHES["responses"]
    turn = begun(speech.decoder(), None)
    turn.take(turn.stream.judge(QUESTION_PASSED))

    assert turn.feed(speech.opening[0]) == ()

    assert turn.stream.state is State.SHIELD_CHECKED


def test_an_answer_can_be_judged_whole_when_nothing_was_held_back() -> None:
    speech = SPEECHES["agents"]
    turn = begun(speech.decoder(), None)
    for chunk in speech.answer("Hello")[:-1]:
        turn.feed(chunk)

    turn.take(turn.stream.judge(PASSED))

    turn.feed(speech.answer("Hello")[-1])
    check(turn.finish())
    assert names_of(turn.said) == ["Start", "Token", "Shield", "TurnComplete", "End"]


CUT_SHORT = {
    "an error of the upstream": lambda turn, speech: turn.feed(speech.error),
    "an illegal chunk": lambda turn, speech: turn.feed(speech.illegal),
    "a malformed chunk": lambda turn, speech: turn.feed({"type": 7, "event": 7}),
    "a frame that is no JSON": lambda turn, speech: turn.take(turn.stream.feed_payload(b"{")),
    "the end of the body": lambda turn, speech: turn.take(turn.stream.finish()),
    "a lost connection": lambda turn, speech: turn.take(turn.stream.finish(reset=True)),
}


@in_both_dialects
@pytest.mark.parametrize("name", CUT_SHORT)
def test_a_failure_of_the_upstream_waits_for_the_verdict_like_anything(
    speech: Speech, name: str
) -> None:
    turn = begun(speech.decoder(), after_verdict(100))
    for chunk in (*speech.opening, speech.says("Hel"), speech.says("lo")):
        turn.feed(chunk)

    CUT_SHORT[name](turn, speech)

    check(Run(turn.stream, turn.said))
    assert turn.asked[0].startswith("Hello")
    assert names_of(turn.said) == ["Start", "Token", "Token", "Failure"]


@in_both_dialects
@pytest.mark.parametrize("name", CUT_SHORT)
def test_an_objection_is_said_instead_of_a_failure(speech: Speech, name: str) -> None:
    turn = begun(speech.decoder(), after_verdict(100), finds("lo"))
    for chunk in (*speech.opening, speech.says("Hel"), speech.says("lo")):
        turn.feed(chunk)

    CUT_SHORT[name](turn, speech)

    check(Run(turn.stream, turn.said))
    assert names_of(turn.said) == ["Start", "Shield", "TurnComplete", "End"]
    assert turn.stream.failure is None


def test_text_that_is_illegal_is_found_out_when_it_is_released() -> None:
    turn = begun(SPEECHES["agents"].decoder(), after_verdict(8))
    turn.feed(SPEECHES["agents"].opening[0])
    turn.feed(agents.text("i1", "Hello"))

    turn.feed(agents.text("another step", "Psst"))

    check(Run(turn.stream, turn.said))
    assert names_of(turn.said) == ["Start", "Token", "Failure"]


@in_both_dialects
@pytest.mark.parametrize(
    "stop",
    [
        lambda stream: stream.interrupt("user"),
        lambda stream: stream.fail("turn_timeout", "Too slow."),
    ],
    ids=["interrupt", "fail"],
)
@pytest.mark.parametrize("pieces", [("He",), ("Hello",)], ids=["waiting", "due"])
def test_who_stops_a_turn_waits_for_no_verdict(speech: Speech, stop, pieces) -> None:
    stream = begun(speech.decoder(), after_verdict(5)).stream
    for chunk in (*speech.opening, *map(speech.says, pieces)):
        stream.feed(chunk)

    emissions = stop(stream)

    assert text_of(emissions) == stream.summary.answer == ""
    assert (stream.ended, stream.unjudged, stream.judge(PASSED)) == (True, None, ())
    assert stream.ended_by is not None


@in_both_dialects
def test_a_turn_that_its_upstream_ended_was_ended_by_nobody(speech: Speech) -> None:
    run, _ = run_moderated(speech.decoder(), [*speech.opening, speech.error], after_verdict(5))

    run.stream.interrupt("user")

    assert run.stream.ended_by is None
