"""Shields beside the stream change nothing but what they object to, and the laws hold."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statemachine import DECODERS, OutputModeration, Release, Touchpoint
from statemachine.emissions import Output, Reasoning, Shield, Start, Token, TurnComplete
from statemachine.events import TurnEvent
from tests.support.conversations import Conversation, broken_conversations, conversations
from tests.support.laws import Run, check, new_stream, run_chunks
from tests.support.moderation import Moderated, run_moderated
from tests.support.recordings import RecordedStream, recorded_streams
from tests.support.walks import ScriptedDecoder, any_event, legal_walks, spoiled

RECORDED = recorded_streams()
SHORT = [each for each in RECORDED if len(each.payloads) < 100]
SIZES = st.integers(1, 40)
MODERATIONS = st.builds(OutputModeration, SIZES, st.sampled_from(Release))
PASSED = Shield(Touchpoint.ASSISTANT_OUTPUT, None, None, None)


def outputs_of(run: Run) -> list[Output]:
    """What was emitted; a start is told alike, moderated or not."""
    outputs = [emission.output for emission in run.emissions]
    return [replace(each, output_release=None) if isinstance(each, Start) else each
            for each in outputs]  # fmt: skip


def with_verdict(outputs: Iterable[Output]) -> list[Output]:
    """Say by hand that an answer has passed, where there is an end and something was said."""
    found: list[Output] = []
    spoken = False
    for each in outputs:
        spoken = spoken or (isinstance(each, (Token, Reasoning, TurnComplete)) and bool(each.text))
        if isinstance(each, TurnComplete) and spoken:
            found.append(PASSED)
        found.append(each)
    return found


def judged_walk(walk: list[TurnEvent], moderation: OutputModeration, objects=None) -> Moderated:
    """Take a walk, an event a chunk."""
    turn = Moderated(new_stream(ScriptedDecoder(), moderation), objects or (lambda _: False))
    for event in walk:
        turn.feed((event,))
    return turn


@given(walk=legal_walks(), moderation=MODERATIONS)
def test_a_walk_that_passes_is_the_walk_and_one_verdict(
    walk: list[TurnEvent], moderation: OutputModeration
):
    plain = run_chunks(ScriptedDecoder(), [(event,) for event in walk], begin=False)

    run = judged_walk(walk, moderation).finish()

    check(run)
    assert outputs_of(run) == with_verdict(outputs_of(plain))


@given(conversation=conversations(), moderation=MODERATIONS)
def test_a_conversation_that_passes_is_the_same_and_one_verdict(
    conversation: Conversation, moderation: OutputModeration
):
    decoder = DECODERS[conversation.dialect]
    plain = run_chunks(decoder(), conversation.chunks)

    run, _ = run_moderated(decoder(), conversation.chunks, moderation)

    check(run)
    assert outputs_of(run) == with_verdict(outputs_of(plain))


@pytest.mark.parametrize("characters", [1, 37, 10_000])
@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each.name)
def test_a_recording_that_passes_is_the_same_and_one_verdict(
    recorded: RecordedStream, characters: int
):
    decoder = DECODERS[recorded.dialect]
    plain = run_chunks(decoder(), recorded.chunks)

    run, _ = run_moderated(decoder(), recorded.chunks, OutputModeration(characters))

    check(run)
    assert outputs_of(run) == with_verdict(outputs_of(plain))


@given(recorded=st.sampled_from(SHORT), moderation=MODERATIONS, at=st.integers(1, 20))
def test_an_objection_at_any_checkpoint_keeps_the_laws(
    recorded: RecordedStream, moderation: OutputModeration, at: int
):
    asked: list[str] = []

    def objects(text: str) -> bool:
        asked.append(text)
        return len(asked) == at

    run, _ = run_moderated(DECODERS[recorded.dialect](), recorded.chunks, moderation, objects)

    check(run)
    if len(asked) == at:
        assert run.last["finish_reason"] == "shield"
        check_withheld(run, asked, moderation)


def check_withheld(run: Run, asked: list[str], moderation: OutputModeration):
    """What was said had passed, unless text was released at once."""
    allowed = asked[-1] if moderation.release is Release.AT_ONCE else "".join(asked[-2:-1])
    spoken = [each for each in outputs_of(run) if isinstance(each, (Token, Reasoning))]
    assert allowed.startswith("".join(each.text for each in spoken))


@given(
    broken=broken_conversations(), moderation=MODERATIONS, letter=st.characters(), at=st.integers(0)
)
def test_a_broken_conversation_keeps_the_laws_under_any_shield(
    broken: tuple[str, list[object]], moderation: OutputModeration, letter: str, at: int
):
    dialect, chunks = broken

    run, asked = run_moderated(
        DECODERS[dialect](), chunks, moderation, lambda text: letter in text or len(text) > at
    )

    check(run)
    assert run.stream.unjudged is None
    assert asked == sorted(asked, key=len)


@given(walk=spoiled(legal_walks(), any_event()), moderation=MODERATIONS)
def test_a_spoiled_walk_keeps_the_laws_under_any_shield(
    walk: list[TurnEvent], moderation: OutputModeration
):
    check(judged_walk(walk, moderation, lambda text: len(text) > 20).finish())


@given(conversation=conversations(), moderation=MODERATIONS, at=st.integers(0, 30))
def test_a_stop_at_any_moment_says_nothing_that_was_not_judged(
    conversation: Conversation, moderation: OutputModeration, at: int
):
    turn = Moderated(new_stream(DECODERS[conversation.dialect](), moderation))
    turn.take(turn.stream.begin(DECODERS[conversation.dialect].opening(None)))
    for chunk in conversation.chunks[:at]:
        turn.feed(chunk)

    turn.take(turn.stream.interrupt("user"))

    check(Run(turn.stream, turn.said))
    if moderation.release is Release.AFTER_VERDICT:
        check_withheld(Run(turn.stream, turn.said), [*turn.asked, ""], moderation)
