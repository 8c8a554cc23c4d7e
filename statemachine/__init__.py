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
from statemachine.downstream.native import EVENT_NAMES, NativeEncoder, wire_fields
from statemachine.downstream.sse import HEARTBEAT, farewell, retry
from statemachine.downstream.text import TextEncoder
from statemachine.emissions import (
    AwaitingInput,
    Emission,
    End,
    Failure,
    Interrupted,
    Output,
    Shield,
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
from statemachine.events import (
    Call,
    CallStatus,
    FinishReason,
    InputReason,
    Interrupter,
    Release,
    ShieldChecked,
    ToolCallCompleted,
    Touchpoint,
    TurnFailed,
    TurnInterrupted,
    TurnResumed,
    TurnStarted,
)
from statemachine.hold_back import OutputModeration
from statemachine.machine import TurnMachine
from statemachine.playback import opening_of, play, playback_stream
from statemachine.recorded_lines import is_recording, read_capture, read_recording
from statemachine.recording import (
    EndedBy,
    Ending,
    Frame,
    Header,
    Recording,
    Verdict,
    write_ending,
    write_frame,
    write_header,
    write_recording,
)
from statemachine.settlement import settle
from statemachine.states import FINAL, State
from statemachine.stored import pack, unpack
from statemachine.stream import TurnStream
from statemachine.succession import Inheritance, inherit
from statemachine.summary import Summary, estimate_tokens, prompt_of
from statemachine.table import TRANSITIONS
from statemachine.upstream import DECODERS, Decoder, recognise
from statemachine.upstream.failures import upstream_failure
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
    "Call",
    "CallStatus",
    "Decoder",
    "Emission",
    "Encoder",
    "End",
    "EndedBy",
    "Ending",
    "Failure",
    "FinishReason",
    "Frame",
    "FrameReader",
    "FrameTooLarge",
    "Header",
    "IllegalTransition",
    "Inheritance",
    "InputReason",
    "Interrupted",
    "Interrupter",
    "MachineMisuse",
    "MalformedChunk",
    "NativeEncoder",
    "NotJson",
    "Output",
    "OutputModeration",
    "ProtocolViolation",
    "Recording",
    "RecordingDamaged",
    "Release",
    "Shield",
    "ShieldChecked",
    "Start",
    "State",
    "Step",
    "StreamError",
    "Summary",
    "TextEncoder",
    "Token",
    "ToolCall",
    "ToolCallCompleted",
    "ToolResult",
    "Touchpoint",
    "TurnFailed",
    "TurnInterrupted",
    "TurnMachine",
    "TurnResumed",
    "TurnStarted",
    "TurnStream",
    "Verdict",
    "dot",
    "estimate_tokens",
    "farewell",
    "inherit",
    "is_recording",
    "markdown",
    "mermaid",
    "opening_of",
    "pack",
    "play",
    "playback_stream",
    "prompt_of",
    "read_capture",
    "read_recording",
    "recognise",
    "recorded_path",
    "refresh",
    "retry",
    "settle",
    "svg",
    "unpack",
    "upstream_failure",
    "wire_fields",
    "write_ending",
    "write_frame",
    "write_header",
    "write_recording",
]
