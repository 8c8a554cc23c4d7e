"""A TCP proxy before the service: it cuts the streams of turns at a byte, or alters them."""

import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketStream

from tests.support.peers import Peer, let_reset, served_by

_STREAM = re.compile(rb"(GET|POST) /v1/streaming_query(/[0-9a-f-]{36})?[? ]")
_HEAD_END = b"\r\n\r\n"
_LOST = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)

UNHEARD = -1
"""A cut before the first byte of an answer: the service has heard the request, and that is all."""

type Alter = Callable[[bytes], bytes]


@dataclass(slots=True)
class Passage:
    """A request for a stream, and what of its answer was let through."""

    request: bytes
    cut: int | None
    answer: bytearray = field(default_factory=bytearray)

    @property
    def method(self) -> str:
        """The method of the request."""
        return self.request.partition(b" ")[0].decode()

    def header(self, name: str) -> str | None:
        """Return a header of the request."""
        found = re.search(rb"(?im)^%b: *(.*?)\r?$" % re.escape(name.encode()), self.request)
        return found[1].decode() if found else None

    def let(self, data: bytes) -> bytes:
        """Return what of this may still pass."""
        before = len(self.answer)
        self.answer += data
        end = self._end()
        if end is not None:
            del self.answer[end:]
        return bytes(self.answer[before:])

    def is_cut(self) -> bool:
        """Tell whether the next byte is one too many."""
        return len(self.answer) == self._end()

    def _end(self) -> int | None:
        """Return where the answer is cut, once that can be told."""
        if self.cut == UNHEARD:
            return 0
        head = self.answer.find(_HEAD_END)
        return None if self.cut is None or head < 0 else head + len(_HEAD_END) + self.cut


class CuttingProxy:
    """Passes everything on to the service; `passages` are the streams that were asked for.

    The first streams are cut, one number for each: after so many bytes of the body of the answer,
    or `UNHEARD`. With `resets` the connection is reset, without it just ends.
    """

    def __init__(
        self, target: str, cuts: Iterable[int] = (), *, alter: Alter = bytes, resets: bool = False
    ) -> None:
        self.passages: list[Passage] = []
        self.url = ""
        self._target = urlsplit(target)
        self._cuts = iter(cuts)
        self._alter = alter
        self._resets = resets

    @property
    def heartbeats(self) -> int:
        """How often the service has broken its silence."""
        return sum(each.answer.count(b"\r\n:\n\r\n") for each in self.passages)

    async def __call__(self, peer: Peer) -> None:
        """Serve a connection."""
        client = peer.wire
        assert isinstance(client, SocketStream)
        assert self._target.hostname
        assert self._target.port
        async with (
            await anyio.connect_tcp(self._target.hostname, self._target.port) as service,
            anyio.create_task_group() as both_ways,
        ):
            asked: list[Passage] = []
            both_ways.start_soon(self._forth, client, service, asked)
            await self._back(client, service, asked)
            both_ways.cancel_scope.cancel()

    async def _forth(
        self, client: SocketStream, service: SocketStream, asked: list[Passage]
    ) -> None:
        with suppress(*_LOST):
            async for data in client:
                if _STREAM.match(data):
                    asked.append(Passage(data, next(self._cuts, None)))
                    self.passages.append(asked[-1])
                await service.send(data)
        # The service must not go on for a client that has left.
        await service.aclose()

    async def _back(
        self, client: SocketStream, service: SocketStream, asked: list[Passage]
    ) -> None:
        with suppress(*_LOST):
            async for data in service:
                altered = self._alter(data)
                await client.send(asked[-1].let(altered) if asked else altered)
                if asked and asked[-1].is_cut():
                    break
        if self._resets and asked and asked[-1].is_cut():
            let_reset(client)


@asynccontextmanager
async def cutting_proxy(
    target: str, cuts: Iterable[int] = (), *, alter: Alter = bytes, resets: bool = False
) -> AsyncIterator[CuttingProxy]:
    """Run a proxy on a free port."""
    proxy = CuttingProxy(target, cuts, alter=alter, resets=resets)
    async with served_by(proxy) as url:
        proxy.url = url.replace("localhost", "127.0.0.1")
        yield proxy
