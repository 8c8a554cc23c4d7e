"""A private Redis for tests: on a free port of the loopback, paused, killed and restarted at will.

It keeps nothing on disk unless it is asked to, and its directory goes with it.
"""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import redis

from service.storage.redis.connection import SharedRedis, open_redis

PATIENCE_S = 10.0
"""How long the server may take for an answer to a test."""

_STARTS = 5
"""How often another free port is tried: somebody else may have taken the last one meanwhile."""

_READY = "Ready to accept connections"


class RedisDidNotStart(Exception):
    """The server ended instead of serving; the message is what it said."""


@dataclass(slots=True)
class RedisServer:
    """A Redis that is always at the same address, when it is there.

    With `keeps`, everything that it has confirmed is there again after a restart.
    """

    directory: Path
    keeps: bool
    port: int = 0
    _process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start on a free port, or on that of the last time."""
        for attempt in range(1, _STARTS + 1):
            port = self.port or _free_port()
            try:
                self._process = _started(port, self.directory, keeps=self.keeps)
            except RedisDidNotStart:
                if self.port or attempt == _STARTS:
                    raise
                continue
            self.port = port
            return

    def pause(self) -> None:
        """Let it answer nobody; connections stay open, and new ones are made but not served."""
        assert self._process is not None, "the server was killed"
        process = self._process
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        """Let it go on where it was paused, unless it was killed since."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause it until the context is left."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def kill(self) -> None:
        """End it at once, with all connections; one that was killed stays so."""
        if self._process is None:
            return
        process, self._process = self._process, None
        with process:
            process.kill()

    def restart(self) -> None:
        """Kill it, and start it with what it has kept: nothing, unless it was asked to."""
        self.kill()
        self.start()

    def flush(self) -> None:
        """Forget everything, scripts and counts of commands too."""
        for command in (("FLUSHALL",), ("SCRIPT", "FLUSH"), ("CONFIG", "RESETSTAT")):
            self.ask(*command)

    def keys(self) -> list[str]:
        """Return the names of all keys, in order."""
        return sorted(each.decode() for each in self.ask("KEYS", "*"))

    def count(self) -> int:
        """Return how many keys there are."""
        return len(self.keys())

    def keys_without_expiry(self) -> list[str]:
        """Return the names of the keys that would stay for ever."""
        return [each for each in self.keys() if self.ask("TTL", each) == -1]

    def age(self, time_s: float) -> None:
        """Let all keys that expire be older at once; those whose time is over then are gone."""
        for key in self.keys():
            left_ms = int(self.ask("PTTL", key))
            if left_ms >= 0:
                self.ask("PEXPIRE", key, left_ms - round(time_s * 1_000))

    def ttl_s(self, key: str) -> float:
        """Return how long a key is kept from now on."""
        return int(self.ask("PTTL", key)) / 1_000

    def clients(self) -> int:
        """Return how many connections are open, without that of the question."""
        return len(self.ask("CLIENT", "LIST", "TYPE", "normal").splitlines()) - 1

    def ask(self, *command: str | bytes | float) -> Any:
        """Return what the server answers to a command, as it says it."""
        # A client would make something else of most answers.
        connect: Any = redis.Connection
        connection = connect(port=self.port, socket_timeout=PATIENCE_S, protocol=2)
        try:
            connection.send_command(*command)
            return connection.read_response()
        finally:
            connection.disconnect()


@contextmanager
def running_redis(*, keeps: bool = False) -> Iterator[RedisServer]:
    """Run a server until the context is left."""
    with TemporaryDirectory(prefix="turnstile-redis-") as directory:
        server = RedisServer(Path(directory), keeps)
        server.start()
        try:
            yield server
        finally:
            server.kill()


@asynccontextmanager
async def connected(
    server: RedisServer, *, timeout_s: float = PATIENCE_S, connections_limit: int = 10
) -> AsyncIterator[SharedRedis]:
    """Be one more process that uses a server, until the context is left."""
    shared = open_redis(server.url, timeout_s=timeout_s, connections_limit=connections_limit)
    try:
        yield shared
    finally:
        await shared.close()


@pytest.fixture(scope="session")
def redis_of_the_session() -> Iterator[RedisServer]:
    """The one server of all tests that do it no harm."""
    with running_redis() as server:
        yield server


@pytest.fixture
def redis_server(redis_of_the_session: RedisServer) -> Iterator[RedisServer]:
    """A server that is empty; whatever the test leaves there must be gone some day."""
    redis_of_the_session.flush()
    yield redis_of_the_session
    assert redis_of_the_session.keys_without_expiry() == []


@pytest.fixture
def shared_store(redis_server: RedisServer, tmp_path: Path) -> dict[str, Any]:
    """The settings of processes that share their turns, and the database."""
    database = {"url": f"sqlite:///{tmp_path}/turnstile.db"}
    return {"redis": {"url": redis_server.url}, "database": database}


@pytest.fixture
async def shared_redis(redis_server: RedisServer) -> AsyncIterator[SharedRedis]:
    """The way of one process to that server."""
    async with connected(redis_server) as redis:
        yield redis


@pytest.fixture
def mortal_redis() -> Iterator[RedisServer]:
    """A server of its own for a test that pauses or kills it."""
    with running_redis() as server:
        yield server


@pytest.fixture
def lasting_redis() -> Iterator[RedisServer]:
    """A server of its own that remembers everything when it is started again."""
    with running_redis(keeps=True) as server:
        yield server


def _started(port: int, directory: Path, *, keeps: bool) -> subprocess.Popen[str]:
    """Start a server and wait until it serves."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("redis-server is not installed; on Debian: apt-get install redis-server")
    kept = ("--appendonly", "yes", "--appendfsync", "always") if keeps else ("--appendonly", "no")
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", *kept],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Ctrl-C is for the tests, which then end their servers.
        start_new_session=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if _READY in line:
            return process
    process.wait()
    raise RedisDidNotStart(said)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
