"""SQLite: a file that one connection of a process writes while others read, or the memory."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, StaticPool

from service.errors import SettingsInvalid
from service.storage.database.sqlite_connection import SqliteConnection, open_file

_READERS = 4
"""Connections that read; more of them would only wait for each other."""

_OLDEST = (3, 35)
"""The first version that returns what it has written."""

_UNWRITABLE = {
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_PERM: "cannot be opened",
    sqlite3.SQLITE_READONLY: "cannot be written",
}
_REFUSALS = _UNWRITABLE | {
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_ERROR: "does not let its tables be made or changed",
    sqlite3.SQLITE_NOTADB: "is no database",
}


class SqliteBackend:
    """A file, which one connection of this process writes; or the memory, with one for all."""

    errors: tuple[type[Exception], ...] = (SQLAlchemyError, sqlite3.Error, OSError)

    def __init__(self, path: Path | None) -> None:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise SettingsInvalid("SQLite is older than 3.35, which Python brings along.")
        self.durable = path is not None
        self._path = path
        self._writer = _engine(path, writes=True)
        self._reader = self._writer if path is None else _engine(path, writes=False)
        # SQLite would let writers wait for each other as well, but in no order.
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction that only reads."""
        if self._reader is self._writer:
            async with self._writing, self._reader.connect() as connection:
                yield connection
        else:
            async with self._reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Yield the connection that writes, in a transaction that is kept at the end."""
        async with self._writing, self._writer.connect() as connection:
            yield connection
            await connection.commit()

    @asynccontextmanager
    async def migrating(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection that nobody writes beside, in a transaction that is kept at the end.

        What refers to a table is left alone when that is dropped.
        """
        if self._path is None:
            async with self.writing() as connection:
                yield connection
            return
        engine = _engine(self._path, writes=True, migrates=True)
        try:
            async with engine.begin() as connection:
                # The first statement takes the lock, whatever it is.
                await connection.exec_driver_sql("SELECT 1")
                yield connection
        finally:
            await engine.dispose()

    def refusal(self, failed: BaseException | None) -> str | None:
        """Return why a file cannot be used, if that is so: what another process locks can be."""
        what = _told(failed, _REFUSALS)
        return None if what is None else f"The database {self._path} (database.url) {what}."

    async def close(self) -> None:
        """Close all connections."""
        await self._reader.dispose()
        await self._writer.dispose()


def unwritable(path: Path) -> str | None:
    """Return why a file cannot be written, if that is so; one that is missing is made."""
    try:
        with closing(open_file(path, writes=True)) as connection:
            connection.execute("BEGIN IMMEDIATE")
    except (sqlite3.Error, OSError) as failed:
        return _told(failed, _UNWRITABLE)
    return None


def _told(failed: BaseException | None, refusals: Mapping[int, str]) -> str | None:
    original = getattr(failed, "orig", failed)
    if isinstance(original, sqlite3.Error):
        return refusals.get(getattr(original, "sqlite_errorcode", 0) & 0xFF)
    if isinstance(original, OSError) and not isinstance(original, TimeoutError):
        return "cannot be opened"
    return None


def _engine(path: Path | None, *, writes: bool, migrates: bool = False) -> AsyncEngine:
    async def connect() -> Any:  # noqa: ANN401 # SQLAlchemy takes it for one of aiosqlite
        return await SqliteConnection(path, writes=writes, migrates=migrates).open()

    pool: dict[str, Any] = {"poolclass": StaticPool}
    if path is not None:
        size = 1 if writes else _READERS
        pool = {"poolclass": AsyncAdaptedQueuePool, "pool_size": size, "max_overflow": 0}
    return create_async_engine(
        "sqlite+aiosqlite://", async_creator=connect, hide_parameters=True, **pool
    )
