"""Reading recordings back: every line is checked, and a damaged one is named.

Raw `.sse` captures of a body are read too, without times.
"""

import base64
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import replace

import msgspec

from statemachine.errors import NotJson, RecordingDamaged
from statemachine.events import ShieldChecked, TurnFailed, TurnInterrupted
from statemachine.recording import (
    FORMAT_VERSION,
    VERSION_KEY,
    EndedBy,
    Ending,
    Frame,
    Header,
    Recording,
    Verdict,
)
from statemachine.upstream import DECODERS, recognise
from statemachine.upstream.fields import json_text
from statemachine.upstream.frames import FrameReader, parse_payload

type Fields = dict[str, object]

_LATEST_MS = 2**53
"""No body lasts longer, and floats count every ms up to here."""


def read_recording(data: bytes) -> Recording:
    """Read a recording.

    Raises:
        RecordingDamaged: a line is not what it should be; the error names it.
    """
    lines = _whole_lines(data.removeprefix(BOM_UTF8))
    header = _read_header(_fields(1, lines[0]))
    frames: list[Frame | Verdict] = []
    for number, line in enumerate(lines[1:], start=2):
        fields = _fields(number, line)
        at_ms = _time(number, fields, frames[-1].at_ms if frames else 0.0)
        if "ended" in fields:
            if number < len(lines):
                raise RecordingDamaged(number + 1, "there are lines after the end")
            return Recording(header, tuple(frames), _ending(number, fields), at_ms)
        frames.append(_frame(number, fields, at_ms))
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
    return data.removeprefix(BOM_UTF8).lstrip().startswith(b"{")


def _whole_lines(data: bytes) -> list[bytes]:
    """Return the lines; a last one that was cut while it was written is left out."""
    *lines, last = data.split(b"\n")
    if not last:
        if not lines:
            raise RecordingDamaged(1, "the file is empty")
        return lines
    # An editor may have taken the last end of a line: the line tells itself whether it is whole.
    try:
        parse_payload(last)
    except NotJson as refused:
        if lines and last.startswith(b"{"):
            return lines
        problem = "the line is not JSON" if lines else "the line is not complete"
        raise RecordingDamaged(len(lines) + 1, problem) from refused
    return [*lines, last]


def _recognised(frames: tuple[Frame, ...]) -> Iterator[str]:
    for frame in frames:
        try:
            dialect = recognise(parse_payload(frame.payload))
        except NotJson:
            continue
        if dialect:
            yield dialect


def _fields(number: int, line: bytes) -> Fields:
    try:
        fields = parse_payload(line)
    except NotJson as refused:
        raise RecordingDamaged(number, "the line is not JSON") from refused
    if not isinstance(fields, dict):
        raise RecordingDamaged(number, "the line is not an object")
    return fields


def _read_header(fields: Fields) -> Header:
    version = fields.get(VERSION_KEY)
    if type(version) is not int or version != FORMAT_VERSION:
        raise RecordingDamaged(1, f"not a recording of format {FORMAT_VERSION}")
    dialect = fields.get("dialect")
    if not isinstance(dialect, str) or dialect not in DECODERS:
        raise RecordingDamaged(1, f"the dialect is none of {', '.join(DECODERS)}")
    try:
        return msgspec.convert(fields, Header)
    except (msgspec.ValidationError, RecursionError) as refused:
        raise RecordingDamaged(1, f"the header is wrong: {refused}") from refused


def _value[T](number: int, name: str, value: object, kind: type[T]) -> T:
    """Return a value of its kind, built of plain JSON."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as refused:
        raise RecordingDamaged(number, f"{name} is wrong: {refused}") from refused


def _time(number: int, fields: Fields, earliest: float) -> float:
    at_ms = fields.get("at_ms")
    if isinstance(at_ms, bool) or not isinstance(at_ms, int | float) or at_ms > _LATEST_MS:
        raise RecordingDamaged(number, "at_ms is not a number")
    if not at_ms >= earliest:  # NaN is not either
        raise RecordingDamaged(number, "at_ms goes back")
    return float(at_ms)


def _frame(number: int, fields: Fields, at_ms: float) -> Frame | Verdict:
    if "verdict" in fields:
        checked = _value(number, "verdict", fields["verdict"], ShieldChecked)
        return Verdict(at_ms, replace(checked, metadata=_metadata(number, checked.metadata)))
    return Frame(at_ms, _payload(number, fields))


def _metadata(number: int, text: str | None) -> str | None:
    """Return metadata as it goes into a stream as it is: compact JSON."""
    try:
        return None if text is None else json_text(parse_payload(text.encode()))
    except (NotJson, UnicodeEncodeError) as refused:
        raise RecordingDamaged(number, "the metadata of the verdict is not JSON") from refused


def _payload(number: int, fields: Fields) -> bytes:
    data, encoded = fields.get("data"), fields.get("base64")
    try:
        if isinstance(data, str):
            return data.encode()
        if isinstance(encoded, str):
            return base64.b64decode(encoded, validate=True)
    except ValueError as refused:
        name = "data" if isinstance(data, str) else "base64"
        raise RecordingDamaged(number, f"{name} cannot be decoded") from refused
    raise RecordingDamaged(number, "a frame needs data, base64 or verdict")


def _ending(number: int, fields: Fields) -> EndedBy:
    match fields["ended"]:
        case "end":
            return Ending.END
        case "reset":
            return Ending.RESET
        case "interrupted":
            return _value(number, "by", fields, TurnInterrupted)
        case "failed":
            return _value(number, "ended", fields, TurnFailed)
        case _:
            raise RecordingDamaged(number, "ended is not end, reset, interrupted or failed")
