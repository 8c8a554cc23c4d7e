"""A live body: its first payload was looked at before anything was promised."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import msgspec

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
    if payload is None or len(payload) > _ERROR_BYTES or b"error" not in payload:
        return ""
    try:
        chunk = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""
    if not isinstance(chunk, dict):
        return ""
    error = chunk if chunk.get("type") == "error" else chunk.get("error")
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else ""
