"""The schema: that it is what the code takes it for, and how it comes to be so."""

import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import inspect, text

from service.errors import SettingsInvalid, StorageUnavailable
from service.settings.data import DatabaseSettings
from service.storage.database import migrations
from service.storage.database.engine import open_sql_database
from service.storage.database.tables import metadata
from tests.support.databases import running_database

pytestmark = pytest.mark.slow

SHORT_S = 0.3
ROOT = Path(__file__).parents[2]

STRUCTURE = {
    "sqlite": """
        SELECT tables.name || ' ' || columns.name || ' ' || type || ' ' || "notnull" || ' ' || pk
        FROM (SELECT name FROM sqlite_master WHERE type = 'table') AS tables,
             pragma_table_info(tables.name) AS columns WHERE tables.name NOT LIKE 'turnstile_%'
        UNION SELECT "from" || ' ' || tables.name || ' ' || "table" || "to" || ' ' || on_delete
        FROM sqlite_master AS tables, pragma_foreign_key_list(tables.name)
        UNION SELECT sql FROM sqlite_master
        WHERE type = 'index' AND name NOT LIKE 'turnstile_%' ORDER BY 1
    """,
    "postgresql": """
        SELECT table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable
        FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name <> 'turnstile_revision'
        UNION SELECT indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename <> 'turnstile_revision'
        UNION SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid)
        FROM pg_constraint WHERE conrelid::regclass::text <> 'turnstile_revision' ORDER BY 1
    """,
}


@asynccontextmanager
async def opened(url, **settings):
    """Give a database that nobody has prepared."""
    database = open_sql_database(DatabaseSettings(url=SecretStr(url), **settings))
    try:
        yield database
    finally:
        await database._backend.close()


async def prepared(url, **settings):
    """Prepare a database, in not too long a time."""
    with anyio.fail_after(5):
        async with opened(url, **settings) as database:
            await database.prepare()


async def run(url, function):
    """Return what a function says of a database that was not prepared."""
    async with opened(url) as database, database._backend.writing() as connection:
        return await connection.run_sync(function)


def statement(sql):
    return lambda connection: connection.execute(text(sql)).all()


def change(sql):
    return lambda connection: connection.execute(text(sql)).rowcount


def tables(connection):
    return set(inspect(connection).get_table_names())


async def test_the_changes_lead_to_the_tables_of_the_code(database):
    def differences(connection):
        options = {"version_table": migrations.VERSION_TABLE}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_changes_lead_to_the_same_as_making_all_at_once(
    database_url, empty_database_url, database_kind
):
    await run(empty_database_url, metadata.create_all)
    structure = statement(STRUCTURE[database_kind])

    migrated, made = [
        [" ".join(row[0].split()) for row in await run(url, structure) if row[0]]
        for url in (database_url, empty_database_url)
    ]

    assert len(made) > 10
    assert migrated == made


def test_the_last_change_is_the_one_that_is_looked_for():
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))

    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


async def test_a_new_database_is_prepared_once(empty_database_url, log):
    for _ in range(2):
        async with running_database(empty_database_url):
            pass

    assert [each["event"] for each in log].count("database.migrated") == 1


async def test_a_database_may_be_prepared_twice(any_database):
    await any_database.prepare()


async def test_of_processes_that_start_together_one_prepares(empty_database_url, log):
    async def start():
        async with (
            running_database(empty_database_url) as database,
            database.reading() as connection,
        ):
            assert await connection.run_sync(migrations.is_current)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(start)

    assert [each["event"] for each in log].count("database.migrated") == 1


PREPARES = """
import asyncio, sys
from tests.support.databases import running_database

async def main():
    async with running_database(sys.argv[1]):
        print("alembic" in sys.modules)

asyncio.run(main())
"""


def prepare(url):
    """Start a process that prepares a database, and tells whether it needed Alembic for that."""
    return subprocess.Popen(
        [sys.executable, "-c", PREPARES, url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def test_real_processes_that_start_together_do_not_disturb_each_other(empty_database_url):
    started = [prepare(empty_database_url) for _ in range(2)]
    said = [each.communicate()[0].splitlines()[-1] for each in started]

    assert [each.returncode for each in started] == [0, 0]
    assert "True" in said


def test_what_is_prepared_needs_no_alembic(database_url):
    process = prepare(database_url)

    assert process.communicate()[0] == "False\n"


async def test_a_database_that_is_newer_is_refused_and_left_alone(database_url):
    await run(database_url, change("UPDATE turnstile_revision SET version_num = 'newer'"))

    with pytest.raises(SettingsInvalid, match="is newer than this version"):
        await prepared(database_url)

    found = await run(database_url, statement("SELECT version_num FROM turnstile_revision"))
    assert found == [("newer",)]


async def test_tables_of_somebody_else_are_left_alone(empty_database_url):
    await run(empty_database_url, change("CREATE TABLE alembic_version (version_num TEXT)"))
    await run(empty_database_url, change("CREATE TABLE others (name TEXT)"))

    async with running_database(empty_database_url):
        pass

    assert {"others", "alembic_version", "turns"} <= await run(empty_database_url, tables)


async def test_tables_of_somebody_else_with_our_names_are_refused(empty_database_url):
    await run(empty_database_url, change("CREATE TABLE turns (name TEXT)"))

    with pytest.raises(SettingsInvalid, match="somebody else"):
        await prepared(empty_database_url)

    assert await run(empty_database_url, tables) == {"turns"}


async def test_a_change_that_fails_leaves_nothing(empty_database_url):
    await run(empty_database_url, change("CREATE TABLE others (name TEXT)"))
    # The last but one to be made.
    await run(empty_database_url, change("CREATE INDEX ix_turns_running ON others (name)"))

    with pytest.raises(SettingsInvalid, match="made or changed"):
        await prepared(empty_database_url)

    assert await run(empty_database_url, tables) == {"others"}


async def test_what_belongs_to_a_table_outlasts_its_change(file_url):
    """SQLite changes a table by making another one, and what refers to it goes with the old one."""
    asked = text("PRAGMA foreign_keys")
    async with opened(file_url) as database:
        async with database._backend.migrating() as connection:
            assert await connection.scalar(asked) == 0
        async with database.writing() as connection:
            assert await connection.scalar(asked) == 1


async def test_an_empty_file_is_a_new_database(tmp_path):
    (tmp_path / "a.db").touch()

    async with running_database(f"sqlite:///{tmp_path}/a.db"):
        pass


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("Nothing that a database would say.\n" * 100)

    with pytest.raises(SettingsInvalid, match="is no database"):
        await prepared(f"sqlite:///{path}")

    assert path.read_text().startswith("Nothing")


@pytest.mark.parametrize("path", ["/dev/null/turnstile.db", "/proc/turnstile.db", "/usr"])
async def test_a_file_that_cannot_be_is_refused(path):
    with pytest.raises(SettingsInvalid, match="cannot be") as refused:
        await prepared(f"sqlite:///{path}")

    assert {path, "(database.url)"} <= set(refused.value.cause.split())


async def test_a_file_that_stays_locked_is_given_up(file_url, tmp_path):
    path = tmp_path / "turnstile.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE turnstile_revision")
        connection.execute("BEGIN EXCLUSIVE")

        with pytest.raises(StorageUnavailable):
            await prepared(file_url, timeout_s=SHORT_S, start_timeout_s=SHORT_S)


async def test_a_server_that_is_not_there_is_given_up_after_a_time(mortal_postgres):
    mortal_postgres.kill()

    with pytest.raises(StorageUnavailable):
        await prepared(mortal_postgres.url(), start_timeout_s=SHORT_S)


async def test_a_server_that_stands_still_is_given_up_after_a_time(mortal_postgres):
    settings = {"timeout_s": SHORT_S, "start_timeout_s": SHORT_S}
    with mortal_postgres.paused(), pytest.raises(StorageUnavailable):
        await prepared(mortal_postgres.url(), **settings)


async def test_a_server_that_comes_later_is_waited_for(mortal_postgres, log):
    mortal_postgres.kill()

    async with (
        opened(mortal_postgres.url(), start_timeout_s=60.0) as database,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(database.prepare)
        while not log:
            await anyio.lowlevel.checkpoint()
        await anyio.to_thread.run_sync(mortal_postgres.start)

    # A server that starts refuses in more than one way, and each way has a line.
    *failures, recovered, migrated = [each["event"] for each in log]
    assert set(failures) == {"database.failed"}
    assert [recovered, migrated] == ["database.recovered", "database.migrated"]


async def test_a_database_that_the_server_has_not_is_refused(postgres_of_the_session):
    with pytest.raises(SettingsInvalid, match="refuses") as refused:
        await prepared(postgres_of_the_session.url("secret"))

    assert "secret" not in refused.value.cause


async def test_a_database_that_can_be_read_only_is_refused(postgres_url, postgres_of_the_session):
    name = postgres_url.rpartition("/")[2]
    read_only = f"ALTER DATABASE {name} SET default_transaction_read_only = on"
    postgres_of_the_session.ask(read_only)

    with pytest.raises(SettingsInvalid, match="can be read only"):
        await prepared(postgres_url)


async def test_a_user_that_may_make_no_tables_is_refused(postgres_url, postgres_of_the_session):
    name = postgres_url.rpartition("/")[2]
    server = postgres_of_the_session
    for sql in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "CREATE ROLE reader LOGIN"):
        server.ask(sql, name)
    server.ask("GRANT USAGE ON SCHEMA public TO reader", name)

    with pytest.raises(SettingsInvalid, match="made or changed"):
        await prepared(postgres_url.replace("turnstile@", "reader@"))
