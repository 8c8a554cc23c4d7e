"""A live body: its first payload was looked at before anything was promised."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import msgspec

from service.upstream.faults import refused
from statemachine import TurnResumed, TurnStarted

_ERROR_BYTES = 4_096
"""An error is short; nothing longer has to be parsed to tell."""


@dataclass(slots=True, eq=False)
class LiveBody:
    """What a server sends; see `UpstreamBody`. `begun` is what came first, until it is read."""

    opening: TurnStarted | TurnResumed
    begun: Sequence[bytes]
    rest: AsyncGenerator[Sequence[bytes]]

    @property
    def first(self) -> bytes | None:
        """The payload that was looked at, if there is one."""
        return self.begun[0] if self.begun else None

    async def payloads(self) -> AsyncGenerator[Sequence[bytes]]:
        """See `UpstreamBody.payloads`."""
        begun, self.begun = self.begun, ()
        if not begun:
            return
        yield begun
        del begun
        async for batch in self.rest:
            yield batch


async def begin(
    opening: TurnStarted | TurnResumed, batches: AsyncGenerator[Sequence[bytes]]
) -> LiveBody:
    """Wait for what comes first, and return the body."""
    # No tuple: CPython makes arguments of one that `anext` has as its default.
    return LiveBody(opening, await anext(batches, []), batches)


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
