"""Towards the client: encoders from emissions to bytes, by dialect name."""

from collections.abc import Callable
from typing import Protocol

from statemachine.downstream.native import NativeEncoder
from statemachine.downstream.text import TextEncoder
from statemachine.emissions import Emission


class Encoder(Protocol):
    """Encodes the emissions of one stream, in order, for one reader.

    `framed` dialects are Server-Sent Events: they have ids, `retry:` and heartbeats.
    """

    content_type: str
    framed: bool

    def encode(self, emission: Emission) -> bytes:
        """Return the bytes of an emission; the same emissions give the same bytes."""
        ...

    def gap(self, first: int, to: int) -> bytes:
        """Return the notice that emissions from `first` up to before `to` cannot be served."""
        ...

    def unavailable(self, code: str, response: str, retry_ms: int) -> bytes:
        """Return the notice that the stream cannot be followed for now; the body ends with it."""
        ...


ENCODERS: dict[str, Callable[[], Encoder]] = {"native": NativeEncoder, "text": TextEncoder}
