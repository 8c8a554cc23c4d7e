"""Transcripts: one JSON file per turn, in a directory tree by user and conversation.

`<directory>/<SHA-256 of the user>/<conversation id>/<request id>.json`. A file is there whole or
not at all. Folders are opened one in the other and symbolic links are not followed, so that nothing
is written or deleted outside.
"""

import hashlib
import json
import os
import re
import secrets
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import structlog
from anyio import to_thread

from service.domain import TurnRecord, hashed
from service.errors import SettingsInvalid
from service.settings.data import TranscriptsSettings

logger = structlog.get_logger()

VERSION = 1
"""Of what is in a file; another one when something that was there changes."""

_SUFFIX, _UNFINISHED = ".json", ".tmp"
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_OF_USER = re.compile(r"[0-9a-f]{64}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_FILE_MODE, _FOLDER_MODE = 0o600, 0o700
_ATTEMPTS = 3
_FILES_A_STEP = 500


type Visit = Callable[[int, str], Iterator[None]]
"""What is done with something in a folder."""


class NoTranscripts:
    """Writes nothing; see `Transcripts`."""

    async def write(self, turn: TurnRecord) -> None:
        """See `Transcripts.write`."""

    async def expire(self, before: float) -> None:
        """See `Transcripts.expire`."""


@dataclass(frozen=True, slots=True)
class FileTranscripts:
    """Writes turns into a directory; see `Transcripts`.

    While one is written no empty folder is removed; another process may do so all the same.
    """

    directory: Path
    _writing: threading.Lock = field(default_factory=threading.Lock)

    async def write(self, turn: TurnRecord) -> None:
        """See `Transcripts.write`."""
        try:
            await to_thread.run_sync(self._write, turn)
        except (OSError, TypeError, ValueError) as failed:
            _warn(failed, request_id=turn.request_id)

    async def expire(self, before: float) -> None:
        """See `Transcripts.expire`."""
        expired = self._expired(before)
        step = partial(_exhausted, expired, _FILES_A_STEP)
        try:
            while not await to_thread.run_sync(step):
                pass
        except OSError as failed:
            _warn(failed)

    def _write(self, turn: TurnRecord) -> None:
        data = encoded(turn)
        names = (hashed(turn.user), _safe(turn.conversation_id))
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._writing, _folder(self.directory, *names, make=True) as folder:
                    return _write_whole(folder, _safe(turn.request_id), data)
            except FileNotFoundError:
                if attempt == _ATTEMPTS:
                    raise
        return None

    def _expired(self, before: float) -> Iterator[None]:
        """Delete what is too old, and folders that are empty then; yields after each file."""
        of_user = partial(self._visited, visit=partial(_deleted, before=before))
        with _folder(self.directory) as root:
            for user in filter(_OF_USER.fullmatch, _names(root)):
                yield from self._visited(root, user, visit=of_user)

    def _visited(self, parent: int, name: str, visit: Visit) -> Iterator[None]:
        """Visit everything in a folder, and remove it when it is empty then."""
        try:
            folder = os.open(name, _FOLDER, dir_fd=parent)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as failed:
            _warn(failed)
            return
        try:
            for each in _names(folder):
                yield from visit(folder, each)
        finally:
            os.close(folder)
        with self._writing, suppress(OSError):  # it is not empty
            os.rmdir(name, dir_fd=parent)


def open_transcripts(settings: TranscriptsSettings) -> FileTranscripts | NoTranscripts:
    """Return where transcripts are written.

    Raises:
        SettingsInvalid: the directory cannot be written.
    """
    directory = settings.directory
    if directory is None:
        return NoTranscripts()
    try:
        directory.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as failed:
        reason = failed.strerror
        raise SettingsInvalid(f"Transcripts cannot go to {directory}: {reason}") from failed
    return FileTranscripts(directory)


def encoded(turn: TurnRecord) -> bytes:
    """Return what is in the file of a turn (README, Transcripts)."""
    fields: dict[str, Any] = asdict(turn)
    model, question = turn.model, fields.pop("question")
    for name in ("user", "model", "conversation_id", "came_from"):
        del fields[name]
    content = {
        "version": VERSION,
        "metadata": {
            "user_id": hashed(turn.user),
            "conversation_id": turn.conversation_id,
            "provider": model.provider if model else None,
            "model": model.name if model else None,
            "timestamp": _stated(turn.ended_at or turn.began_at),
        },
        "redacted_query": question,
        "query_is_valid": turn.finish_reason != "shield",
        "llm_response": fields.pop("answer"),
        **fields,
        "began_at": _stated(turn.began_at),
        "ended_at": None if turn.ended_at is None else _stated(turn.ended_at),
    }
    try:
        return msgspec.json.encode(content)
    except UnicodeEncodeError:
        # Half a surrogate pair, which models may say, goes out escaped.
        return json.dumps(content).encode()


def _stated(moment: float) -> str:
    stated = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return stated.replace("+00:00", "Z")


def _safe(name: str) -> str:
    """Return a name as a file may have it: what is none of ours stays inside by its hash."""
    if _SAFE_NAME.fullmatch(name):
        return name
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def _folder(directory: Path, *names: str, make: bool = False) -> Iterator[int]:
    """Open a folder, one after the other, so that none of them can be a link to elsewhere."""
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in names:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, _FOLDER_MODE, dir_fd=folder)
            inner = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _write_whole(folder: int, name: str, data: bytes) -> None:
    unfinished = f".{secrets.token_hex(8)}{_UNFINISHED}"
    try:
        with os.fdopen(os.open(unfinished, _NEW_FILE, _FILE_MODE, dir_fd=folder), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, name + _SUFFIX, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(unfinished, dir_fd=folder)
        raise


def _deleted(folder: int, name: str, before: float) -> Iterator[None]:
    """Delete a file of ours that is too old."""
    if name.endswith((_SUFFIX, _UNFINISHED)):
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode) and found.st_mtime < before:
                os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            pass  # somebody else has taken it
        except OSError as failed:
            _warn(failed)
    yield


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [each.name for each in entries]


def _exhausted(steps: Iterator[None], count: int) -> bool:
    """Take so many steps; tell whether there are no more."""
    return sum(1 for _ in islice(steps, count)) < count


def _warn(failed: Exception, **about: str) -> None:
    reason = failed.strerror if isinstance(failed, OSError) else None
    logger.warning("transcript.failed", reason=reason or type(failed).__name__, **about)
