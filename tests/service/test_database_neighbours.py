"""A file that several processes use: none of them takes it for closed while another has it open."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.databases import running_database

pytestmark = pytest.mark.slow

LOOK = """
import sqlite3, sys
file = sqlite3.connect(sys.argv[1])
file.execute("SELECT 1 FROM turns")
file.close()
"""
COUNT = """
import sqlite3, sys
print(*sqlite3.connect(sys.argv[1]).execute("SELECT count(*) FROM claims").fetchone())
"""


@pytest.fixture
def path(file_url) -> Path:
    return Path(file_url.removeprefix("sqlite:///"))


def beside(program: str, path: Path) -> str:
    """Run another process on the file, to its end."""
    done = subprocess.run(
        [sys.executable, "-c", program, path], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


async def claim(database, key: str) -> None:
    async with database.writing() as connection:
        statement = "INSERT INTO claims (key, holder, expires_ms) VALUES (?, 'a', 0)"
        await connection.exec_driver_sql(statement, (key,))


async def read(database) -> None:
    async with database.reading() as one, database.reading() as other:
        await one.exec_driver_sql("SELECT 1 FROM claims")
        await other.exec_driver_sql("SELECT 1 FROM claims")


async def test_who_looks_into_the_file_and_leaves_takes_nothing_away(file_url, path):
    log = path.with_name(path.name + "-wal")
    async with running_database(file_url) as database:
        await claim(database, "before")
        await read(database)
        before = log.stat().st_ino

        beside(LOOK, path)
        await claim(database, "after")

        assert log.stat().st_ino == before
        assert beside(COUNT, path) == "2"


async def test_who_begins_beside_and_ends_takes_nothing_away(file_url, path):
    async with running_database(file_url) as database:
        await claim(database, "before")
        await read(database)
        async with running_database(file_url) as neighbour:
            await claim(neighbour, "beside")
            await read(neighbour)
        beside(LOOK, path)
        await claim(database, "after")

        assert beside(COUNT, path) == "3"
    assert beside(COUNT, path) == "3"
