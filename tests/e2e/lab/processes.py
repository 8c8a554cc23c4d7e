"""Processes of the laboratory: logged to a file, awaited with a bound, stopped as a group."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STOP_TIMEOUT_S = 10
POLL_S = 0.05
TAIL_LINES = 30


class DidNotStart(Exception):
    """A process ended or stayed silent instead of serving; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process and its log file."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def tail(self, lines: int = TAIL_LINES) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_for[T](self, look: Callable[[], T | None], timeout_s: float) -> T:
        """Look again and again until there is something, and return it.

        Raises:
            DidNotStart: the process ended, or the time is over.
        """
        deadline = time.monotonic() + timeout_s
        while (found := look()) is None:
            status = self.process.poll()
            if status is not None:
                raise DidNotStart(f"{self.name} ended with status {status}\n{self._log_shown()}")
            if time.monotonic() > deadline:
                raise DidNotStart(f"{self.name}: no sign in {timeout_s} s\n{self._log_shown()}")
            time.sleep(POLL_S)
        return found

    def announced(self, words: str, timeout_s: float = 30) -> str:
        """Wait for a line that begins with these words, and return its rest."""
        return self.wait_for(lambda: self._after(words), timeout_s)

    def _after(self, words: str) -> str | None:
        lines = self.log.read_text(errors="replace").splitlines(keepends=True)
        rests = [line.removeprefix(words) for line in lines if line.startswith(words)]
        return rests[0].strip() if rests and rests[0].endswith("\n") else None

    def _log_shown(self) -> str:
        return f"--- the end of {self.log}:\n{self.tail()}"


@contextmanager
def running(
    name: str, command: Sequence[str | Path], log: Path, directory: Path, **environment: str
) -> Iterator[Running]:
    """Run a command in a process group of its own until the context is left.

    Ctrl-C does not reach the group, so this end decides when and in which order things stop.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(each) for each in command],
            cwd=directory,
            env=_surroundings() | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Running(name, log, process)
    finally:
        _stop(process)


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _surroundings() -> dict[str, str]:
    """Return the environment without what would change the programs, and without proxies."""
    unwanted = ("TURNSTILE_", "PYTHONPATH", "PYTHONHOME", "LLAMA_STACK_", "OGX_", "COVERAGE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    here = "127.0.0.1,localhost"
    return kept | {"NO_PROXY": here, "no_proxy": here, "PYTHONUNBUFFERED": "1"}


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it started."""
    _signal_group(process, signal.SIGTERM)
    try:
        process.wait(timeout=STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal_group(process, signal.SIGKILL)
        process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        # All of the group has ended; macOS says it with the second of the two.
        return
