"""A server that gives one prepared answer after another, and remembers what it was asked."""

import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise

from tests.support.laws import digest_of
from tests.support.peers import Peer, served_by

CLOSES = b"connection: close\r\n"
STREAM = {"content-type": "text/event-stream; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, with the moment in which it was there."""

    text: str
    at_s: float

    @property
    def method(self) -> str:
        """The method of the request."""
        return self.text.partition(" ")[0]

    def header(self, name: str) -> str | None:
        """Return a header."""
        found = re.search(rf"(?im)^{re.escape(name)}: *(.*?)\r?$", self.text)
        return found[1] if found else None


class AnswersInTurn:
    """Gives each connection the next answer; after the last one it only hangs up.

    A connection is closed in order when its answer says so, and else kept open.
    """

    def __init__(self, *answers: bytes) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self._answers = iter(answers)

    async def __call__(self, peer: Peer) -> None:
        """Serve a connection."""
        request = await peer.request()
        self.asked.append(Asked(request.decode(), time.monotonic()))
        said = next(self._answers, b"")
        await peer.send(said)
        if said and CLOSES not in said:
            await peer.until_left()

    def pauses_s(self) -> list[float]:
        """Return how long it was left alone between one request and the next."""
        times = [each.at_s for each in self.asked]
        return [later - earlier for earlier, later in pairwise(times)]


@asynccontextmanager
async def answering_in_turn(*answers: bytes) -> AsyncIterator[AnswersInTurn]:
    """Run such a server on a free port."""
    server = AnswersInTurn(*answers)
    async with served_by(server) as url:
        server.url = url.replace("localhost", "127.0.0.1")
        yield server


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """Return an answer as it is on the wire."""
    length = {} if status == 204 else {"content-length": str(len(body))}
    lines = [f"{name}: {value}\r\n" for name, value in ({**(headers or {})} | length).items()]
    return b"HTTP/1.1 %d Answer\r\n%b%b\r\n%b" % (status, CLOSES, "".join(lines).encode(), body)


def silent_stream(*parts: bytes) -> bytes:
    """Return the beginning of a stream that then says nothing more, for ever."""
    head = b"HTTP/1.1 200 Answer\r\ncontent-type: text/event-stream\r\nx-request-id: r1\r\n\r\n"
    return head + b"".join(parts)


def stream(*parts: bytes, request_id: str = "r1") -> bytes:
    """Return an answer with a stream that ends in order."""
    return answer(200, b"".join(parts), STREAM | {"x-request-id": request_id})


def refusal(
    status: int, code: str, headers: Mapping[str, str] | None = None, **fields: str
) -> bytes:
    """Return an error of the service."""
    body = {"detail": {"response": "No.", "cause": "The test says so."}, "code": code} | fields
    return answer(status, json.dumps(body).encode(), headers)


def payload(number: int, event: str = "token", **data: object) -> bytes:
    """Return the JSON of an event."""
    return json.dumps({"event": event, "data": {"id": number, **data}}).encode()


def frame(number: int, event: str = "token", **data: object) -> bytes:
    """Return an event on the wire."""
    return b"id: %d\ndata: %b\n\n" % (number, payload(number, event, **data))


def end(number: int, *before: bytes) -> bytes:
    """Return the end of a stream with these payloads."""
    return frame(number, "end", count=number, digest=digest_of(before))
