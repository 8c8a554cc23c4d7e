"""Time as a test wants it."""

from tests.support.redis_server import RedisServer


class Clock:
    """A clock that is set by hand; the keys of a server grow old with it."""

    def __init__(self, server: RedisServer | None = None) -> None:
        self.now = 1_000.0
        self._server = server

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def forward(self, time_s: float) -> None:
        """Let time pass."""
        self.now += time_s
        if self._server is not None:
            self._server.age(time_s)
