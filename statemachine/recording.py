"""The recording format: one stream of an upstream as JSON lines (README, "Recordings").

One header, one line per upstream frame with its arrival time and its payload as it was on the
wire, and one line that says how the body ended. A file without that last line was cut while it
was written: what it holds is still true. Raw `.sse` captures are read too, without times.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from statemachine.downstream.native import to_json
from statemachine.errors import NotJson, RecordingDamaged
from statemachine.upstream import DECODERS, recognise
from statemachine.upstream.frames import FrameReader, parse_payload

FORMAT_VERSION = 1
_VERSION_KEY = "turnstile_recording"
_SECRET = re.compile(
    r"(?i)authoriz|api[-_]?key|(^|[-_])token$|secret|passw|cookie|credential|headers$"
)
_REMOVED = "[removed]"
_LATEST_MS = 2**53
"""No body lasts longer, and floats count every ms up to here."""


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
class Header:
    """Where a recording comes from. `request` holds no secrets; `dialect` is the upstream's."""

    dialect: str
    server: str = "unknown"
    title: str = ""
    recorded_at: str = ""
    request: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded stream; `ended_ms` is the time of its end."""

    header: Header
    frames: tuple[Frame, ...]
    ending: Ending = Ending.END
    ended_ms: float = 0.0

    @property
    def first_chunk(self) -> object:
        """The first chunk, which tells how the stream opened, or None when there is none."""
        try:
            return parse_payload(self.frames[0].payload) if self.frames else None
        except NotJson:
            return None


def write_header(header: Header) -> bytes:
    """Return the first line of a recording; secrets are taken out of the request."""
    fields = {_VERSION_KEY: FORMAT_VERSION, "dialect": header.dialect, "server": header.server}
    fields |= {"title": header.title, "recorded_at": header.recorded_at}
    return _line({**fields, "request": without_secrets(header.request)})


def without_secrets(value: object) -> object:
    """Return a request without the values of fields that hold secrets by their name."""
    if isinstance(value, dict):
        return {
            name: _REMOVED if _SECRET.search(name) else without_secrets(each)
            for name, each in value.items()
        }
    return [without_secrets(each) for each in value] if isinstance(value, list) else value


def write_frame(frame: Frame) -> bytes:
    """Return the line of a frame; a payload that is no UTF-8 goes in as base64."""
    try:
        return _line({"at_ms": frame.at_ms, "data": frame.payload.decode()})
    except UnicodeDecodeError:
        encoded = base64.b64encode(frame.payload).decode()
        return _line({"at_ms": frame.at_ms, "base64": encoded})


def write_ending(ending: Ending, at_ms: float) -> bytes:
    """Return the last line of a recording."""
    return _line({"at_ms": at_ms, "ended": ending})


def write_recording(recording: Recording) -> bytes:
    """Return the whole file."""
    lines = [write_header(recording.header), *map(write_frame, recording.frames)]
    if recording.ending is not Ending.CUT:
        lines.append(write_ending(recording.ending, recording.ended_ms))
    return b"".join(lines)


def read_recording(data: bytes) -> Recording:
    """Read a recording.

    Raises:
        RecordingDamaged: a line is not what it should be; the error names it.
    """
    *lines, rest = data.split(b"\n")
    if rest:
        raise RecordingDamaged(len(lines) + 1, "the line is not complete")
    if not lines:
        raise RecordingDamaged(1, "the file is empty")
    header = _read_header(_fields(1, lines[0]))
    frames: list[Frame] = []
    for number, line in enumerate(lines[1:], start=2):
        fields = _fields(number, line)
        at_ms = _time(number, fields, frames[-1].at_ms if frames else 0.0)
        if "ended" in fields:
            return _ended(number, fields, header, frames, at_ms, more=number < len(lines))
        frames.append(Frame(at_ms, _payload(number, fields)))
    return Recording(header, tuple(frames), Ending.CUT, frames[-1].at_ms if frames else 0.0)


def read_capture(data: bytes, dialect: str | None = None) -> Recording:
    """Read a raw response body; its dialect is found out when it is not given.

    Raises:
        RecordingDamaged: there is no frame of a known dialect in it.
        FrameTooLarge: a frame exceeds the limit.
    """
    reader = FrameReader()
    frames = tuple(Frame(0.0, payload) for payload in reader.feed(data))
    found = dialect or next(_recognised(frames), None)
    if found not in DECODERS:
        known = " or ".join(DECODERS)
        raise RecordingDamaged(1, f"no chunk of a known dialect ({known}) in the file")
    ending = Ending.RESET if reader.partial else Ending.END
    return Recording(Header(found), frames, ending)


def is_recording(data: bytes) -> bool:
    """Tell a recording from a raw capture by its first bytes."""
    return data.lstrip().startswith(b"{")


def _recognised(frames: tuple[Frame, ...]) -> Iterator[str]:
    for frame in frames:
        try:
            dialect = recognise(parse_payload(frame.payload))
        except NotJson:
            continue
        if dialect:
            yield dialect


def _line(fields: dict[str, object]) -> bytes:
    return to_json(fields) + b"\n"


def _fields(number: int, line: bytes) -> dict[str, object]:
    try:
        fields = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as refused:
        raise RecordingDamaged(number, "the line is not JSON") from refused
    if not isinstance(fields, dict):
        raise RecordingDamaged(number, "the line is not an object")
    return fields


def _read_header(fields: dict[str, object]) -> Header:
    version = fields.get(_VERSION_KEY)
    if type(version) is not int or version != FORMAT_VERSION:
        raise RecordingDamaged(1, f"not a recording of format {FORMAT_VERSION}")
    dialect, request = fields.get("dialect"), fields.get("request", {})
    if not isinstance(dialect, str) or dialect not in DECODERS:
        raise RecordingDamaged(1, f"the dialect is none of {', '.join(DECODERS)}")
    server, title, recorded_at = (
        fields.get(name, "") for name in ("server", "title", "recorded_at")
    )
    if not isinstance(request, dict):
        raise RecordingDamaged(1, "request is not an object")
    if not (isinstance(server, str) and isinstance(title, str) and isinstance(recorded_at, str)):
        raise RecordingDamaged(1, "server, title and recorded_at are not all strings")
    return Header(dialect, server, title, recorded_at, request)


def _time(number: int, fields: dict[str, object], earliest: float) -> float:
    at_ms = fields.get("at_ms")
    if isinstance(at_ms, bool) or not isinstance(at_ms, int | float) or at_ms > _LATEST_MS:
        raise RecordingDamaged(number, "at_ms is not a number")
    if at_ms < earliest:
        raise RecordingDamaged(number, "at_ms goes back")
    return float(at_ms)


def _payload(number: int, fields: dict[str, object]) -> bytes:
    data, encoded = fields.get("data"), fields.get("base64")
    if isinstance(data, str):
        return data.encode()
    if not isinstance(encoded, str):
        raise RecordingDamaged(number, "a frame needs data or base64")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as refused:
        raise RecordingDamaged(number, "base64 cannot be decoded") from refused


def _ended(  # noqa: PLR0913 # the parts of a recording, once each
    number: int,
    fields: dict[str, object],
    header: Header,
    frames: list[Frame],
    at_ms: float,
    *,
    more: bool,
) -> Recording:
    ended = fields["ended"]
    if ended not in (Ending.END, Ending.RESET):
        raise RecordingDamaged(number, "ended is neither end nor reset")
    if more:
        raise RecordingDamaged(number + 1, "there are lines after the end")
    return Recording(header, tuple(frames), Ending(str(ended)), at_ms)
