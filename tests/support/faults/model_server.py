"""A model server for processes under test, in the loop of the test: it says what it is told to.

It speaks the Responses API. Every question has a play of its own, spoiled or not; who has asked is
told by its key, and when it has left, by the connection.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from tests.support import responses_chunks as responses
from tests.support.faults.harms import Close, Play
from tests.support.offered import listed, offered_by
from tests.support.peers import END, STREAM_HEAD, Peer, answering, served_by

_VERSION = "0.7.3"
_UNKNOWN = (
    b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
)


@dataclass(slots=True)
class Speech:
    """What is said to a question, and how fast; `gates` are waited for before these payloads."""

    play: Play
    pace_s: float = 0.0
    gates: Mapping[int, anyio.Event] = field(default_factory=dict)


@dataclass(slots=True)
class Asked:
    """A question as it came: by whom, and with what before it. `left` is set when it was cut."""

    key: str
    question: str
    input: Any
    said: int = 0
    left: anyio.Event = field(default_factory=anyio.Event)


def words(*said: str) -> Play:
    """Return a plain answer, word by word."""
    chunks = [
        responses.created(),
        responses.item_added("m1"),
        responses.part_added("m1"),
        *(responses.text("m1", word) for word in said),
        responses.completed(responses.message(responses.said("".join(said)))),
    ]
    return Play("words", "responses", tuple(json.dumps(each).encode() for each in chunks))


def counting(count: int) -> Play:
    """Return an answer that counts."""
    return words(*(f"{number} " for number in range(count)))


class ModelServer:
    """See the module. `asked` are all questions in order."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self._speeches: dict[str, Speech] = {}
        self._offered = {**offered_by(_VERSION), "/v1/shields": listed()}

    def says(self, question: str, speech: Speech) -> str:
        """Say what a question is answered with."""
        self._speeches[question] = speech
        return question

    def to(self, question: str) -> list[Asked]:
        """Return how often a question was asked."""
        return [each for each in self.asked if each.question == question]

    async def __call__(self, peer: Peer) -> None:
        """Serve a connection until it is reset."""
        close = Close.END
        while close is Close.END:
            head, _, body = (await peer.request()).partition(b"\r\n\r\n")
            method, target = head.decode().split(" ")[:2]
            if method == "POST" and target == "/v1/responses":
                close = await self._answer(peer, head, json.loads(body))
            elif method == "DELETE":
                await peer.send(answering(b"{}"))
            elif method == "GET" and target in self._offered:
                await peer.send(answering(json.dumps(self._offered[target]).encode()))
            else:
                await peer.send(_UNKNOWN)

    async def _answer(self, peer: Peer, head: bytes, body: Mapping[str, Any]) -> Close:
        said = body["input"]
        question = said if isinstance(said, str) else said[-1]["content"]
        asked = Asked(_key(head), question, said)
        self.asked.append(asked)
        speech = self._speeches[question]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_watch, peer, asked)
            await _speak(peer, speech, asked)
            tasks.cancel_scope.cancel()
        if speech.play.close is Close.END:
            await peer.send(END)
        elif not asked.left.is_set():
            peer.reset()
            await peer.wire.aclose()
        return speech.play.close


async def _watch(peer: Peer, asked: Asked) -> None:
    await peer.until_left()
    asked.left.set()


async def _speak(peer: Peer, speech: Speech, asked: Asked) -> None:
    await peer.send(STREAM_HEAD)
    for number, payload in enumerate(speech.play.payloads):
        if number in speech.gates:
            await speech.gates[number].wait()
        await peer.part(b"data: " + payload + b"\n\n")
        asked.said += 1
        await anyio.sleep(speech.pace_s)
    if speech.play.close is Close.NEVER:
        await asked.left.wait()


def _key(head: bytes) -> str:
    for line in head.decode("latin-1").split("\r\n"):
        if line.lower().startswith("authorization: bearer "):
            return line[22:]
    return ""


@asynccontextmanager
async def model_server() -> AsyncIterator[ModelServer]:
    """Run a model server on a free port."""
    server = ModelServer()
    async with served_by(server) as url:
        server.url = url.replace("localhost", "127.0.0.1")
        yield server
