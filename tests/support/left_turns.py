"""Turns that are started and left, and what a reader is told of them whom nothing disturbs."""

from typing import NamedTuple

import httpx

from tests.support.sse import Message, read_messages

QUERY = "How do I wish the whole on-call team a good morning in their own languages?"
"""Its recorded answer has characters of one to four bytes."""

RESTLESS = {"retry_ms": "1", "heartbeat_s": "0.001"}
"""Settings with which a service breaks every silence, and wants its readers back at once."""


class LeftTurn(NamedTuple):
    """A turn that was started, and left alone."""

    request_id: str
    conversation_id: str
    path: str


def started(service: str) -> LeftTurn:
    """Start a turn and leave it."""
    url = f"{service}/v1/streaming_query"
    with httpx.stream("POST", url, json={"query": QUERY}) as answer:
        told = answer.headers
        return LeftTurn(told["x-request-id"], told["x-conversation-id"], told["content-location"])


def undisturbed(service: str, path: str) -> list[Message]:
    """Return what a reader is told whom nothing disturbs."""
    with httpx.stream("GET", f"{service}{path}") as answer:
        return read_messages(b"".join(answer.iter_raw()))
