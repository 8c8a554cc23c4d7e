"""The virtual environments of the real servers: made once from lock files, then kept in a cache.

An environment is named for its server and for what it was made from, so a changed lock file or
interpreter gives a new one. It is made under a file lock and marked when it is complete; a
half-made one has no mark, is never used, and is made anew.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTALL_TIMEOUT_S = 1_200
COMPLETE = "complete"
UNREACHABLE = ("ConnectionError", "connection broken", "Timeout", "ProxyError", "SSLError")
LOCKS = Path(__file__).parent / "locks"


class CannotInstall(Exception):
    """A real server cannot be installed here; the message says why."""


def cache_directory() -> Path:
    """Return where environments are kept."""
    chosen = os.environ.get("TURNSTILE_LAB_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "turnstile-lab"


def interpreter_of(server: str) -> Path:
    """Return the Python that has this server's packages, after installing them if need be.

    Raises:
        CannotInstall: the package index cannot be reached, the disk is full, and so on.
    """
    lock = LOCKS / f"{server}.lock"
    made_from = lock.read_bytes() + sys.version.encode()
    place = cache_directory() / f"{server}-{hashlib.sha256(made_from).hexdigest()[:12]}"
    python = place / "bin" / "python"
    if not (place / COMPLETE).exists():
        with _alone(place):
            if not (place / COMPLETE).exists():
                _make(place, lock)
    return python


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Hold the lock of one environment; who comes second waits."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(f"{place.suffix}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"{place.name}: waiting for another installation to end ...")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _make(place: Path, lock: Path) -> None:
    """Make an environment in its final place, because scripts in it name that place."""
    start = time.monotonic()
    shutil.rmtree(place, ignore_errors=True)
    log = place.with_suffix(f"{place.suffix}.log")
    _say(f"{place.name}: installing {lock.name} (minutes, once) ...")
    with log.open("w") as output:
        _run([sys.executable, "-m", "venv", str(place)], output.fileno(), log)
        # The lock is complete, so nothing is resolved, and nothing is built but the oldest.
        pip = [str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        options = ["--no-input", "--no-deps", "--progress-bar", "off", "--prefer-binary"]
        _run([*pip, "install", *options, "--requirement", str(lock)], output.fileno(), log)
    (place / COMPLETE).touch()
    _say(f"{place.name}: ready after {time.monotonic() - start:.0f} s")


def _run(command: list[str], output: int, log: Path) -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONHOME", "PYTHONPATH", "PIP_PREFIX", "PIP_TARGET", "PIP_USER"}
    }
    try:
        status = subprocess.run(
            ["nice", "-n", "10", *command],
            env={"PIP_RETRIES": "2"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=INSTALL_TIMEOUT_S,
        ).returncode
    except subprocess.TimeoutExpired as error:
        raise CannotInstall(f"no end after {INSTALL_TIMEOUT_S} s; details in {log}") from error
    if status:
        raise CannotInstall(f"{_reason(log.read_text(errors='replace'))}; details in {log}")


def _reason(output: str) -> str:
    if "No space left on device" in output:
        return "the disk is full"
    if any(sign in output for sign in UNREACHABLE):
        return "cannot reach the package index (network or proxy?)"
    errors = [line for line in output.splitlines() if line.startswith("ERROR")]
    return errors[-1].removeprefix("ERROR: ") if errors else "installing failed"


def _say(line: str) -> None:
    sys.stderr.write(f"lab: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    # Fills the cache, for instance before a test run with a time limit.
    for name in sys.argv[1:] or sorted(lock.stem for lock in LOCKS.glob("*.lock")):
        _say(f"{name} has {interpreter_of(name)}")
