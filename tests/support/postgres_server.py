"""A private PostgreSQL for tests: on a free port of the loopback, paused, killed and restarted.

A server refuses to run as root: then it is that of the user postgres, or of nobody.
"""

import asyncio
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import asyncpg  # type: ignore[import-untyped] # it brings none
import pytest

PATIENCE_S = 30.0
"""How long the server may take for an answer to a test."""

_STARTS = 5
"""How often another free port is tried: somebody else may have taken the last one meanwhile."""

_READY = "database system is ready to accept connections"
_USER = "turnstile"

# What is lost with the power need not survive here.
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "autovacuum": "off",
    "lc_messages": "C",
}


class PostgresDidNotStart(Exception):
    """The server ended instead of serving; the message is what it said."""


@dataclass(slots=True)
class PostgresServer:
    """A PostgreSQL that is always at the same address, when it is there.

    What it has confirmed is there again after a restart.
    """

    directory: Path
    port: int = 0
    _names: Iterator[int] = field(default_factory=count)
    _process: subprocess.Popen[str] | None = None

    def url(self, database: str = "postgres") -> str:
        """Where a database of it is."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start on a free port, or on that of the last time."""
        for attempt in range(1, _STARTS + 1):
            port = self.port or _free_port()
            try:
                self._process = _started(port, self.directory)
            except PostgresDidNotStart:
                if self.port or attempt == _STARTS:
                    raise
                continue
            self.port = port
            return

    def pause(self) -> None:
        """Let it answer nobody; connections stay open, and new ones are made but not served."""
        assert self._process is not None, "the server was killed"
        # First the one that starts the others.
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)
        self._signal_children(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it was paused, unless it was killed since."""
        if self._process is not None:
            self._signal_children(signal.SIGCONT)
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
        self.pause()
        ends = self._signal_children(signal.SIGKILL)
        process, self._process = self._process, None
        with process:
            process.kill()
        # Another one is refused while any of the old one is left.
        for each in ends:
            select.select([each], [], [])
            os.close(each)

    def restart(self) -> None:
        """Kill it, and start it with what it has kept."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """End it in order, as far as it has to be for nothing to be left."""
        if self._process is not None:
            self.resume()
            process, self._process = self._process, None
            with process:
                process.send_signal(signal.SIGQUIT)

    def create(self, template: str = "template1") -> str:
        """Make a database and return its name."""
        name = f"test_{next(self._names)}"
        self.ask(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.ask(f"DROP DATABASE {name} WITH (FORCE)")

    def connections(self, database: str) -> int:
        """Return how many connections to a database are open."""
        rows = self.ask(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'")  # noqa: S608 # ours
        return int(rows[0][0])

    def ask(self, sql: str, database: str = "postgres") -> list[Any]:
        """Return the rows that a statement gives."""

        async def fetch() -> list[Any]:
            connection = await asyncpg.connect(self.url(database), timeout=PATIENCE_S)
            try:
                rows: list[Any] = await connection.fetch(sql, timeout=PATIENCE_S)
                return rows
            finally:
                await connection.close()

        return aside(fetch)

    def _signal_children(self, number: int) -> list[int]:
        """Signal all processes but the first; returns descriptors that are ready at their ends."""
        assert self._process is not None
        ends: list[int] = []
        for child in _children(self._process.pid):
            with suppress(ProcessLookupError):
                end = os.pidfd_open(child)
                signal.pidfd_send_signal(end, number)
                ends.append(end)
        if number == signal.SIGKILL:
            return ends
        for each in ends:
            os.close(each)
        return []


def aside[T](ask: Callable[[], Awaitable[T]]) -> T:
    """Run in another thread: a test may have an event loop in its own."""

    async def run() -> T:
        return await ask()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(run())).result()


@contextmanager
def running_postgres(pristine: Path | None = None) -> Iterator[PostgresServer]:
    """Run a server until the context is left, on a copy of what another one began with if given."""
    with _directory() as directory:
        home = directory / "data"
        if pristine is None:
            _initialise(home)
        else:
            subprocess.run(["cp", "--archive", pristine, home], check=True)
        server = PostgresServer(home)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def pristine_postgres() -> Iterator[Path]:
    """What a server begins with."""
    with _directory() as directory:
        _initialise(directory / "data")
        yield directory / "data"


@pytest.fixture(scope="session")
def postgres_of_the_session(pristine_postgres: Path) -> Iterator[PostgresServer]:
    """The one server of all tests that do it no harm."""
    with running_postgres(pristine_postgres) as server:
        yield server


@pytest.fixture
def mortal_postgres(pristine_postgres: Path) -> Iterator[PostgresServer]:
    """A server of its own for a test that pauses or kills it."""
    with running_postgres(pristine_postgres) as server:
        yield server


@contextmanager
def _directory() -> Iterator[Path]:
    """Make a directory for what a server keeps, which is the server's."""
    with TemporaryDirectory(prefix="turnstile-postgres-") as directory:
        account = _account()
        if account is not None:
            os.chown(directory, account.pw_uid, account.pw_gid)
        yield Path(directory)


def _initialise(home: Path) -> None:
    options = ("--auth=trust", f"--username={_USER}", "--encoding=UTF8", "--locale=C", "--no-sync")
    made = subprocess.run(
        [_program("initdb"), f"--pgdata={home}", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=home.parent,
        **_as_account(),
    )
    if made.returncode:
        raise PostgresDidNotStart(made.stdout + made.stderr)


def _started(port: int, home: Path) -> subprocess.Popen[str]:
    """Start a server and wait until it serves."""
    options = [f"--{name}={value}" for name, value in (_OPTIONS | {"port": str(port)}).items()]
    process = subprocess.Popen(
        [_program("postgres"), "-D", str(home), *options],
        cwd=home.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A group of its own, which is paused and killed as a whole.
        start_new_session=True,
        **_as_account(),
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if _READY in line:
            # What it says from now on goes nowhere, but must be taken.
            Thread(target=process.stdout.read, daemon=True).start()
            return process
    process.wait()
    raise PostgresDidNotStart(said)


def _program(name: str) -> str:
    """Return where a program is; Debian keeps those of a server out of the way."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([*map(str, places), os.environ["PATH"]]))
    if found is None:
        pytest.fail("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    return found


def _account() -> pwd.struct_passwd | None:
    """Return whose server it must be, None for our own."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.fail("PostgreSQL does not run as root, and there is no user postgres or nobody")


def _as_account() -> dict[str, Any]:
    account = _account()
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _children(parent: int) -> list[int]:
    """Return the processes that a process has started; each of them has a session of its own."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name before it may hold anything.
            after = stat.read_text().rpartition(")")[2].split()
            if int(after[1]) == parent:
                found.append(int(stat.parent.name))
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
