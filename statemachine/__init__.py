"""The whole meaning of a stream: decoders in, one transition table, encoders out. Pure.

This is the front door: what is listed here is public, everything else may change.
"""

from statemachine.diagram import (
    BlockError,
    Step,
    dot,
    markdown,
    mermaid,
    recorded_path,
    refresh,
    svg,
)
from statemachine.downstream import ENCODERS, Encoder
from statemachine.downstream.native import EVENT_NAMES, NativeEncoder
from statemachine.downstream.sse import HEARTBEAT, retry
from statemachine.downstream.text import TextEncoder
from statemachine.emissions import (
    AwaitingInput,
    Emission,
    End,
    Failure,
    Interrupted,
    Output,
    Start,
    Token,
    ToolCall,
    ToolResult,
)
from statemachine.errors import (
    FrameTooLarge,
    IllegalTransition,
    MachineMisuse,
    MalformedChunk,
    NotJson,
    ProtocolViolation,
    RecordingDamaged,
    StreamError,
)
from statemachine.events import Interrupter, TurnResumed, TurnStarted
from statemachine.machine import TurnMachine
from statemachine.recording import (
    Ending,
    Frame,
    Header,
    Recording,
    is_recording,
    read_capture,
    read_recording,
    write_ending,
    write_frame,
    write_header,
    write_recording,
)
from statemachine.states import FINAL, State
from statemachine.stream import TurnStream, settle
from statemachine.summary import Summary
from statemachine.table import TRANSITIONS
from statemachine.upstream import DECODERS, Decoder, recognise
from statemachine.upstream.frames import FrameReader

__all__ = [
    "DECODERS",
    "ENCODERS",
    "EVENT_NAMES",
    "FINAL",
    "HEARTBEAT",
    "TRANSITIONS",
    "AwaitingInput",
    "BlockError",
    "Decoder",
    "Emission",
    "Encoder",
    "End",
    "Ending",
    "Failure",
    "Frame",
    "FrameReader",
    "FrameTooLarge",
    "Header",
    "IllegalTransition",
    "Interrupted",
    "Interrupter",
    "MachineMisuse",
    "MalformedChunk",
    "NativeEncoder",
    "NotJson",
    "Output",
    "ProtocolViolation",
    "Recording",
    "RecordingDamaged",
    "Start",
    "State",
    "Step",
    "StreamError",
    "Summary",
    "TextEncoder",
    "Token",
    "ToolCall",
    "ToolResult",
    "TurnMachine",
    "TurnResumed",
    "TurnStarted",
    "TurnStream",
    "dot",
    "is_recording",
    "markdown",
    "mermaid",
    "read_capture",
    "read_recording",
    "recognise",
    "recorded_path",
    "refresh",
    "retry",
    "settle",
    "svg",
    "write_ending",
    "write_frame",
    "write_header",
    "write_recording",
]
