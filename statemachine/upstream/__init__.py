"""Towards Llama Stack: decoders from chunks to turn events, by dialect name."""

from collections.abc import Mapping
from typing import Protocol

from statemachine.events import TurnEvent, TurnResumed, TurnStarted
from statemachine.upstream.agents import AgentsDecoder
from statemachine.upstream.responses import ResponsesDecoder


class Decoder(Protocol):
    """Reads the chunks of one stream in one dialect.

    `unknown` counts the kinds that were skipped because this version does not know them.
    """

    dialect: str
    unknown: dict[str, int]

    def __init__(self, *, resumed: bool = False) -> None:
        """`resumed` tells that the stream goes on with a turn that an earlier one began."""
        ...

    def decode(self, chunk: object) -> tuple[TurnEvent, ...]:
        """Return what a chunk says.

        Raises:
            MalformedChunk: the chunk does not have the shape that its kind demands.
        """
        ...

    @staticmethod
    def recognises(chunk: Mapping[str, object]) -> bool:
        """Tell whether a chunk is of this dialect."""
        ...

    @staticmethod
    def opening(chunk: object) -> TurnStarted | TurnResumed:
        """Return how a stream that begins with this chunk opened."""
        ...


DECODERS: dict[str, type[Decoder]] = {
    AgentsDecoder.dialect: AgentsDecoder,
    ResponsesDecoder.dialect: ResponsesDecoder,
}


def recognise(chunk: object) -> str | None:
    """Return the dialect of a chunk, or None when no dialect knows it."""
    if not isinstance(chunk, dict):
        return None
    return next((name for name, each in DECODERS.items() if each.recognises(chunk)), None)
