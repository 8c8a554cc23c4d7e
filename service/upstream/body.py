"""A live body: its first payload was looked at before anything was promised."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import msgspec

from service.upstream.faults import refused
from statemachine import TurnResumed, TurnStarted

_ERROR_BYTES = 4_096
"""An error is short; nothing longer has to be parsed to tell."""


@dataclass(frozen=True, slots=True)
class LiveBody:
    """What a server sends; see `UpstreamBody`."""

    opening: TurnStarted | TurnResumed
    first: bytes | None
    rest: AsyncGenerator[bytes]

    async def payloads(self) -> AsyncGenerator[bytes]:
        """See `UpstreamBody.payloads`."""
        if self.first is None:
            return
        yield self.first
        async for payload in self.rest:
            yield payload


def error_message(payload: bytes | None) -> str:
    """Return the sentence of a payload that is nothing but an error, else an empty one."""
    error = _error(payload)
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else ""


def check_taken(payload: bytes | None) -> None:
    """Look at the first payload of a stream.

    Raises:
        UpstreamError: it is nothing but an error: the server has not begun anything.
    """
    error = _error(payload)
    if error is not None:
        raise refused(error)


def _error(payload: bytes | None) -> object:
    """Return the error that a payload is, in any of the shapes that servers have for it."""
    if payload is None or len(payload) > _ERROR_BYTES or b"error" not in payload:
        return None
    try:
        chunk = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if not isinstance(chunk, dict):
        return None
    return chunk if chunk.get("type") == "error" else chunk.get("error")
