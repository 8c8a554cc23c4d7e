"""PostgreSQL: a pool of connections, and transactions that cost as few round trips as can be.

1. Transactions are begun and ended here, not by SQLAlchemy: so BEGIN brings its bounds along, and
   what is only read needs none.
2. A connection is kept only when nothing was wrong with it: one whose state is not known is cut,
   without asking a server that may not answer.
3. That a server has ended an idle connection, as when it was restarted, is seen before the next
   use, without a question: it costs no request.
"""

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg  # type: ignore[import-untyped] # it brings none
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from service.errors import ServiceError, SettingsInvalid, StorageUnavailable

_REFUSALS = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

_MIGRATE = (
    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;"
    # Any number, as long as it is the same in all versions.
    " SELECT pg_advisory_xact_lock(8315168190219875943)"
)


class _Connection(asyncpg.Connection):  # type: ignore[misc] # asyncpg has no types
    """A connection that ends at once: a server that does not answer is not waited for."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 # asyncpg's
        """Cut the connection, which is a goodbye as well: nothing is under way here any more."""
        self.terminate()

    def has_ended(self) -> bool:
        """Tell whether the server has left, also when the event loop has not heard of it yet.

        Nothing is sent to a connection that is not in use, but that it ends.
        """
        if self.is_closed():
            return True
        heard = select.poll()
        heard.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(heard.poll(0))


class PostgresqlBackend:
    """A server of PostgreSQL."""

    durable = True
    errors: tuple[type[Exception], ...] = (SQLAlchemyError, *_ERRORS)

    def __init__(self, url: str, *, timeout_s: float, connections_limit: int) -> None:
        timeout_ms = max(1, round(timeout_s * 1_000))
        # A process that stands still must not hold locks for longer than others wait for them.
        self._begin = (
            f"BEGIN; SET LOCAL statement_timeout = {timeout_ms};"
            f" SET LOCAL idle_in_transaction_session_timeout = {timeout_ms}"
        )

        async def connect() -> Any:  # noqa: ANN401 # has no types
            # asyncpg reads the address by itself: it knows what libpq takes there.
            try:
                return await asyncpg.connect(url, timeout=timeout_s, connection_class=_Connection)
            except (ValueError, FileNotFoundError):
                raise SettingsInvalid("The address in database.url is not valid.") from None

        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=connect,
            isolation_level="AUTOCOMMIT",
            pool_size=connections_limit,
            max_overflow=0,
            hide_parameters=True,
        )
        event.listen(self._engine.sync_engine, "checkout", _refuse_ended)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection; each statement sees what was committed before it."""
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction that is kept at the end."""
        async with self._engine.connect() as connection:
            server = _server(connection)
            try:
                await server.execute(self._begin)
                yield connection
                await _commit(server)
            except BaseException as failed:
                await _leave(server, failed)
                raise

    @asynccontextmanager
    async def migrating(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a transaction that is kept at the end, one process at a time."""
        async with self.writing() as connection:
            await _server(connection).execute(_MIGRATE)
            yield connection

    def refusal(self, failed: BaseException | None) -> str | None:
        """Return why a server does not let us in, if it says so."""
        original = getattr(failed, "orig", failed)
        original = getattr(original, "__cause__", None) or original
        if isinstance(original, _REFUSALS):
            return "The database refuses the user, the password or the name in database.url."
        if isinstance(original, asyncpg.ReadOnlySQLTransactionError):
            return "The database, database.url, can be read only."
        if isinstance(original, asyncpg.SyntaxOrAccessError):
            return "The database, database.url, does not let its tables be made or changed."
        return None

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


async def _commit(server: asyncpg.Connection) -> None:
    if await server.execute("COMMIT") != "COMMIT":
        raise StorageUnavailable("The database has undone a transaction.")


async def _leave(server: asyncpg.Connection, failed: BaseException) -> None:
    """Undo a transaction, or cut its connection."""
    undone = False
    try:
        if isinstance(failed, (ServiceError, IntegrityError)) and not server.is_closed():
            await server.execute("ROLLBACK")
            undone = True
    finally:
        if not undone:
            server.terminate()


def _server(connection: AsyncConnection) -> asyncpg.Connection:
    sync = connection.sync_connection
    assert sync is not None  # noqa: S101 # it is connected
    return cast("asyncpg.Connection", sync.connection.driver_connection)


def _refuse_ended(dbapi_connection: Any, *_: object) -> None:  # noqa: ANN401 # has no types
    """Let the pool make a new connection in the place of one that the server has ended."""
    server = dbapi_connection.driver_connection
    if server.has_ended():
        server.terminate()
        raise DisconnectionError
