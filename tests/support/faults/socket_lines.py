"""HTTP/1.1 by hand over a socket, one connection a request: nothing is hidden, nothing repeated."""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from tests.support.faults.lines import LineLost

_NARROW_BYTES = 4_096
_WIDE_BYTES = 65_536
_LOST = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)


class OverSocket:
    """Asks the service at an address; see `Dial`. A narrow line holds a few kilobytes."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        assert address.hostname
        assert address.port
        self.url = url
        self._address = address.hostname, address.port

    async def __call__(
        self,
        method: str,
        target: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        narrow: bool = False,
    ) -> "SocketLine":
        """See `Dial`."""
        wire = await _connected(self._address, narrow=narrow)
        limit = _NARROW_BYTES if narrow else _WIDE_BYTES
        line = SocketLine(*await asyncio.open_connection(sock=wire, limit=limit))
        try:
            await line.open(_request(method, target, self._address, body, headers or {}), method)
        except BaseException:
            await line.hang_up()
            raise
        return line


async def _connected(address: tuple[str, int], *, narrow: bool) -> socket.socket:
    wire = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    wire.settimeout(0)
    if narrow:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _NARROW_BYTES)
    try:
        await asyncio.get_running_loop().sock_connect(wire, address)
    except BaseException as refused:
        wire.close()
        if isinstance(refused, OSError):
            raise LineLost from refused
        raise
    return wire


def _request(
    method: str, target: str, address: tuple[str, int], body: bytes, headers: Mapping[str, str]
) -> bytes:
    about = {"Content-Type": "application/json", "Content-Length": str(len(body))} if body else {}
    host = f"{address[0]}:{address[1]}"
    fields = {"Host": host, "Connection": "close", **about, **headers}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class SocketLine:
    """See `Line`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._reader, self._writer = reader, writer
        self._chunked = False
        self._left = 0

    async def open(self, request: bytes, method: str) -> None:
        """Send the request and read the head of the answer."""
        self._writer.write(request)
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except _LOST as lost:
            raise LineLost from lost
        status, *fields = head[:-4].decode("latin-1").split("\r\n")
        named = (each.partition(":") for each in fields)
        self.headers = {name.lower(): value.strip() for name, _, value in named}
        self.status = int(status.split()[1])
        if method != "HEAD":
            self._chunked = self.headers.get("transfer-encoding") == "chunked"
            self._left = int(self.headers.get("content-length", "0"))

    async def part(self) -> bytes:
        """See `Line.part`."""
        try:
            return await (self._chunk() if self._chunked else self._rest())
        except _LOST as lost:
            raise LineLost from lost

    async def closed(self) -> bytes:
        """Wait until the service has closed the connection; returns what it sent until then."""
        with suppress(OSError):
            return await self._reader.read()
        return b""

    async def hang_up(self) -> None:
        """See `Line.hang_up`."""
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _chunk(self) -> bytes:
        size = int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        data = (await self._reader.readexactly(size + 2))[:-2]
        if not data:
            self._chunked, self._left = False, 0
        return data

    async def _rest(self) -> bytes:
        left, self._left = self._left, 0
        return await self._reader.readexactly(left)
