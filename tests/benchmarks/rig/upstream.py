"""A server that costs next to nothing: sockets, rendered bytes, and a clock.

Every stream has a rhythm of its own that begins at a random moment, so tokens of different streams
are spread as those of independent models are. What a target is behind with is bounded: over that,
an upstream holds tokens back, and counts them.
"""

import heapq
import itertools
import random
import re
import socket
import time

from tests.benchmarks.rig.loop import IN, OUT, Loop
from tests.benchmarks.rig.script import BLOCK_TOKENS, NOTHING, Script, now_us

_RECEIVE_BYTES = 65_536
_SEND_BUFFER_BYTES = 65_536
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_BEHIND_LIMIT_TOKENS = 20
_BEHIND_LIMIT_UNPACED_TOKENS = 4 * BLOCK_TOKENS
_LATE_S = 0.002
_RETRY_S = 0.0005
_IDLE_S = 1.0


class _Connection:
    """One connection of the target; it streams, or it is asked for something short."""

    __slots__ = ("_asked", "_pending", "_upstream", "peer", "streams")

    def __init__(self, upstream: "Upstream", peer: socket.socket) -> None:
        self._upstream = upstream
        self.peer = peer
        self._asked = b""
        self._pending = b""
        self.streams = False

    @property
    def blocked(self) -> bool:
        """Tell whether something written before has not gone out yet."""
        return bool(self._pending)

    def write(self, data: bytes) -> None:
        """Send what goes out at once, and the rest later."""
        if self._pending:
            self._pending += data
            return
        try:
            sent = self.peer.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._upstream.drop(self)
            return
        if sent < len(data):
            self._pending = data[sent:]
            self._upstream.loop.watch(self.peer, IN | OUT)

    def handle(self, events: int) -> None:
        """Go on with what the socket is ready for."""
        if events & OUT:
            data, self._pending = self._pending, b""
            self._upstream.loop.watch(self.peer, IN)
            self.write(data)
        if events & ~OUT and self.peer.fileno() >= 0:
            self._read()

    def _read(self) -> None:
        try:
            data = self.peer.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._upstream.drop(self)
            return
        self._asked += data
        while self.peer.fileno() >= 0 and (asked := self._request()):
            self._upstream.answer(self, asked)

    def _request(self) -> bytes:
        """Return the method and path of a request that has come as a whole, else nothing."""
        head, ended, body = self._asked.partition(b"\r\n\r\n")
        stated = _LENGTH.search(head)
        length = int(stated[1]) if stated else 0
        if not ended or len(body) < length:
            return b""
        self._asked = body[length:]
        return head.partition(b" HTTP/")[0].partition(b"?")[0]


class Upstream:
    """The server. `sent` are tokens, `withheld` those for which a target was too slow.

    `late` are tokens that the rig itself sent more than 2 ms after their time.
    """

    def __init__(self, loop: Loop, script: Script) -> None:
        self.loop = loop
        self.sent = self.withheld = self.late = 0
        self.received = 0
        """What the readers have got; they keep it up to date."""
        self._script = script
        self._turn = f"POST {script.path}".encode()
        self._connections: set[_Connection] = set()
        self._streams: dict[_Connection, None] = {}
        self._due: list[tuple[float, int, _Connection]] = []
        self._period_s = 0.0
        self._chance = random.Random(1)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4_096)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._listener.settimeout(0)
        loop.add(self._listener, self._accept)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def pace(self, tokens_per_s: float) -> None:
        """Let every open stream say so many tokens a second."""
        now, self._period_s = time.perf_counter(), 1 / tokens_per_s
        moments = (now + self._chance.random() * self._period_s for _ in self._streams)
        self._due = list(zip(moments, itertools.count(), self._streams, strict=False))
        heapq.heapify(self._due)
        self.loop.clockwork = self._say_what_is_due

    def pour(self) -> None:
        """Let every open stream say as much as the target takes."""
        self.loop.clockwork = self._say_what_fits

    def hold(self) -> None:
        """Let every stream be silent."""
        self._due = []
        self.loop.clockwork = lambda: _IDLE_S

    def finish(self) -> None:
        """End every stream in order."""
        for each in list(self._streams):
            each.streams = False
            each.write(self._script.ending)
        self._streams.clear()

    def reset(self) -> None:
        """Close every connection in the middle."""
        self.hold()
        for each in list(self._connections):
            self.drop(each)

    def close(self) -> None:
        """Serve no longer."""
        self.reset()
        self.loop.drop(self._listener)

    def answer(self, connection: _Connection, asked: bytes) -> None:
        """Answer a request; a stream opens with one token."""
        if asked != self._turn:
            connection.write(self._script.answers.get(asked, NOTHING))
            return
        connection.streams = True
        self._streams[connection] = None
        connection.write(self._script.opening + self._token())

    def drop(self, connection: _Connection) -> None:
        """Close a connection."""
        connection.streams = False
        self._connections.discard(connection)
        self._streams.pop(connection, None)
        self.loop.drop(connection.peer)

    def _accept(self, _: int) -> None:
        peer, _ = self._listener.accept()
        peer.settimeout(0)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(self, peer)
        self._connections.add(connection)
        self.loop.add(peer, connection.handle)

    def _token(self) -> bytes:
        self.sent += 1
        before, after = self._script.token
        return b"%b%010d%b" % (before, now_us(), after)

    def _say_what_is_due(self) -> float:
        """One token at a time, each in a write of its own."""
        due, limit = self._due, _BEHIND_LIMIT_TOKENS * len(self._streams)
        while due:
            now = time.perf_counter()
            moment, number, stream = due[0]
            if moment > now:
                return moment - now
            if not stream.streams:
                heapq.heappop(due)
                continue
            heapq.heapreplace(due, (moment + self._period_s, number, stream))
            self.late += now - moment > _LATE_S
            if self.sent - self.received < limit:
                stream.write(self._token())
            else:
                self.withheld += 1
        return _IDLE_S

    def _say_what_fits(self) -> float:
        limit = _BEHIND_LIMIT_UNPACED_TOKENS * len(self._streams)
        for stream in list(self._streams):
            if self.sent - self.received >= limit:
                break
            if not stream.blocked:
                self.sent += BLOCK_TOKENS
                stream.write(self._script.block)
        return _RETRY_S
