"""The states of a turn (protocol, section 2)."""

from enum import StrEnum


class State(StrEnum):
    """Where a turn stands."""

    IDLE = "idle"
    TURN_STARTED = "turn_started"
    STEP_IN_PROGRESS = "step_in_progress"
    TOOL_EXECUTING = "tool_executing"
    SHIELD_CHECKED = "shield_checked"
    TURN_COMPLETE = "turn_complete"
    AWAITING_INPUT = "awaiting_input"
    INTERRUPTED = "interrupted"
    ERROR = "error"

    # That of an enum is Python code, and every token asks for several.
    __hash__ = str.__hash__


FINAL = frozenset(
    {State.TURN_COMPLETE, State.AWAITING_INPUT, State.INTERRUPTED, State.ERROR},
)
"""States that nothing leaves."""

MEANINGS: dict[State, str] = {
    State.IDLE: "nothing is accepted yet",
    State.TURN_STARTED: "the turn is open and no step is open (also between steps)",
    State.STEP_IN_PROGRESS: "an inference, retrieval or shield step is open",
    State.TOOL_EXECUTING: "a tool execution step or at least one tool call is open",
    State.SHIELD_CHECKED: "a shield has given its verdict and nothing else has opened since",
    State.TURN_COMPLETE: "the upstream closed the turn in order",
    State.AWAITING_INPUT: "the upstream stopped for a tool result or an approval",
    State.INTERRUPTED: "someone with the right to do so stopped the turn",
    State.ERROR: "the turn cannot go on",
}
"""One sentence per state, printed in the generated documentation."""
