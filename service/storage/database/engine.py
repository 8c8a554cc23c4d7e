"""The database of one process: transactions of bounded time, and what goes wrong in them."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

import anyio
import structlog
from sqlalchemy import delete, false
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.errors import SettingsInvalid, StorageUnavailable
from service.settings.data import DatabaseSettings, default_database
from service.storage.database.migrations import HEAD, is_current, upgrade
from service.storage.database.sqlite import SqliteBackend, unwritable
from service.storage.database.tables import metadata, starts

logger = structlog.get_logger()

_START_POLL_S = 0.2

_MIGRATION_LIMIT_S = 3_600.0
"""How long a change of the schema may take."""

_CLOSE_LIMIT_S = 2.0

_WRITES_NOTHING = delete(starts).where(false())
"""Needs all that writing needs."""


class Backend(Protocol):
    """A kind of database; whatever is wrong with it is one of `errors`."""

    durable: bool
    errors: tuple[type[Exception], ...]

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Yield a connection that reads."""
        ...

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Yield a connection in a transaction that is kept at the end."""
        ...

    def migrating(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Yield the same, to change tables: one process at a time."""
        ...

    def refusal(self, failed: BaseException | None) -> str | None:
        """Return why no waiting helps when a database could not be opened, if that is so."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class SqlDatabase:
    """See `Database`. `process` stands for this process among those that share the database."""

    def __init__(self, backend: Backend, settings: DatabaseSettings) -> None:
        self.process = uuid.uuid4().hex
        self.durable = backend.durable
        self._backend = backend
        self._settings = settings
        self._failing: str | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """See `Database.running`."""
        try:
            await self.prepare()
            yield
        finally:
            # A server that does not answer is not waited for.
            with anyio.move_on_after(_CLOSE_LIMIT_S, shield=True):
                await self._backend.close()

    async def prepare(self) -> None:
        """See `Database.prepare`; waits for a database that is not there yet."""
        deadline = anyio.current_time() + self._settings.start_timeout_s
        while True:
            try:
                await self._prepare()
            except StorageUnavailable as unavailable:
                refusal = self._backend.refusal(unavailable.__cause__)
                if refusal is not None:
                    raise SettingsInvalid(refusal) from unavailable
                if anyio.current_time() > deadline:
                    raise
                await anyio.sleep(_START_POLL_S)
            else:
                return

    async def _prepare(self) -> None:
        if not self.durable:
            async with self.writing() as connection:
                await connection.run_sync(metadata.create_all)
            return
        async with self.reading() as connection:
            current = await connection.run_sync(is_current)
        if not current:
            await self._migrate()
        await self._write_nothing()

    async def _write_nothing(self) -> None:
        """Find out now what can be read only, and would refuse every question."""
        try:
            async with self.writing() as connection:
                await connection.execute(_WRITES_NOTHING)
        except StorageUnavailable as unavailable:
            # Somebody else who writes just now is no reason to wait.
            if self._backend.refusal(unavailable.__cause__) is not None:
                raise

    async def _migrate(self) -> None:
        async with self._watched(_MIGRATION_LIMIT_S), AsyncExitStack() as stack:
            async with asyncio.timeout(self._settings.start_timeout_s):
                connection = await stack.enter_async_context(self._backend.migrating())
            changed = await connection.run_sync(upgrade)
        if changed:
            logger.info("database.migrated", revision=HEAD)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection that reads.

        Raises:
            StorageUnavailable: something went wrong, here or with what was asked.
        """
        async with self._watched(), self._backend.reading() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction, which is kept when the context is left in peace.

        Raises:
            StorageUnavailable: something went wrong, here or with what was asked; nothing was
                kept, unless it went wrong at the very end.
        """
        async with self._watched(), self._backend.writing() as connection:
            yield connection

    @asynccontextmanager
    async def _watched(self, limit_s: float | None = None) -> AsyncIterator[None]:
        """Bound the time, translate what goes wrong, and log when that begins and is over."""
        try:
            async with asyncio.timeout(limit_s or self._settings.timeout_s):
                yield
        except TimeoutError as late:
            raise self._failed(late, "The database takes too long.") from late
        except self._backend.errors as failed:
            raise self._failed(failed, "The database does not do what it was asked.") from failed
        if self._failing is not None:
            self._failing = None
            logger.warning("database.recovered")

    def _failed(self, failed: Exception, cause: str) -> StorageUnavailable:
        # The texts of drivers quote values; their names do not.
        original = getattr(failed, "orig", None) or failed
        name = getattr(original, "sqlite_errorname", None) or getattr(original, "sqlstate", None)
        error = type(original).__name__ + (f" ({name})" if name else "")
        if error != self._failing:
            self._failing = error
            logger.warning("database.failed", error=error)
        return StorageUnavailable(cause)


def open_sql_database(settings: DatabaseSettings) -> SqlDatabase:
    """Return the database of an address; it is reached when it is first asked.

    Raises:
        SettingsInvalid: the address is none.
    """
    return SqlDatabase(_backend(settings), settings)


def _backend(settings: DatabaseSettings) -> Backend:
    if settings.url is None:
        return _default_backend()
    address = settings.url.get_secret_value()
    if not address.isprintable():
        raise SettingsInvalid("The address in database.url has characters that no address has.")
    if address.startswith("sqlite:"):
        return SqliteBackend(_path(address))
    if address.startswith("postgresql:"):
        # Who does not use it does not pay for its import.
        from service.storage.database.postgresql import PostgresqlBackend  # noqa: PLC0415 # see above

        return PostgresqlBackend(
            address,
            timeout_s=settings.timeout_s,
            connections_limit=settings.connections_limit,
        )
    # It is not quoted: there may be a password in it.
    raise SettingsInvalid("The address in database.url is none of SQLite or PostgreSQL.")


def _default_backend() -> SqliteBackend:
    """Return a file, or the memory where none can be written: nobody has asked for a file."""
    path = default_database()
    refusal = "cannot be told without a home" if path is None else unwritable(path)
    if refusal is None:
        return SqliteBackend(path)
    reason = f"The default place of the database {path or ''} {refusal}."
    logger.warning("database.in_memory", reason=reason, setting="database.url")
    return SqliteBackend(None)


def _path(address: str) -> Path | None:
    """Return where a file of SQLite is, None for the memory."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.host or url.query:
        raise SettingsInvalid("The address in database.url is not valid.")
    return None if url.database in (None, "", ":memory:") else Path(url.database or "")
