"""The order of a turn, as the protocol tells it: the table again, from what is open.

Nothing here comes from the table, the guards or their context, so a mistake in one of those is
a difference from this.
"""

from dataclasses import dataclass, replace
from typing import Self

from statemachine.events import (
    ReasoningDelta,
    RefusalDelta,
    ShieldChecked,
    StepCompleted,
    StepKind,
    StepStarted,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallCompleted,
    ToolCallStarted,
    TurnAwaitingInput,
    TurnCompleted,
    TurnEvent,
    TurnFailed,
    TurnInterrupted,
    TurnResumed,
    TurnStarted,
)
from statemachine.states import State

INFERENCE, TOOL = StepKind.INFERENCE, StepKind.TOOL_EXECUTION


@dataclass(frozen=True, slots=True)
class Told:
    """What the events of a turn have told so far; the id of a step may not be told."""

    begun: bool = False
    ended: State | None = None
    turn_id: str | None = None
    step: tuple[str | None, StepKind] | None = None
    calls: tuple[str, ...] = ()
    judged: bool = False
    named_for_good: bool = False

    @property
    def state(self) -> State:
        """Where a turn of which this was told stands."""
        if self.ended or not self.begun:
            return self.ended or State.IDLE
        if self.calls or self._kind is TOOL:
            return State.TOOL_EXECUTING
        if self.step:
            return State.STEP_IN_PROGRESS
        return State.SHIELD_CHECKED if self.judged else State.TURN_STARTED

    def after(self, event: TurnEvent) -> Self | None:
        """Return what is told with one event more, or None when it may not come now."""
        if self.ended:
            return None
        match event:
            case TurnInterrupted():
                return replace(self, ended=State.INTERRUPTED)
            case TurnFailed():
                return replace(self, ended=State.ERROR)
            case TurnStarted() | TurnResumed() if not self.begun:
                return self._opened(event)
            case _:
                return self._goes_on(event) if self.begun else None

    @property
    def _kind(self) -> StepKind | None:
        return self.step[1] if self.step else None

    @property
    def _quiet(self) -> bool:
        return not self.step and not self.calls

    def _is(self, step_id: str, kind: StepKind) -> bool:
        return self.step in ((step_id, kind), (None, kind))

    def _opened(self, event: TurnStarted | TurnResumed) -> Self:
        told = replace(self, begun=True, turn_id=event.turn_id)
        if isinstance(event, TurnStarted) or not event.calls:
            return told
        step = None if event.answers else (None, TOOL)
        calls = tuple(call.call_id for call in event.calls)
        return replace(told, step=step, calls=calls, named_for_good=True)

    def _goes_on(self, event: TurnEvent) -> Self | None:
        match event:
            case TurnStarted():
                same = self.turn_id in (None, event.turn_id)
                fits = same and not self.named_for_good
                return replace(self, turn_id=event.turn_id or self.turn_id) if fits else None
            case TextDelta() | ReasoningDelta() | RefusalDelta() | ToolArgumentsDelta():
                speaks = event.kind is INFERENCE and self.step == (event.step_id, INFERENCE)
                return self if speaks else None
            case StepStarted() | StepCompleted():
                return self._stepped(event)
            case ToolCallStarted() | ToolCallCompleted():
                return self._called(event)
            case ShieldChecked():
                return self._checked(event)
            case TurnAwaitingInput() if self._quiet:
                return replace(self, ended=State.AWAITING_INPUT)
            case TurnCompleted() if self._quiet:
                return replace(self, ended=State.TURN_COMPLETE)
            case _:
                return None

    def _stepped(self, event: StepStarted | StepCompleted) -> Self | None:
        """One step at a time, beside open calls only the model's, and a tool's after its calls."""
        if isinstance(event, StepStarted):
            fits = not self.step and (not self.calls or event.kind is INFERENCE)
            return replace(self._worked(), step=(event.step_id, event.kind)) if fits else None
        done = event.kind is not StepKind.SHIELD_CALL and self._is(event.step_id, event.kind)
        fits = done and not (event.kind is TOOL and self.calls)
        return replace(self._worked(), step=None) if fits else None

    def _called(self, event: ToolCallStarted | ToolCallCompleted) -> Self | None:
        """A call is told of once, in the tool step that is open or in none."""
        if isinstance(event, ToolCallCompleted):
            beside = event.step_id is None or self._is(event.step_id, TOOL)
            left = tuple(each for each in self.calls if each != event.call_id)
            return replace(self._worked(), calls=left) if beside and left != self.calls else None
        alone = self.step is not None and self._kind is not TOOL and not self.calls
        tool_step = self.step[0] if self.step and self._kind is TOOL else None
        fits = event.call.call_id not in self.calls and event.step_id == tool_step and not alone
        return replace(self._worked(), calls=(*self.calls, event.call.call_id)) if fits else None

    def _checked(self, event: ShieldChecked) -> Self | None:
        """The verdict of a step closes it; from beside the stream, an objection ends all."""
        if event.step_id is None:
            fits = self._quiet or event.violation is not None
            return replace(self, step=None, calls=(), judged=True) if fits else None
        fits = self._is(event.step_id, StepKind.SHIELD_CALL)
        return replace(replace(self._worked(), step=None), judged=True) if fits else None

    def _worked(self) -> Self:
        """Work has been told of: what a shield has judged lies behind it, and the name stays."""
        return replace(self, judged=False, named_for_good=True)
