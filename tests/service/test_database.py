"""The database of one process: transactions, what goes wrong in them, and how long they take."""

from sqlalchemy import text


async def test_x(database):
    async with database.reading() as c:
        assert (await c.scalar(text("select 1"))) == 1


async def test_y(memory_database):
    async with memory_database.reading() as c:
        assert (await c.scalar(text("select 1"))) == 1
