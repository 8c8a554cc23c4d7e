"""The recording format: what went into one stream, as JSON lines (README, "Recordings").

One header, one line per upstream frame with its arrival time and its payload as it was on the
wire, one per verdict of a shield beside the stream, and one that says what ended it. A file
without that last line was cut while it was written: what it holds is still true.
"""

import base64
import re
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from statemachine.downstream.native import to_json
from statemachine.errors import NotJson
from statemachine.events import ShieldChecked, TurnFailed, TurnInterrupted, TurnResumed
from statemachine.hold_back import OutputModeration
from statemachine.upstream.frames import parse_payload

FORMAT_VERSION = 1
VERSION_KEY = "turnstile_recording"
_SECRET = re.compile(
    r"(?i)authoriz|(api|access|private)[-_]?key|bearer|passphrase|token$|secret|passw|cookie"
    r"|credential|headers$"
)
_REMOVED = "[removed]"


class Ending(StrEnum):
    """How an upstream body ended; `cut` means that the recording stopped before the body."""

    END = "end"
    RESET = "reset"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Frame:
    """One `data:` payload and when it arrived, in ms since the request was sent."""

    at_ms: float
    payload: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a shield beside the stream said, and when."""

    at_ms: float
    checked: ShieldChecked


type EndedBy = Ending | TurnInterrupted | TurnFailed
"""How the body ended, or what ended the turn before its body did."""


@dataclass(frozen=True, slots=True)
class Header:
    """Where a recording comes from. `request` holds no secrets; `dialect` is the upstream's.

    `conversation_id` and `request_id` are those of the recorded turn. `resumed` is what the
    client had answered when the stream goes on with an earlier one, which the stream itself may
    not tell. `moderation` is how its text was judged beside the stream.
    """

    dialect: str
    server: str = "unknown"
    title: str = ""
    recorded_at: str = ""
    request: dict[str, object] = field(default_factory=dict)
    conversation_id: str | None = None
    request_id: str | None = None
    resumed: TurnResumed | None = None
    moderation: OutputModeration | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded stream; `ended_ms` is the time of its end."""

    header: Header
    frames: tuple[Frame | Verdict, ...]
    ending: EndedBy = Ending.END
    ended_ms: float = 0.0

    @property
    def first_chunk(self) -> object:
        """The first chunk, which tells how the stream opened, or None when there is none."""
        try:
            payloads = (each.payload for each in self.frames if isinstance(each, Frame))
            return parse_payload(next(payloads, b"null"))
        except NotJson:
            return None


def write_header(header: Header) -> bytes:
    """Return the first line of a recording; secrets are taken out of the request."""
    fields: dict[str, object] = {VERSION_KEY: FORMAT_VERSION}
    fields |= {name: getattr(header, name) for name in ("dialect", "server", "title")}
    fields |= {"recorded_at": header.recorded_at, "request": without_secrets(header.request)}
    own = ("conversation_id", "request_id", "resumed", "moderation")
    present = {name: getattr(header, name) for name in own if getattr(header, name) is not None}
    return _line({**fields, **present})


def without_secrets(value: object) -> object:
    """Return a request without the values of fields that hold secrets by their name."""
    if isinstance(value, dict):
        return {
            name: _REMOVED if _SECRET.search(name) else without_secrets(each)
            for name, each in value.items()
        }
    return [without_secrets(each) for each in value] if isinstance(value, list) else value


def write_frame(frame: Frame | Verdict) -> bytes:
    """Return the line of a frame; a payload that is no UTF-8 goes in as base64."""
    if isinstance(frame, Verdict):
        return _line({"at_ms": frame.at_ms, "verdict": frame.checked})
    try:
        return _line({"at_ms": frame.at_ms, "data": frame.payload.decode()})
    except UnicodeDecodeError:
        encoded = base64.b64encode(frame.payload).decode()
        return _line({"at_ms": frame.at_ms, "base64": encoded})


def write_ending(ending: EndedBy, at_ms: float) -> bytes:
    """Return the last line of a recording."""
    match ending:
        case TurnInterrupted():
            return _line({"at_ms": at_ms, "ended": "interrupted", "by": ending.by})
        case TurnFailed():
            told = ("code", "status_code", "response", "cause")
            why = {name: getattr(ending, name) for name in told}
            return _line({"at_ms": at_ms, "ended": "failed", **why})
        case _:
            return _line({"at_ms": at_ms, "ended": ending})


def write_recording(recording: Recording) -> bytes:
    """Return the whole file."""
    lines = [write_header(recording.header), *map(write_frame, recording.frames)]
    if recording.ending is not Ending.CUT:
        lines.append(write_ending(recording.ending, recording.ended_ms))
    return b"".join(lines)


def _line(fields: dict[str, object]) -> bytes:
    return to_json(msgspec.to_builtins(fields)) + b"\n"
