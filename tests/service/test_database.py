"""The database of one process: transactions, what goes wrong in them, and how long they take."""

import asyncio
import stat
import threading
from contextlib import suppress

import anyio
import pytest
from pydantic import SecretStr
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from service.errors import ConversationUnknown, SettingsInvalid, StorageUnavailable
from service.settings.data import DatabaseSettings
from service.storage.database.engine import open_sql_database
from service.storage.database.tables import claims
from tests.support.databases import running_database

pytestmark = pytest.mark.slow

SHORT_S = 0.2


async def put(database, *keys, then=anyio.lowlevel.checkpoint):
    """Keep claims, all or none, and before that do something else."""
    async with database.writing() as connection:
        for key in keys:
            row = {"key": key, "holder": "h", "expires_ms": 1}
            await connection.execute(insert(claims), row)
        await then()


async def keys(database):
    """Return what is kept, in order."""
    async with database.reading() as connection:
        return list(
            (await connection.execute(select(claims.c.key).order_by(claims.c.key))).scalars()
        )


async def test_what_was_written_is_there(any_database):
    await put(any_database, "a", "b")

    assert await keys(any_database) == ["a", "b"]


async def test_of_a_transaction_that_fails_nothing_is_kept(any_database):
    with pytest.raises(StorageUnavailable):
        await put(any_database, "a", "b", "a")

    assert await keys(any_database) == []


async def test_a_refusal_undoes_what_was_written_and_is_told(any_database):
    async def refuse():
        raise ConversationUnknown

    with pytest.raises(ConversationUnknown):
        await put(any_database, "a", then=refuse)

    assert await keys(any_database) == []
    await put(any_database, "b")


async def test_a_bug_undoes_what_was_written_and_is_told(any_database):
    async def divide():
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        await put(any_database, "a", then=divide)

    assert await keys(any_database) == []
    await put(any_database, "b")


async def test_a_transaction_that_goes_on_after_an_error_is_kept_as_it_says(database):
    async def err():
        async with database.writing() as connection:
            await connection.execute(insert(claims).values(key="a", holder="h", expires_ms=1))
            with suppress(SQLAlchemyError):
                await connection.execute(text("SELECT nothing FROM nowhere"))

    said = ["a"]
    try:
        await err()
    except StorageUnavailable:
        said = []

    assert await keys(database) == said


async def test_a_refusal_costs_no_connection(postgres_url):
    async def refuse():
        raise ConversationUnknown

    async with running_database(postgres_url) as database:
        asked = text("SELECT pg_backend_pid()")
        async with database.reading() as connection:
            before = await connection.scalar(asked)
        with suppress(ConversationUnknown):
            await put(database, "a", then=refuse)

        async with database.reading() as connection:
            assert await connection.scalar(asked) == before


async def test_clients_and_the_log_see_nothing_of_what_was_asked(any_database, log):
    with pytest.raises(StorageUnavailable) as refused:
        await put(any_database, "secret", "secret")

    assert "secret" not in refused.value.cause
    (entry,) = [each for each in log if each["event"] == "database.failed"]
    assert "secret" not in str(entry)
    assert "Error" in entry["error"]


async def test_a_failure_is_logged_when_it_begins_and_when_it_is_over(any_database, log):
    for _ in range(3):
        with suppress(StorageUnavailable):
            await put(any_database, "a", "a")
    await put(any_database, "b")
    await put(any_database, "c")

    said = [each["event"] for each in log if each["event"] != "database.migrated"]
    assert said == ["database.failed", "database.recovered"]


async def test_what_only_reads_cannot_write(file_url):
    async with running_database(file_url) as database:
        with pytest.raises(StorageUnavailable):
            async with database.reading() as connection:
                await connection.execute(insert(claims).values(key="a", holder="h", expires_ms=1))


async def test_readers_wait_for_no_writer(database):
    await put(database, "a")

    async with database.writing() as connection:
        await connection.execute(update(claims).values(holder="other"))
        assert await keys(database) == ["a"]


async def test_who_reads_in_a_file_sees_one_moment(file_url):
    async with running_database(file_url) as database, database.reading() as connection:
        before = await connection.scalar(select(func.count()).select_from(claims))
        await put(database, "a")

        assert await connection.scalar(select(func.count()).select_from(claims)) == before


async def test_writers_wait_for_each_other(any_database):
    await put(any_database, "a")
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(add_one, any_database)

    async with any_database.reading() as connection:
        assert await connection.scalar(select(claims.c.expires_ms)) == 21


async def test_writers_of_two_processes_wait_for_each_other(database, processes):
    await put(database, "a")
    async with processes() as other, anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(add_one, database)
            tasks.start_soon(add_one, other)

    async with database.reading() as connection:
        assert await connection.scalar(select(claims.c.expires_ms)) == 21


async def add_one(database):
    """Read a number and write the next one, with time in between."""
    async with database.writing() as connection:
        asked = select(claims.c.expires_ms).with_for_update()
        now = (await connection.execute(asked)).scalar_one()
        await anyio.lowlevel.checkpoint()
        await connection.execute(update(claims).values(expires_ms=now + 1))


async def test_more_than_there_are_connections_have_their_turn(database_url):
    done = []

    async def use(number):
        await put(database, f"{number:03}")
        done.append(await keys(database))

    async with running_database(database_url, connections_limit=2) as database:
        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(use, number)

        assert len(await keys(database)) == len(done) == 40


async def test_a_transaction_that_takes_too_long_is_undone(database_url):
    async with running_database(database_url, timeout_s=SHORT_S) as database:
        with pytest.raises(StorageUnavailable) as refused:
            await put(database, "a", then=anyio.sleep_forever)

        assert refused.value.cause == "The database takes too long."
        assert await keys(database) == []
        await put(database, "b")


async def test_who_waits_too_long_for_a_writer_is_told(database_url):
    async with (
        running_database(database_url) as slow,
        running_database(database_url, timeout_s=SHORT_S) as database,
    ):
        await put(database, "a")
        async with slow.writing() as connection:
            await connection.execute(update(claims).values(holder="slow"))
            with pytest.raises(StorageUnavailable):
                async with database.writing() as other:
                    await other.execute(update(claims).values(holder="quick"))

        async with database.reading() as connection:
            assert await connection.scalar(select(claims.c.holder)) == "slow"
        await put(database, "b")


async def test_who_is_cancelled_at_any_moment_leaves_all_or_nothing(database):
    for steps in (*range(30), *range(30, 1_500, 60)):
        before = set(await keys(database))
        both = {f"{steps} first", f"{steps} second"}
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(put(database, *both))
            for _ in range(steps):
                await asyncio.sleep(0)
            writer.cancel()

        assert set(await keys(database)) - before in (set(), both)
        await put(database, f"{steps} next")


async def test_who_is_cancelled_while_it_waits_for_a_lock_leaves_at_once(processes, database):
    await put(database, "a")
    async with processes() as other, other.writing() as connection:
        await connection.execute(update(claims).values(holder="other"))

        with anyio.move_on_after(SHORT_S) as scope:
            async with database.writing() as waiting:
                await waiting.execute(update(claims).values(holder="ours"))

        assert scope.cancelled_caught
    await put(database, "b")


async def test_nothing_is_left_of_a_process_that_has_ended(postgres_url, postgres_of_the_session):
    name = postgres_url.rpartition("/")[2]
    async with running_database(postgres_url) as database:
        await put(database, "a")
        assert postgres_of_the_session.connections(name) > 0

    while postgres_of_the_session.connections(name):
        pass


@pytest.mark.parametrize("cancels", [False, True])
async def test_no_thread_is_left_of_a_file_that_was_closed(file_url, cancels):
    with anyio.CancelScope() as scope:
        async with running_database(file_url) as database:
            async with database.reading() as one, database.reading() as other:
                for each in (one, other):
                    await each.execute(select(claims))
            await put(database, "a")
            assert len(sqlite_threads()) == 3
            if cancels:
                scope.cancel()

    for each in sqlite_threads():
        each.join(5)
    assert sqlite_threads() == []


def sqlite_threads():
    """Return the threads of open files."""
    return [each for each in threading.enumerate() if each.name.startswith("sqlite")]


async def test_a_file_is_made_for_its_owner_only(tmp_path):
    path = tmp_path / "state" / "turnstile.db"
    async with running_database(f"sqlite:///{path}") as database:
        await put(database, "a")
        modes = {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}

    assert modes == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_without_an_address_the_file_is_where_state_belongs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with open_sql_database(DatabaseSettings()).running():
        assert (tmp_path / "turnstile" / "turnstile.db").is_file()


async def test_a_memory_ends_with_its_process(memory_database):
    await put(memory_database, "a")

    assert not memory_database.durable
    async with running_database("sqlite://") as other:
        assert await keys(other) == []


def test_every_process_has_its_own_name(file_url):
    settings = DatabaseSettings(url=SecretStr(file_url))
    names = {open_sql_database(settings).process for _ in range(3)}

    assert len(names) == 3


@pytest.mark.parametrize(
    "url",
    [
        "nothing",
        "mysql://u:secret@host/name",
        "sqlite:///secret\0.db",
        "sqlite://secret@host/file",
        "sqlite:///file.db?secret=1",
        "sqlite:/secret",
        "postgresql+psycopg://u:secret@host/name",
    ],
)
def test_what_is_no_address_is_refused_and_not_quoted(url):
    with pytest.raises(SettingsInvalid) as refused:
        open_sql_database(DatabaseSettings(url=SecretStr(url)))

    assert "database.url" in refused.value.cause
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "rest",
    ["host:port/secret", "[::1/secret", "host/n?sslmode=secret"],
)
async def test_what_is_no_address_of_a_server_is_refused_and_not_quoted(rest):
    database = open_sql_database(DatabaseSettings(url=SecretStr(f"postgresql://u:secret@{rest}")))

    with pytest.raises(SettingsInvalid) as refused:
        await database.prepare()

    assert "database.url" in refused.value.cause
    assert "secret" not in str(refused.value)


async def test_an_address_may_have_the_options_of_libpq(postgres_url):
    host, _, name = postgres_url.partition("@")[2].partition("/")
    several = f"postgresql://turnstile@127.0.0.1:1,{host}/{name}"

    async with running_database(f"{several}?sslmode=disable&application_name=t") as database:
        await put(database, "a")
