"""THE transition table. What is not in it is illegal.

Rows are grouped by source state in lifecycle order. Guards are in `guards.py`, emitters in
`emissions.py`; a row names them and holds no logic of its own.
"""

from typing import NamedTuple

from statemachine.emissions import (
    Emitter,
    awaiting_input,
    end,
    error,
    interrupted,
    reasoning,
    shield,
    start,
    token,
    tool_call,
    tool_call_delta,
    tool_result,
    turn_complete,
    unfinished_results,
)
from statemachine.events import (
    ReasoningDelta,
    RefusalDelta,
    ShieldChecked,
    StepCompleted,
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
from statemachine.guards import (
    Guard,
    call_without_step,
    calls_owed,
    closes_inference_beside_calls,
    closes_open_step,
    closes_shield_step_or_objects,
    closes_tool_step,
    in_open_inference,
    last_call_beside_inference,
    last_open_call,
    more_work_remains,
    new_call,
    no_calls_owed,
    no_work_yet,
    objects,
    opens_inference_beside_calls,
    opens_other_step,
    opens_tool_step,
    verdict_without_step,
)
from statemachine.states import State


class Row(NamedTuple):
    """One transition: in `source`, `event` leads to `dest` and emits, when the guard agrees."""

    source: State
    event: type[TurnEvent]
    dest: State
    emits: tuple[Emitter, ...] = ()
    when: Guard | None = None


IDLE = State.IDLE
STARTED = State.TURN_STARTED
STEP = State.STEP_IN_PROGRESS
TOOL = State.TOOL_EXECUTING
SHIELD = State.SHIELD_CHECKED
COMPLETE = State.TURN_COMPLETE
AWAITING = State.AWAITING_INPUT
STOPPED = State.INTERRUPTED
ERROR = State.ERROR

# fmt: off
TRANSITIONS: tuple[Row, ...] = (
    #   source   event               dest      emits                          when
    Row(IDLE,    TurnStarted,        STARTED,  (start,)),
    Row(IDLE,    TurnResumed,        TOOL,     (start,),                      calls_owed),
    Row(IDLE,    TurnResumed,        STARTED,  (start,),                      no_calls_owed),
    Row(IDLE,    TurnInterrupted,    STOPPED,  (interrupted,)),
    Row(IDLE,    TurnFailed,         ERROR,    (error,)),

    Row(STARTED, TurnStarted,        STARTED,  (),                            no_work_yet),
    Row(STARTED, StepStarted,        STEP,     (),                            opens_other_step),
    Row(STARTED, StepStarted,        TOOL,     (),                            opens_tool_step),
    Row(STARTED, ToolCallStarted,    TOOL,     (tool_call,),                  call_without_step),
    Row(STARTED, ShieldChecked,      SHIELD,   (shield,),                     verdict_without_step),
    Row(STARTED, TurnAwaitingInput,  AWAITING, (awaiting_input,)),
    Row(STARTED, TurnCompleted,      COMPLETE, (turn_complete, end)),
    Row(STARTED, TurnInterrupted,    STOPPED,  (interrupted,)),
    Row(STARTED, TurnFailed,         ERROR,    (error,)),

    Row(STEP,    TextDelta,          STEP,     (token,),                      in_open_inference),
    Row(STEP,    ReasoningDelta,     STEP,     (reasoning,),                  in_open_inference),
    Row(STEP,    RefusalDelta,       STEP,     (token,),                      in_open_inference),
    Row(STEP,    ToolArgumentsDelta, STEP,     (tool_call_delta,),            in_open_inference),
    Row(STEP,    ShieldChecked,      SHIELD,   (shield,),                     closes_shield_step_or_objects),
    Row(STEP,    StepCompleted,      STARTED,  (),                            closes_open_step),
    Row(STEP,    TurnInterrupted,    STOPPED,  (interrupted,)),
    Row(STEP,    TurnFailed,         ERROR,    (error,)),

    Row(TOOL,    StepStarted,        TOOL,     (),                            opens_inference_beside_calls),
    Row(TOOL,    TextDelta,          TOOL,     (token,),                      in_open_inference),
    Row(TOOL,    ReasoningDelta,     TOOL,     (reasoning,),                  in_open_inference),
    Row(TOOL,    RefusalDelta,       TOOL,     (token,),                      in_open_inference),
    Row(TOOL,    ToolArgumentsDelta, TOOL,     (tool_call_delta,),            in_open_inference),
    Row(TOOL,    ToolCallStarted,    TOOL,     (tool_call,),                  new_call),
    Row(TOOL,    ToolCallCompleted,  TOOL,     (tool_result,),                more_work_remains),
    Row(TOOL,    ToolCallCompleted,  STEP,     (tool_result,),                last_call_beside_inference),
    Row(TOOL,    ToolCallCompleted,  STARTED,  (tool_result,),                last_open_call),
    Row(TOOL,    ShieldChecked,      SHIELD,   (unfinished_results, shield),  objects),
    Row(TOOL,    StepCompleted,      TOOL,     (),                            closes_inference_beside_calls),
    Row(TOOL,    StepCompleted,      STARTED,  (),                            closes_tool_step),
    Row(TOOL,    TurnInterrupted,    STOPPED,  (unfinished_results, interrupted)),
    Row(TOOL,    TurnFailed,         ERROR,    (unfinished_results, error)),

    Row(SHIELD,  TurnStarted,        SHIELD,   (),                            no_work_yet),
    Row(SHIELD,  StepStarted,        STEP,     (),                            opens_other_step),
    Row(SHIELD,  StepStarted,        TOOL,     (),                            opens_tool_step),
    Row(SHIELD,  ToolCallStarted,    TOOL,     (tool_call,),                  call_without_step),
    Row(SHIELD,  ShieldChecked,      SHIELD,   (shield,),                     verdict_without_step),
    Row(SHIELD,  TurnAwaitingInput,  AWAITING, (awaiting_input,)),
    Row(SHIELD,  TurnCompleted,      COMPLETE, (turn_complete, end)),
    Row(SHIELD,  TurnInterrupted,    STOPPED,  (interrupted,)),
    Row(SHIELD,  TurnFailed,         ERROR,    (error,)),
)
# fmt: on
