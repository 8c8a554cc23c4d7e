"""Servers on a real socket that do as a test says, byte by byte; for what no mock can prove."""

import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.tls import TLSStream

from tests.support.asgi import beside

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"

_RESET = struct.pack("ii", 1, 0)
"""Linger for no time: closing the connection then resets it."""

type Wire = SocketStream | TLSStream
type Script = Callable[["Peer"], Awaitable[None]]


@dataclass(slots=True)
class Peer:
    """One connection of a client."""

    wire: Wire

    async def request(self) -> bytes:
        """Read a request with its body."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += await self.wire.receive()
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (
                int(each[15:])
                for each in head.lower().split(b"\r\n")
                if each[:15] == b"content-length:"
            ),
            0,
        )
        while len(body) < length:
            body += await self.wire.receive()
        return head + b"\r\n\r\n" + body

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self.wire.send(data)

    async def part(self, data: bytes) -> None:
        """Send a chunk of a chunked body."""
        await self.wire.send(b"%x\r\n%s\r\n" % (len(data), data))

    def reset(self) -> None:
        """Let the connection end by a reset when it is closed."""
        let_reset(self.wire)

    async def until_left(self) -> None:
        """Wait until the client has closed the connection."""
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                await self.wire.receive()


class EventServer:
    """Sends the same stream to everybody, and sees whether its clients have left."""

    def __init__(self, *parts: bytes, head: bytes = STREAM_HEAD, ends: bool = False) -> None:
        self.sent, self.left = anyio.Event(), anyio.Event()
        self.connections = 0
        self._parts, self._head, self._ends = parts, head, ends

    async def __call__(self, peer: Peer) -> None:
        self.connections += 1
        while True:
            await peer.request()
            await peer.send(self._head)
            for part in self._parts:
                await peer.part(part)
            self.sent.set()
            if not self._ends:
                break
            await peer.send(END)
        await peer.until_left()
        self.left.set()


def let_reset(wire: Wire) -> None:
    """Let a connection end by a reset when it is closed; one that its client has left is gone."""
    # The socket cannot be asked for any more once the loop has closed it: anyio looks up its ends.
    with suppress(AttributeError):
        raw = wire.extra(SocketAttribute.raw_socket)  # noqa: S610 # this is no Django
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def answering(body: bytes, content_type: str = "application/json") -> bytes:
    """Return an answer as it is on the wire."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


@asynccontextmanager
async def served_by(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve every connection by a script, and return the address."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 # this is no Django

    async def handle(wire: SocketStream) -> None:
        async with wire:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError):
                if tls is None:
                    await script(Peer(wire))
                else:
                    wrapped = await TLSStream.wrap(wire, server_side=True, ssl_context=tls)
                    await script(Peer(wrapped))

    serving = anyio.CancelScope()

    async def serve() -> None:
        with serving:
            await listener.serve(handle)

    async with listener, beside(serve):
        try:
            yield f"{'https' if tls else 'http'}://localhost:{port}"
        finally:
            serving.cancel()
