"""How a database goes about a question."""

from typing import Any

from sqlalchemy import Select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from service.storage.database.engine import SqlDatabase


async def explained(database: SqlDatabase, asked: Select[Any], *, scans: bool = True) -> str:
    """Return the plan of a question; without `scans`, of one who would rather use an index.

    A PostgreSQL with little in its tables reads and sorts them, whatever indices there are.
    """
    async with database.writing() as connection:
        postgresql = connection.dialect.name == "postgresql"
        if postgresql and not scans:
            for each in ("seqscan", "bitmapscan", "sort"):
                await connection.execute(text(f"SET LOCAL enable_{each} = off"))
        explain = "EXPLAIN" if postgresql else "EXPLAIN QUERY PLAN"
        rows = await connection.exec_driver_sql(f"{explain} {_written(connection, asked)}")
        return "\n".join(str(row[-1]) for row in rows)


def _written(connection: AsyncConnection, asked: Select[Any]) -> str:
    written = asked.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    return str(written)
