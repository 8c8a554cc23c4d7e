"""Processes of the benchmark: on which core they run, what they cost, and how they end."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.support.server import ROOT

_START_TIMEOUT_S = 20.0
_CPU_CLOCK = 2
"""What makes a number of a process one of a clock: see clock_getcpuclockid(3), CPUCLOCK_SCHED."""


_AUTOGROUP = Path("/proc/self/autogroup")
_FIRST = -20
"""The nice value of who goes first."""


class NotStarted(Exception):
    """A process that is not there; the message says why."""


@dataclass(slots=True)
class Process:
    """A process that serves on a port of this machine."""

    port: int
    _popen: subprocess.Popen[bytes]
    _log: IO[bytes] = field(repr=False)

    @property
    def cpu_s(self) -> float:
        """All processor time so far, of the program and of the kernel in its name."""
        return time.clock_gettime((~self._popen.pid << 3) | _CPU_CLOCK)

    @property
    def waited_s(self) -> float:
        """For how long it wanted to run and its core was somebody else's."""
        return int(Path(f"/proc/{self._popen.pid}/schedstat").read_text("ascii").split()[1]) / 1e9

    @property
    def pss_kib(self) -> int:
        """Memory now; what is shared counts in parts."""
        rollup = Path(f"/proc/{self._popen.pid}/smaps_rollup").read_text("ascii")
        line = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
        return int(line.split()[1])

    @property
    def complaint(self) -> str:
        """The last line that it has written."""
        said = os.pread(self._log.fileno(), 1_000_000, 0).decode(errors="replace").split("\n")
        ended = self._popen.poll()
        status = "" if ended is None else f" (status {ended})"
        return next((line.strip() for line in reversed(said) if line.strip()), "silence") + status

    def wait_for_port(self) -> None:
        """Wait until somebody listens.

        Raises:
            NotStarted: the process has ended, or nobody listens in time.
        """
        end = time.monotonic() + _START_TIMEOUT_S
        while self._popen.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise NotStarted(self.complaint)


@contextmanager
def started(
    command: Sequence[str],
    port: int,
    core: int,
    directory: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Run a command on one core until the context is left."""
    log = (directory / f"{port}.log").open("w+b")
    with log, _on(core):
        try:
            popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        except OSError as missing:
            raise NotStarted(str(missing)) from None
    try:
        with (directory / f"{port}.log").open("rb") as said:
            yield Process(port, popen, said)
    finally:
        # Nobody is there any more to whom it could say goodbye.
        popen.kill()
        popen.wait()


@contextmanager
def precedence() -> Iterator[None]:
    """Go before everybody else on this machine, where that is allowed, with all children.

    A target that waits for its core finds several tokens at once, and is cheaper than it should
    be. Among sessions, Linux looks at the nice value of the whole session.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _FIRST)
        _AUTOGROUP.write_text(str(_FIRST), "ascii")
    try:
        yield
    finally:
        with suppress(OSError):
            _AUTOGROUP.write_text("0", "ascii")


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _on(core: int) -> Iterator[None]:
    """Be on a core for a moment: a child begins on the one of its parent, with all its threads."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)
