"""The usage of a turn whose upstream tells none is estimated from all that was said."""

from statemachine import End, FinishReason, Summary, Token, estimate_tokens
from statemachine.emissions import TurnComplete

BEFORE, AFTER = "Let me look that up for you. ", "A pod is a group of containers."


def test_text_before_a_tool_counts_though_the_whole_answer_leaves_it_out() -> None:
    summary = Summary()
    for output in (Token(BEFORE), Token(AFTER), TurnComplete(AFTER)):
        summary.add(output)

    end = summary.ended(End(FinishReason.STOP, None))

    assert end.usage.output_tokens == estimate_tokens(BEFORE + AFTER)


def test_an_answer_that_was_not_streamed_counts_as_well() -> None:
    summary = Summary()
    summary.add(TurnComplete(AFTER))

    end = summary.ended(End(FinishReason.STOP, None))

    assert end.usage.output_tokens == estimate_tokens(AFTER)
