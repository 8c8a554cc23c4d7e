"""The npm packages of a folder: installed once from its lock file, then kept in a cache.

What is installed is named for the lock file and for the node that it is for. It is made under a
file lock and marked when it is complete; a half-made one is made anew.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTALL_TIMEOUT_S = 300
COMPLETE = "complete"
MANIFEST = ("package.json", "package-lock.json")
MISSING = "{} is not installed, node 20 or newer is needed; on Debian: apt-get install nodejs npm"


class CannotInstall(Exception):
    """The packages cannot be had here; the message says why."""


def cache_directory() -> Path:
    """Return where packages are kept."""
    chosen = os.environ.get("TURNSTILE_CLIENTS_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "turnstile-clients"


def node() -> str:
    """Return the path of node.

    Raises:
        CannotInstall: it is not installed.
    """
    return _found("node")


def packages_of(folder: Path) -> Path:
    """Return the `node_modules` with what a folder asks for, after installing it if need be.

    Raises:
        CannotInstall: npm is missing, the registry cannot be reached, and so on.
    """
    version = subprocess.run([node(), "--version"], capture_output=True, check=True).stdout
    manifest = b"".join((folder / name).read_bytes() for name in MANIFEST)
    place = cache_directory() / hashlib.sha256(manifest + version).hexdigest()[:12]
    with _alone(place):
        if not (place / COMPLETE).exists():
            _install(folder, place)
    return place / "node_modules"


def _install(folder: Path, place: Path) -> None:
    npm = _found("npm")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name in MANIFEST:
        shutil.copy(folder / name, place)
    # Scripts of packages are not run: those that we test have none.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(
            [npm, "ci", *options],
            cwd=place,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise CannotInstall(f"npm ci came to no end in {INSTALL_TIMEOUT_S} s") from error
    if done.returncode:
        raise CannotInstall(f"npm ci failed in {place}: {done.stderr.strip()[:500]}")
    (place / COMPLETE).touch()


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Hold the lock of one place; who comes second waits."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise CannotInstall(MISSING.format(program))
    return path
