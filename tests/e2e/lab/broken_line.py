"""A line between Turnstile and a server that breaks in the middle of an answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

DELTA = b'"type":"response.output_text.delta"'
_BLOCK_BYTES = 65_536


@dataclass(slots=True)
class BrokenLine:
    """Passes everything on, until so many pieces of an answer have come."""

    host: str
    port: int
    pieces: int
    _seen: int = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, in both directions."""
        upstream, to_upstream = await asyncio.open_connection(self.host, self.port)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_copy(reader, to_upstream))
                tasks.create_task(self._copy_answer(upstream, writer))
        finally:
            # Nothing that still waits to be sent is sent: the peers see a reset.
            writer.transport.abort()
            to_upstream.transport.abort()

    async def _copy_answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while block := await reader.read(_BLOCK_BYTES):
            self._seen += block.count(DELTA)
            if self._seen > self.pieces:
                writer.transport.abort()
                return
            writer.write(block)
            await writer.drain()
        writer.write_eof()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(_BLOCK_BYTES):
            writer.write(block)
            await writer.drain()
        writer.write_eof()
    except ConnectionError:
        return


@asynccontextmanager
async def broken_line(host: str, port: int, pieces: int) -> AsyncIterator[str]:
    """Listen on a free port before a server, and return the address."""
    line = BrokenLine(host, port, pieces)
    server = await asyncio.start_server(line.accept, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
