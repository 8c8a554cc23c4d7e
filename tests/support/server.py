"""The service behind a real socket: as a process of its own, or in the test's event loop."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from service.cli.server import TurnstileServer
from service.turns.services import Services
from tests.support.asgi import PATIENCE_S, beside
from tests.support.fixtures import SETTINGS_OF_TESTS

ROOT = Path(__file__).parents[2]
ANNOUNCEMENT = "Turnstile is at "


def clean_environment(**settings: str) -> dict[str, str]:
    """Return this environment without settings of ours but these and those of all tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TURNSTILE_")}
    return (
        kept
        | SETTINGS_OF_TESTS
        | {f"TURNSTILE_{name.upper()}": value for name, value in settings.items()}
    )


def turnstile(*arguments: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command line to its end."""
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment(**settings),
        capture_output=True,
        check=False,
        timeout=60,
    )


@dataclass(slots=True)
class ServerProcess:
    """A service that runs as a process; `log` is what it had logged in the end."""

    url: str
    log: str
    _process: subprocess.Popen[str]
    _errors: IO[str]

    @property
    def said(self) -> str:
        """What it has logged so far; the process goes on writing where it was."""
        return os.pread(self._errors.fileno(), 1_000_000, 0).decode(errors="replace")

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end and return the exit status."""
        status = self._process.wait(timeout=PATIENCE_S)
        self._errors.seek(0)
        self.log = self._errors.read()
        return status


@contextmanager
def served(*options: str, **settings: str) -> Iterator[ServerProcess]:
    """Serve in a process of its own on a free port, until the context is left."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts background jobs deaf to Ctrl-C, and children inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, "-m", "service", "serve", "--port", "0", *options]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=clean_environment(**settings),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with process:
            try:
                yield ServerProcess(_address(process), "", process, errors)
            finally:
                _stop(process)


def _address(process: subprocess.Popen[str]) -> str:
    """Return the announced address; a process that ends without it has said why elsewhere."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(ANNOUNCEMENT):
            return line.removeprefix(ANNOUNCEMENT).strip().rstrip("/")
    message = f"the service did not start; status {process.wait()}"
    raise RuntimeError(message)


def _stop(process: subprocess.Popen[str]) -> None:
    """A second signal ends turns that still run."""
    for patience_s in (0.5, PATIENCE_S):
        process.terminate()
        try:
            process.wait(timeout=patience_s)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()


@asynccontextmanager
async def served_here(services: Services) -> AsyncIterator[str]:
    """Serve in this event loop on a free port, and return the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = TurnstileServer(services)
    async with beside(partial(server.serve, [listener])):
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
