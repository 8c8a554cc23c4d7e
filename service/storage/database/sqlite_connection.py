"""A connection to SQLite, on which a statement is one trip to a thread.

1. aiosqlite goes to its thread four times for a statement: cursor, execution, rows, closing. Here
   all of it is one trip, and so is a transaction's first statement with its BEGIN. SQLAlchemy's
   dialect for aiosqlite takes these connections for those of aiosqlite.
2. A database that is locked is asked again from the event loop, not by SQLite's own wait: that
   would hold the thread, also when nobody waits for it any more.
3. A database in memory is asked on the event loop: there is no disk to wait for.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Self

from service.storage.database.sqlite_places import CLOSED, Here, OwnThread, Place

_BUSY_WAIT_S = 0.001
_BUSY_WAIT_LIMIT_S = 0.02

_making = Lock()

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # What was committed outlives the process; the last of it may be lost with the power.
    "PRAGMA synchronous = NORMAL",
)


class _Outcome(NamedTuple):
    """What came of a statement."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    rows: Sequence[Any] = ()


class _Cursor:
    """What SQLAlchemy asks of a cursor of aiosqlite."""

    arraysize = 1

    def __init__(self, connection: "SqliteConnection") -> None:
        self._sqlite = connection
        self._outcome = _Outcome()

    async def __aenter__(self) -> Self:
        return self

    @property
    def description(self) -> Any:  # noqa: ANN401 # SQLAlchemy's own
        return self._outcome.description

    @property
    def rowcount(self) -> int:
        return self._outcome.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._outcome.lastrowid

    async def execute(self, sql: str, parameters: Any = ()) -> None:  # noqa: ANN401 # the same
        self._outcome = await self._sqlite.execute(sql, parameters)

    async def executemany(self, sql: str, parameters: Any) -> None:  # noqa: ANN401 # the same
        self._outcome = await self._sqlite.execute(sql, parameters, many=True)

    async def fetchall(self) -> Sequence[Any]:
        return self._outcome.rows

    async def close(self) -> None:
        pass


class SqliteConnection:
    """What SQLAlchemy asks of a connection of aiosqlite; see the module."""

    def __init__(self, path: Path | None, *, writes: bool, migrates: bool = False) -> None:
        self._path = path
        self._writes = writes
        self._migrates = migrates
        self._place: Place = Here() if path is None else OwnThread()
        # The adapter of SQLAlchemy looks here whether it is open.
        self._connection: sqlite3.Connection | None = None
        self._begun = False

    async def open(self) -> Self:
        """Open the file, which is made with its directory where it is missing."""
        try:
            opened = partial(open_file, self._path, writes=self._writes, migrates=self._migrates)
            self._connection = await self._patient(opened)
        except BaseException:
            self._place.leave()
            raise
        return self

    def cursor(self) -> _Cursor:
        """Return a cursor, without going anywhere."""
        return _Cursor(self)

    async def execute(
        self,
        sql: str,
        parameters: Any,  # noqa: ANN401 # SQLAlchemy's own
        *,
        many: bool = False,
    ) -> _Outcome:
        """Run a statement, in a transaction."""
        statement = partial(self._run, sql, parameters, many=many)
        if self._begun:
            return await self._place.run(statement)
        # From here on there may be something to roll back, whatever happens.
        self._begun = True
        return await self._patient(partial(self._run_first, statement))

    async def commit(self) -> None:
        """End the transaction, kept."""
        if self._begun:
            await self._place.run(self._open_connection.commit)
            self._begun = False

    async def rollback(self) -> None:
        """End the transaction, undone; what was only read needs not be waited for."""
        if self._begun:
            self._begun = False
            if self._writes:
                await self._place.run(self._open_connection.rollback)
            else:
                self._place.post(self._open_connection.rollback)

    async def close(self) -> None:
        """Close the file, after what is still running; closing twice does nothing."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                await self._place.run(connection.close)
            finally:
                self._place.leave()

    def stop(self) -> None:
        """Close the file without waiting for it."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._place.post(connection.close)
            self._place.leave()

    async def create_function(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 # the same
        """See `sqlite3.Connection.create_function`."""
        function = partial(self._open_connection.create_function, *args, **options)
        await self._place.run(function)

    @property
    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.OperationalError(CLOSED)
        return self._connection

    async def _patient[T](self, function: Callable[[], T]) -> T:
        """Run what may find the database locked, until it does not; callers bound the time."""
        wait_s = _BUSY_WAIT_S
        while True:
            try:
                return await self._place.run(function)
            except sqlite3.OperationalError as failed:
                if failed.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _BUSY_WAIT_LIMIT_S)

    def _run_first(self, statement: Callable[[], _Outcome]) -> _Outcome:
        self._open_connection.execute("BEGIN IMMEDIATE" if self._writes else "BEGIN")
        try:
            return statement()
        except sqlite3.Error:
            # It may be tried again from its beginning.
            self._open_connection.rollback()
            raise

    def _run(self, sql: str, parameters: Any, *, many: bool) -> _Outcome:  # noqa: ANN401 # the same
        connection = self._open_connection
        cursor = (connection.executemany if many else connection.execute)(sql, parameters)
        rows = cursor.fetchall() if cursor.description else ()
        return _Outcome(cursor.description, cursor.rowcount, cursor.lastrowid, rows)


def open_file(path: Path | None, *, writes: bool, migrates: bool = False) -> sqlite3.Connection:
    """Open a file, which is made with its directory where it is missing, or the memory (None)."""
    if path is not None:
        _make(path)
    connection = sqlite3.connect(
        ":memory:" if path is None else path,
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for each in _PRAGMAS:
            connection.execute(each)
        # A table that is made anew, as migrations must, would take along what belongs to it.
        connection.execute(f"PRAGMA foreign_keys = {not migrates}")
        connection.execute(f"PRAGMA query_only = {not writes}")
    except BaseException:
        connection.close()
        raise
    return connection


def _make(path: Path) -> None:
    """Make a file that only its owner reads; SQLite gives those beside it the same mode.

    One that is there is never opened here: who closes a file gives up every lock that the process
    has on it, and then others take it for closed (https://sqlite.org/howtocorrupt.html, 2.2).
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Nobody here has the file open until it was closed.
    with _making, suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
