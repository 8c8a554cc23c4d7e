"""Readers of streams on plain sockets: they count tokens, and note how long each was on its way."""

import re
import socket

from tests.benchmarks.rig.loop import Loop
from tests.benchmarks.rig.script import MARK, now_us
from tests.benchmarks.rig.upstream import Upstream

_RECEIVE_BYTES = 262_144
_CONNECT_TIMEOUT_S = 5.0
_OPENING_AT_ONCE = 16
_LAST_BYTES = 8_192
_STAMPS = re.compile(MARK + rb"(\d{10})")
_END = b"0\r\n\r\n"


class _Reader:
    """One connection of a browser."""

    __slots__ = ("_crowd", "last", "peer", "started")

    def __init__(self, crowd: "Readers", port: int, request: bytes) -> None:
        self._crowd = crowd
        self.started = False
        self.last = b""
        self.peer = socket.create_connection(("127.0.0.1", port), _CONNECT_TIMEOUT_S)
        self.peer.settimeout(0)
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer.sendall(request)

    def handle(self, _: int) -> None:
        """Count what has come."""
        crowd = self._crowd
        try:
            data = self.peer.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            crowd.lose(self, "the stream ended too early")
            return
        crowd.upstream.received += data.count(MARK)
        if crowd.taken_us is not None:
            now = now_us()
            crowd.taken_us.extend(now - int(stamp) for stamp in _STAMPS.findall(data))
        if not self.started or crowd.finishing:
            self._look(data)

    def _look(self, data: bytes) -> None:
        """Look at a stream as it begins or ends; between, it is only counted."""
        crowd = self._crowd
        self.last = (self.last + data)[-_LAST_BYTES:]
        if not self.started:
            if not self.last.startswith(b"HTTP/1.1 200"):
                crowd.lose(self, self.last.decode(errors="replace")[:300])
            elif MARK in self.last:
                self.started, self.last = True, b""
                crowd.start(self)
        elif self.last.endswith(_END):
            crowd.end(self)


class Readers:
    """All readers of one target at one time."""

    def __init__(self, loop: Loop, upstream: Upstream) -> None:
        self.upstream = upstream
        self.taken_us: list[int] | None = None
        """How long tokens were on their way, while somebody wants to know."""
        self.finishing = False
        """Whether streams may end."""
        self.lost: list[str] = []
        self._loop = loop
        self._waiting: set[_Reader] = set()
        self._open: set[_Reader] = set()
        self._wanted = 0
        self._target = (0, b"", b"")

    @property
    def complete(self) -> bool:
        """Tell whether all readers that were wanted have their first token, or one is lost."""
        return bool(self.lost) or not (self._wanted or self._waiting)

    @property
    def gone(self) -> bool:
        """Tell whether no stream is open any more."""
        return not (self._open or self._waiting)

    def open(self, count: int, port: int, request: bytes, terminal: bytes) -> None:
        """Open so many streams, some at a time; `terminal` is what each has to end with."""
        self._target = (port, request, terminal)
        self._wanted = count
        self.finishing, self.lost = False, []
        self._open_some()

    def start(self, reader: _Reader) -> None:
        """Take note of a first token."""
        self._waiting.discard(reader)
        self._open.add(reader)
        self._open_some()

    def end(self, reader: _Reader) -> None:
        """Take note of the end of a response."""
        if self._target[2] in reader.last:
            self._forget(reader)
        else:
            self.lose(reader, "the stream ended without its terminal event")

    def lose(self, reader: _Reader, reason: str) -> None:
        """Take note of a stream that has gone wrong."""
        self.lost.append(reason)
        self._forget(reader)

    def leave(self) -> None:
        """Close all connections."""
        self._wanted = 0
        for reader in [*self._waiting, *self._open]:
            self._forget(reader)

    def _open_some(self) -> None:
        port, request, _ = self._target
        while self._wanted and len(self._waiting) < _OPENING_AT_ONCE:
            self._wanted -= 1
            reader = _Reader(self, port, request)
            self._waiting.add(reader)
            self._loop.add(reader.peer, reader.handle)

    def _forget(self, reader: _Reader) -> None:
        self._waiting.discard(reader)
        self._open.discard(reader)
        self._loop.drop(reader.peer)
