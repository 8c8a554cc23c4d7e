"""A scripted Llama Stack server below the client library: it answers by path, and remembers."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import httpx
import respx

from service.settings.groups import ModerationSettings, UpstreamSettings
from service.upstream.live import LiveUpstream
from tests.support.asgi import beside
from tests.support.offered import Offered, offered_by

URL = "http://stack.test:8321"
VERSION_HEADER = "x-llamastack-client-version"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with a status, headers and a body that may come in pieces, and may fail.

    An event in the place of a piece is waited for.
    """

    status: int = 200
    pieces: tuple[bytes | Exception | anyio.Event, ...] = ()
    content_type: str | None = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    def made(self) -> httpx.Response:
        """Return what the transport would."""
        typed = {"content-type": self.content_type} if self.content_type is not None else {}
        stream = _Pieces(self.pieces)
        return httpx.Response(self.status, headers={**typed, **self.headers}, stream=stream)


class _Pieces(httpx.AsyncByteStream):
    def __init__(self, pieces: Iterable[bytes | Exception | anyio.Event]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, anyio.Event):
                await piece.wait()
            else:
                yield piece


type Reply = Answer | Exception | anyio.Event | Callable[["Asked"], "Reply"]
"""What a server does: answer, fail, wait for ever (an event), or see what it was asked."""


def says(value: object, status: int = 200, **headers: str) -> Answer:
    """An answer in JSON."""
    return Answer(status, (json.dumps(value).encode(),), headers=headers)


def streams(*chunks: object) -> Answer:
    """An answer of events, a piece each; an exception or an event stands for itself."""
    pieces = tuple(
        each if isinstance(each, bytes | Exception | anyio.Event) else frame(each)
        for each in chunks
    )
    return Answer(200, pieces, "text/event-stream; charset=utf-8")


def frame(chunk: object) -> bytes:
    """Return a chunk as it is on the wire."""
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; `target` is the path with its query."""

    method: str
    target: str
    headers: httpx.Headers
    body: object


class FakeStack:
    """A server of one version. Its answers come in order, the last one again and again."""

    def __init__(self, version: str = "0.7.3", offered: Offered | None = None) -> None:
        self.asked: list[Asked] = []
        self._replies: dict[tuple[str, str], list[Reply]] = {}
        for path, answer in (offered or offered_by(version)).items():
            self.on("GET", path, says(answer))

    def on(self, method: str, target: str, *replies: Reply) -> "FakeStack":
        """Say what is answered to a request; without replies there is no such path."""
        self._replies[method, target] = list(replies)
        return self

    def to(self, method: str, beginning: str = "") -> list[Asked]:
        """Return the requests of a method whose target begins so."""
        return [
            each
            for each in self.asked
            if each.method == method and each.target.startswith(beginning)
        ]

    def bodies(self, target: str) -> list[object]:
        """Return what was sent to a target."""
        return [each.body for each in self.to("POST") if each.target == target]

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, as respx wants it."""
        body = json.loads(request.content) if request.content else None
        asked = Asked(request.method, request.url.raw_path.decode(), request.headers, body)
        self.asked.append(asked)
        replies = self._replies.get((asked.method, asked.target))
        if not replies:
            return says({"detail": "Not Found"}, 404).made()
        return await _given(replies.pop(0) if len(replies) > 1 else replies[0], asked)


async def _given(reply: Reply, asked: Asked) -> httpx.Response:
    if isinstance(reply, Exception):
        raise reply
    if isinstance(reply, Answer):
        return reply.made()
    if isinstance(reply, anyio.Event):
        await reply.wait()
        return says(None).made()
    return await _given(reply(asked), asked)


@asynccontextmanager
async def mocked(stack: FakeStack) -> AsyncIterator[None]:
    """Let the server answer every request of this process to its address."""
    async with respx.mock(assert_all_called=False, using="httpx") as router:
        router.route(host=httpx.URL(URL).host).mock(side_effect=stack.answer)
        yield


def live(moderation: ModerationSettings | None = None, **settings: object) -> LiveUpstream:
    """Return the adapter for the server; nothing is repeated unless a test says so."""
    chosen = {"url": URL, "retries_limit": 0} | settings
    return LiveUpstream(UpstreamSettings.model_validate(chosen), moderation or ModerationSettings())


@asynccontextmanager
async def running(
    stack: FakeStack, moderation: ModerationSettings | None = None, **settings: object
) -> AsyncIterator[LiveUpstream]:
    """Run the adapter on the server, which has been asked for what it offers."""
    upstream = live(moderation, **settings)
    async with mocked(stack), held(upstream):
        await upstream.catalogue()
        yield upstream


@asynccontextmanager
async def held(upstream: LiveUpstream, *, keeps: bool = False) -> AsyncIterator[None]:
    """Run the adapter beside the test, so that no group wraps a failure of the test."""
    begun, over = anyio.Event(), anyio.Event()

    async def hold() -> None:
        async with upstream.running(keeps=keeps):
            begun.set()
            await over.wait()

    async with beside(hold):
        await begun.wait()
        try:
            yield
        finally:
            over.set()
