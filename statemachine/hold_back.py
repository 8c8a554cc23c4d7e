"""Text that waits for the verdict of a shield beside the stream, and what came after it.

Some upstreams judge nothing in their streams. Then somebody else asks the shields, at
checkpoints: after so many characters of text, before anything but text, and at the end. Events
leave in the order in which they came.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from statemachine.events import (
    ReasoningDelta,
    RefusalDelta,
    Release,
    ShieldChecked,
    TextDelta,
    ToolArgumentsDelta,
    TurnCompleted,
    TurnEvent,
)

type Events = tuple[TurnEvent, ...]

_DELTAS = frozenset({TextDelta, ReasoningDelta, RefusalDelta, ToolArgumentsDelta})


@dataclass(frozen=True, slots=True)
class OutputModeration:
    """How the text of an answer is judged.

    `checkpoint_characters` is None where the upstream judges in its own stream.
    """

    checkpoint_characters: Annotated[int, Meta(ge=1)] | None
    release: Release = Release.AFTER_VERDICT


class HoldBack:
    """The events of one turn on their way to the machine."""

    __slots__ = ("_checkpoint", "_due", "_held", "_holds", "_passed", "_said", "_unjudged")

    def __init__(self, checkpoint_characters: int, release: Release) -> None:
        self._checkpoint = checkpoint_characters
        self._holds = release is Release.AFTER_VERDICT
        self._held: list[TurnEvent] = []
        self._said: list[str] = []
        self._unjudged = 0
        self._due = False
        self._passed: ShieldChecked | None = None

    @property
    def text(self) -> str | None:
        """All that the model has said so far when a verdict on it is due, else None."""
        return "".join(self._said) if self._due else None

    def take(self, events: Iterable[TurnEvent]) -> Events:
        """Take what an upstream chunk says and return what may be applied now."""
        passed: list[TurnEvent] = []
        for event in events:
            self._note(event)
            if self._must_wait(event):
                self._held.append(event)
            else:
                passed.extend(self._with_verdict(event))
        return tuple(passed)

    def release(self, verdict: ShieldChecked) -> Events:
        """Return everything that waited, now that the text so far has passed."""
        self._passed = verdict
        return tuple(each for event in self._empty() for each in self._with_verdict(event))

    def drop(self) -> None:
        """Forget what waits: it is never said."""
        self._empty()

    def _empty(self) -> Events:
        held = tuple(self._held)
        self._held.clear()
        self._unjudged, self._due = 0, False
        return held

    def _with_verdict(self, event: TurnEvent) -> Events:
        """That an answer has passed is said once, before the end of its turn."""
        if isinstance(event, TurnCompleted) and self._passed is not None:
            return (self._passed, event)
        return (event,)

    def _must_wait(self, event: TurnEvent) -> bool:
        """An end waits for its verdict even when the text before it was released at once."""
        return (
            bool(self._held)
            or (self._due and not _is_delta(event))
            or (self._holds and self._unjudged > 0)
        )

    def _note(self, event: TurnEvent) -> None:
        """Count text; a checkpoint is due at its length, and before anything that is no text."""
        if isinstance(event, (TextDelta, ReasoningDelta, RefusalDelta)):
            self._said.append(event.text)
            self._unjudged += len(event.text)
            self._due = self._due or self._unjudged >= self._checkpoint
        elif isinstance(event, TurnCompleted):
            self._close(event)
        elif self._unjudged and not _is_delta(event):
            self._due = True

    def _close(self, event: TurnCompleted) -> None:
        """The whole answer may hold what was never streamed."""
        if event.text not in "".join(self._said):
            self._said.append(event.text)
            self._unjudged += len(event.text)
        self._due = self._unjudged > 0


def _is_delta(event: TurnEvent) -> bool:
    return event.__class__ in _DELTAS
