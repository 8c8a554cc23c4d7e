"""One thread for the upstream and all readers: epoll, with waits below a millisecond."""

import select
import socket
import time
from collections.abc import Callable

IN, OUT = select.EPOLLIN, select.EPOLLOUT
_EVENTS_AT_ONCE = 512
_IDLE_S = 1.0

type Handler = Callable[[int], None]
type Clockwork = Callable[[], float]


class Loop:
    """Calls handlers of sockets, and between them what has to happen at a time."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self.clockwork: Clockwork = lambda: _IDLE_S
        """Does what is due, and returns for how many seconds nothing is."""

    def add(self, peer: socket.socket, handler: Handler) -> None:
        """Call a handler when a socket can be read."""
        self._handlers[peer.fileno()] = handler
        self._epoll.register(peer.fileno(), IN)

    def watch(self, peer: socket.socket, events: int) -> None:
        """Change what a socket is watched for."""
        self._epoll.modify(peer.fileno(), events)

    def drop(self, peer: socket.socket) -> None:
        """Watch a socket no longer, and close it."""
        del self._handlers[peer.fileno()]
        self._epoll.unregister(peer.fileno())
        peer.close()

    def run(self, within_s: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Run until something holds, and tell whether it came to that within the time."""
        end = time.perf_counter() + within_s
        while not until():
            left = end - time.perf_counter()
            if left <= 0:
                return False
            self._once(min(left, self.clockwork()))
        return True

    def close(self) -> None:
        """Watch nothing any more."""
        self._epoll.close()

    def _once(self, wait_s: float) -> None:
        # Epoll waits in whole milliseconds, in which a busy upstream sends ten tokens.
        select.select([self._epoll], [], [], max(wait_s, 0))
        for number, events in self._epoll.poll(0, _EVENTS_AT_ONCE):
            # One handler may have closed the socket of another.
            handler = self._handlers.get(number)
            if handler is not None:
                handler(events)
