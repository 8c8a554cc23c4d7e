"""A cable between a process and its Redis, which a test can pull out, or hold for a while."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import anyio
from anyio.abc import SocketAttribute, SocketStream

from tests.support.asgi import beside
from tests.support.redis_server import RedisServer

_LOST = (OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


@dataclass(slots=True, eq=False)
class _Wire:
    """One connection: both its ends, and what has been asked that is not answered yet."""

    near: SocketStream
    far: SocketStream
    asked: bytearray | None = None


class Cable:
    """Passes on what a process and Redis say to each other, until it is pulled out or held."""

    def __init__(self, server: RedisServer) -> None:
        self.port = 0
        self.sent: list[bytearray] = []
        """What the process has sent, one piece for each round trip."""
        self._server = server
        self._open: set[SocketStream] = set()
        self._pulled = False
        self._hold_at: bytes | None = None
        self._caught, self._forth_free, self._back_free = (anyio.Event() for _ in range(3))
        self._free()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open) // 2

    def trips(self, word: bytes) -> list[bytearray]:
        """Return the round trips in which a word was said, since this was asked last."""
        sent, self.sent[:] = list(self.sent), []
        return [each for each in sent if word in each]

    async def pull(self) -> None:
        """End all connections, and take no new ones."""
        self._pulled = True
        for each in list(self._open):
            await anyio.aclose_forcefully(each)

    def plug(self) -> None:
        """Be there again."""
        self._pulled = False

    @contextmanager
    def held(self, at: bytes = b"", *, answers_only: bool = False) -> Iterator[anyio.Event]:
        """Pass nothing on until the context is left; nothing is lost either.

        That begins when something is said with `at` in it, and the event tells that it has.
        """
        self._caught = anyio.Event()
        if answers_only:
            self._back_free = anyio.Event()
        else:
            self._hold_at = at
        try:
            yield self._caught
        finally:
            self._free()

    def _free(self) -> None:
        self._hold_at = None
        self._forth_free.set()
        self._back_free.set()

    async def serve(self, near: SocketStream) -> None:
        """Serve one connection."""
        async with near:
            if self._pulled:
                return
            with suppress(*_LOST):
                async with await anyio.connect_tcp("127.0.0.1", self._server.port) as far:
                    self._open |= {near, far}
                    try:
                        await self._both_ways(_Wire(near, far))
                    finally:
                        self._open -= {near, far}

    async def _both_ways(self, wire: _Wire) -> None:
        async with anyio.create_task_group() as ways:
            ways.start_soon(self._forth, wire)
            await self._back(wire)
            ways.cancel_scope.cancel()

    async def _forth(self, wire: _Wire) -> None:
        with suppress(*_LOST):
            async for data in wire.near:
                if not wire.asked:
                    wire.asked = bytearray()
                    self.sent.append(wire.asked)
                wire.asked += data
                if self._hold_at is not None and self._hold_at in data:
                    self._hold_at = None
                    self._forth_free, self._back_free = anyio.Event(), anyio.Event()
                    self._caught.set()
                await self._forth_free.wait()
                await wire.far.send(data)
        await anyio.aclose_forcefully(wire.far)

    async def _back(self, wire: _Wire) -> None:
        with suppress(*_LOST):
            async for data in wire.far:
                wire.asked = None
                await self._back_free.wait()
                await wire.near.send(data)


@asynccontextmanager
async def cable_to(server: RedisServer) -> AsyncIterator[Cable]:
    """Lay a cable to a server."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    cable, serving = Cable(server), anyio.CancelScope()
    cable.port = listener.extra(SocketAttribute.local_port)  # noqa: S610 # this is no Django

    async def serve() -> None:
        with serving:
            await listener.serve(cable.serve)

    async with listener, beside(serve):
        try:
            yield cable
        finally:
            serving.cancel()
