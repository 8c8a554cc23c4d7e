"""A directory of recordings: one file per turn, written line by line, bounded in size and age.

Every line is written to the file at once and whole, so that a crash loses at most the one being
written. Nothing that goes wrong with the disk ever touches a turn: the log says so, and the
recording ends there.
"""

import errno
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread
import structlog

from service.errors import SettingsInvalid
from service.settings.groups import RecordingSettings
from statemachine import (
    EndedBy,
    Frame,
    Header,
    ShieldChecked,
    Verdict,
    write_ending,
    write_frame,
    write_header,
)

logger = structlog.get_logger()

SUFFIX = ".jsonl"
_SWEEP_EVERY_S = 60.0
_OWNER_ONLY = 0o600
_OWN_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f-]{36}\.jsonl")


class NoRecorder:
    """Records nothing; see `Recorder`."""

    def begin(self, header: Header, waited_s: float = 0.0) -> None:
        """See `Recorder.begin`."""

    async def expire(self) -> None:
        """See `Recorder.expire`."""


@dataclass(slots=True, eq=False)
class FileTape:
    """One recording while it is made; see `Tape`."""

    path: Path
    limit_bytes: int
    _file: int | None
    _begun: float
    _size_bytes: int = 0

    def headed(self, header: Header) -> "FileTape":
        """Write the header and return the tape."""
        self._write(write_header(header))
        return self

    def frame(self, payload: bytes) -> None:
        """See `Tape.frame`."""
        if self._file is not None:
            self._write(write_frame(Frame(self._at_ms(), payload)))

    def verdict(self, checked: ShieldChecked) -> None:
        """See `Tape.verdict`."""
        if self._file is not None:
            self._write(write_frame(Verdict(self._at_ms(), checked)))

    def end(self, ending: EndedBy) -> None:
        """See `Tape.end`."""
        if self._file is not None:
            self._write(write_ending(ending, self._at_ms()))
        self._close()

    def _at_ms(self) -> float:
        return round((time.monotonic() - self._begun) * 1_000, 1)

    def _write(self, line: bytes) -> None:
        """Write one line; the first that fails or is too much is the last."""
        if self._file is None:
            return
        if self._size_bytes + len(line) > self.limit_bytes:
            logger.warning("recording.cut", path=str(self.path), limit_bytes=self.limit_bytes)
            self._close()
            return
        try:
            _write_whole(self._file, line, self._size_bytes)
            self._size_bytes += len(line)
        except OSError as failed:
            logger.warning("recording.failed", path=str(self.path), error=repr(failed))
            self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # some file systems tell only now what went wrong before
                os.close(file)


def _write_whole(file: int, line: bytes, at_bytes: int) -> None:
    """Write a line after `at_bytes`; a disk that takes only a part of it gets nothing of it."""
    if os.write(file, line) < len(line):
        os.ftruncate(file, at_bytes)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@dataclass(frozen=True, slots=True)
class OneFile:
    """Records one turn into one new file; see `Recorder`."""

    path: Path
    limit_bytes: int

    def begin(self, header: Header, waited_s: float = 0.0) -> FileTape | None:
        """See `Recorder.begin`."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            file = os.open(self.path, flags, _OWNER_ONLY)
        except OSError as failed:
            logger.warning("recording.failed", path=str(self.path), error=repr(failed))
            return None
        begun = time.monotonic() - waited_s
        return FileTape(self.path, self.limit_bytes, file, begun).headed(header)

    async def expire(self) -> None:
        """See `Recorder.expire`: it is not ours to delete."""


@dataclass(slots=True, eq=False)
class FileRecorder:
    """Records every turn into a directory; see `Recorder`."""

    directory: Path
    settings: RecordingSettings
    _swept_at: float = -_SWEEP_EVERY_S

    def begin(self, header: Header, waited_s: float = 0.0) -> FileTape | None:
        """See `Recorder.begin`."""
        self._sweep_now_and_then()
        stamp = header.recorded_at.replace(":", "").replace("-", "")
        path = self.directory / f"{stamp}-{header.request_id}{SUFFIX}"
        return OneFile(path, self.settings.turn_limit_bytes).begin(header, waited_s)

    async def expire(self) -> None:
        """See `Recorder.expire`."""
        await anyio.to_thread.run_sync(sweep, self.directory, self.settings)

    def _sweep_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._swept_at >= _SWEEP_EVERY_S:
            self._swept_at = now
            sweep(self.directory, self.settings)


def open_recorder(settings: RecordingSettings) -> FileRecorder | NoRecorder:
    """Return what records turns.

    Raises:
        SettingsInvalid: the directory cannot be written.
    """
    directory = settings.directory
    if directory is None:
        return NoRecorder()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as failed:
        raise SettingsInvalid(f"Recordings cannot go to {directory}: {failed.strerror}") from failed
    return FileRecorder(directory, settings)


def sweep(directory: Path, settings: RecordingSettings) -> None:
    """Delete own recordings that are too old, and the oldest of those that are too much."""
    oldest = time.time() - settings.age_limit_s
    total_bytes = 0
    for written_at, size_bytes, path in sorted(_recorded(directory), reverse=True):
        total_bytes += size_bytes
        if written_at < oldest or total_bytes > settings.size_limit_bytes:
            _delete(path)


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as failed:
        logger.warning("recording.failed", path=str(path), error=repr(failed))


def _recorded(directory: Path) -> Iterator[tuple[float, int, Path]]:
    """Yield time, size and path of the files that a recorder has made; others are not ours."""
    for path in directory.glob(f"*{SUFFIX}"):
        with suppress(OSError):
            if _OWN_NAME.fullmatch(path.name):
                found = path.stat()
                yield found.st_mtime, found.st_size, path
