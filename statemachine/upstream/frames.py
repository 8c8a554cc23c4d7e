"""From the bytes of an upstream body to its `data:` payloads, and from a payload to a chunk.

Lines end at LF only (a CR before it is dropped): U+2028, U+2029 and U+0085 arrive raw inside
data lines, and anything that splits on them would cut a chunk in two.
"""

import json

import msgspec

from statemachine.errors import FrameTooLarge, NotJson

FRAME_LIMIT_BYTES = 16 * 1024 * 1024
DONE = b"[DONE]"
_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode


class FrameReader:
    """Splits the bytes of one body into payloads, at any cut of the bytes."""

    __slots__ = ("_buffer", "_data", "_first", "_held_bytes", "_limit_bytes")

    def __init__(self, limit_bytes: int = FRAME_LIMIT_BYTES) -> None:
        self._buffer = bytearray()
        self._data: list[bytes] = []
        self._held_bytes = 0
        self._first = True
        self._limit_bytes = limit_bytes

    @property
    def partial(self) -> bool:
        """Tell whether the bytes so far end inside a frame."""
        return bool(self._buffer or self._data)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that these bytes complete.

        Raises:
            FrameTooLarge: a frame exceeds the limit.
        """
        if (frames := self._whole(data)) is not None:
            return frames
        self._buffer += data
        lines: list[bytearray] = []
        # A long line comes in many parts; without an end in them it is not read again each time.
        if b"\n" in data:
            *lines, self._buffer = self._buffer.split(b"\n")
        payloads = [payload for line in lines if (payload := self._line(bytes(line))) is not None]
        self._check_limit(len(self._buffer))
        return payloads

    def _whole(self, data: bytes) -> list[bytes] | None:
        """Return the payloads of what is nothing but plain frames, as nearly all of it is."""
        if self._buffer or self._data or self._first or not data.endswith(b"\n\n"):
            return None
        frames = data[:-2].split(b"\n\n")
        plain = all(
            each.startswith(b"data: ") and b"\n" not in each and not each.endswith(b"\r")
            for each in frames
        )
        return [each[6:] for each in frames] if plain and len(data) <= self._limit_bytes else None

    def _check_limit(self, more_bytes: int = 0) -> None:
        if self._held_bytes + more_bytes > self._limit_bytes:
            raise FrameTooLarge(self._limit_bytes)

    def _line(self, line: bytes) -> bytes | None:
        if self._first:
            line = line.removeprefix(_BOM)
            self._first = False
        line = line.removesuffix(b"\r")
        if not line:
            return self._dispatch()
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            self._held_bytes += len(self._data[-1]) + 1
            self._check_limit()
        return None

    def _dispatch(self) -> bytes | None:
        if not self._data:
            return None
        payload = b"\n".join(self._data)
        self._data.clear()
        self._held_bytes = 0
        return payload


def parse_payload(payload: bytes) -> object:
    """Return the JSON value of a payload.

    The standard parser has the second word: it takes the `NaN` that Python servers write.

    Raises:
        NotJson: it is no JSON, no UTF-8, or nested beyond reason.
    """
    try:
        return _decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as refused:
        raise NotJson("a frame of the upstream is not JSON") from refused
