"""Extended state and the questions that the table asks of it.

What a state cannot say lives in `Context`: guards, which are all here, decide by it, and emitters
tell of it. The guards of one (source, event) pair exclude each other. Each docstring ends the
sentence "legal when ...".
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from statemachine.events import (
    Call,
    Release,
    ShieldChecked,
    StepCompleted,
    StepKind,
    StepStarted,
    TextDelta,
    ToolCallCompleted,
    ToolCallStarted,
    TurnEvent,
    TurnResumed,
    TurnStarted,
)
from statemachine.states import State

type Guard = Callable[["Context", Any], bool]


@dataclass(slots=True)
class Context:
    """One turn as the engine moves it: its state, and what is open in it.

    `step_id` is None for a step that an earlier stream opened.
    """

    conversation_id: str
    request_id: str
    state: State = State.IDLE
    turn_id: str | None = None
    step_id: str | None = None
    step_kind: StepKind | None = None
    worked: bool = False
    calls: dict[str, Call] = field(default_factory=dict)
    output_release: Release | None = None

    def apply(self, event: TurnEvent) -> None:
        """Take note of an event that the table has accepted."""
        match event:
            case TurnStarted():
                self.turn_id = event.turn_id or self.turn_id
                return
            case TurnResumed():
                self._resume(event)
                return
            case StepStarted():
                self.step_id, self.step_kind = event.step_id, event.kind
            case StepCompleted():
                self.step_id = self.step_kind = None
            case ShieldChecked():
                self._judge()
                return
            case ToolCallStarted():
                self.calls[event.call.call_id] = event.call
            case ToolCallCompleted():
                del self.calls[event.call_id]
            case _:
                return
        self.worked = True

    def _judge(self) -> None:
        """A verdict alone is no work: the upstream may still name its turn."""
        self.step_id = self.step_kind = None
        self.calls = {}

    def _resume(self, event: TurnResumed) -> None:
        """Calls whose answers come along are outside of steps: nobody will close a step."""
        self.turn_id = event.turn_id
        self.calls = {call.call_id: call for call in event.calls}
        self.worked = bool(event.calls)
        in_step = event.calls and not event.answers
        self.step_kind = StepKind.TOOL_EXECUTION if in_step else None

    def is_open(self, step_id: str | None, kind: StepKind) -> bool:
        """Tell whether this very step is the open one."""
        return self.step_kind is kind and self.step_id in (step_id, None)


def calls_owed(_: Context, event: TurnResumed) -> bool:
    """The stream will report results of calls that an earlier stream began."""
    return bool(event.calls)


def no_calls_owed(_: Context, event: TurnResumed) -> bool:
    """No result of an earlier call will be reported."""
    return not event.calls


def no_work_yet(context: Context, event: TurnStarted) -> bool:
    """No work has begun and no other turn id was given."""
    return not context.worked and context.turn_id in (None, event.turn_id)


def opens_tool_step(_: Context, event: StepStarted) -> bool:
    """The step executes a tool."""
    return event.kind is StepKind.TOOL_EXECUTION


def opens_other_step(_: Context, event: StepStarted) -> bool:
    """The step is inference, retrieval or a shield."""
    return event.kind is not StepKind.TOOL_EXECUTION


def opens_inference_beside_calls(context: Context, event: StepStarted) -> bool:
    """The model goes on while calls are open and no step is."""
    return context.step_kind is None and event.kind is StepKind.INFERENCE


def in_open_inference(context: Context, event: TextDelta) -> bool:
    """The delta belongs to the inference step that is open."""
    return (
        context.step_id == event.step_id
        and context.step_kind is event.kind
        and event.kind is StepKind.INFERENCE
    )


def closes_open_step(context: Context, event: StepCompleted) -> bool:
    """The completed step is the open one and not a shield's."""
    return event.kind is not StepKind.SHIELD_CALL and context.is_open(event.step_id, event.kind)


def closes_tool_step(context: Context, event: StepCompleted) -> bool:
    """The completed tool step is the open one and none of its calls is open."""
    tool_step = event.kind is StepKind.TOOL_EXECUTION
    return tool_step and not context.calls and context.is_open(event.step_id, event.kind)


def closes_inference_beside_calls(context: Context, event: StepCompleted) -> bool:
    """The completed inference is the open step and calls stay open."""
    return event.kind is StepKind.INFERENCE and context.is_open(event.step_id, event.kind)


def new_call(context: Context, event: ToolCallStarted) -> bool:
    """The call is not open yet and belongs to the open tool step, or to none."""
    tool_step = context.step_id if context.step_kind is StepKind.TOOL_EXECUTION else None
    return event.call.call_id not in context.calls and event.step_id == tool_step


def call_without_step(_: Context, event: ToolCallStarted) -> bool:
    """The upstream executes calls outside of steps."""
    return event.step_id is None


def more_work_remains(context: Context, event: ToolCallCompleted) -> bool:
    """The call is open, and another call or its tool step stays open."""
    return _open(context, event) and (len(context.calls) > 1 or _in_tool_step(context))


def last_call_beside_inference(context: Context, event: ToolCallCompleted) -> bool:
    """The call is the last open one and an inference step is open."""
    return _last(context, event) and context.step_kind is StepKind.INFERENCE


def last_open_call(context: Context, event: ToolCallCompleted) -> bool:
    """The call is the last open one and no step is open."""
    return _last(context, event) and context.step_kind is None


def closes_shield_step_or_objects(context: Context, event: ShieldChecked) -> bool:
    """The verdict is that of the open shield step, or a shield beside the stream objects."""
    if event.step_id is None:
        return event.violation is not None
    return context.is_open(event.step_id, StepKind.SHIELD_CALL)


def verdict_without_step(_: Context, event: ShieldChecked) -> bool:
    """The upstream reports verdicts outside of steps."""
    return event.step_id is None


def objects(_: Context, event: ShieldChecked) -> bool:
    """A shield beside the stream objects to what the model has said so far."""
    return event.step_id is None and event.violation is not None


def _open(context: Context, event: ToolCallCompleted) -> bool:
    in_step = event.step_id is None or context.is_open(event.step_id, StepKind.TOOL_EXECUTION)
    return event.call_id in context.calls and in_step


def _last(context: Context, event: ToolCallCompleted) -> bool:
    return _open(context, event) and len(context.calls) == 1


def _in_tool_step(context: Context) -> bool:
    return context.step_kind is StepKind.TOOL_EXECUTION
