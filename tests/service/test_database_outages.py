"""Databases that do not answer, go away, come back, or have no room: what it costs whom."""

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import anyio
import pytest
from sqlalchemy import insert, select, text

from service.domain import Leavings
from service.errors import StorageUnavailable
from service.storage.database.tables import claims
from tests.support.clock import Clock
from tests.support.databases import running_database
from tests.support.turn_stores import Told, turns_on

pytestmark = pytest.mark.slow

SHORT_S = 0.3
ROOT = Path(__file__).parents[2]


async def put(database, key, then=lambda: None):
    async with database.writing() as connection:
        await connection.execute(insert(claims).values(key=key, holder="h", expires_ms=1))
        then()


async def keys(database):
    async with database.reading() as connection:
        return sorted((await connection.execute(select(claims.c.key))).scalars())


# PostgreSQL.


async def test_a_server_that_was_restarted_costs_no_request(mortal_postgres):
    async with running_database(mortal_postgres.url()) as database:
        await put(database, "a")
        mortal_postgres.restart()

        assert await keys(database) == ["a"]
        await put(database, "b")
        assert await keys(database) == ["a", "b"]


async def test_all_connections_to_a_server_are_made_anew(mortal_postgres):
    async with running_database(mortal_postgres.url(), connections_limit=4) as database:

        async def read():
            async with database.reading() as connection:
                await connection.execute(text("SELECT pg_sleep(0.01)"))

        for _ in range(2):
            async with anyio.create_task_group() as tasks:
                for _ in range(8):
                    tasks.start_soon(read)
            mortal_postgres.restart()


DISCONNECT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test_%'"


async def test_a_connection_that_the_server_has_ended_costs_no_request(
    postgres_url, postgres_of_the_session
):
    async with running_database(postgres_url) as database:
        await put(database, "a")
        postgres_of_the_session.ask(DISCONNECT)
        assert await keys(database) == ["a"]
        postgres_of_the_session.ask(DISCONNECT)
        await put(database, "b")


async def test_a_server_that_is_gone_is_told_at_once(mortal_postgres):
    async with running_database(mortal_postgres.url()) as database:
        mortal_postgres.kill()

        for use in (keys(database), put(database, "a")):
            with anyio.fail_after(5), pytest.raises(StorageUnavailable):
                await use

        mortal_postgres.start()
        await put(database, "b")


async def test_a_server_that_goes_in_the_middle_keeps_nothing(mortal_postgres):
    async with running_database(mortal_postgres.url()) as database:
        with pytest.raises(StorageUnavailable):
            await put(database, "a", then=mortal_postgres.restart)

        assert await keys(database) == []


async def test_a_server_that_stands_still_costs_a_bounded_time(mortal_postgres):
    async with running_database(mortal_postgres.url(), timeout_s=SHORT_S) as database:
        await put(database, "a")
        with mortal_postgres.paused():
            for use in (keys(database), put(database, "b"), keys(database)):
                with anyio.fail_after(3 * SHORT_S), pytest.raises(StorageUnavailable):
                    await use

        with anyio.fail_after(10):
            while not await reached(database):
                await anyio.lowlevel.checkpoint()
        await put(database, "c")


async def reached(database):
    with suppress(StorageUnavailable):
        await keys(database)
        return True
    return False


async def test_a_process_ends_although_its_server_stands_still(mortal_postgres):
    with anyio.fail_after(10):
        async with running_database(mortal_postgres.url()) as database:
            await put(database, "a")
            mortal_postgres.pause()
    mortal_postgres.resume()


IN_TRANSACTION = "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'"


async def test_a_process_that_stands_still_holds_no_lock_for_long(
    postgres_url, postgres_of_the_session
):
    """Its transaction is ended by the server, and it is told so."""
    deadline = time.monotonic() + 20 * SHORT_S

    def stand_still():
        # Not even the own timer runs meanwhile.
        while postgres_of_the_session.ask(IN_TRANSACTION) and time.monotonic() < deadline:
            pass

    async with running_database(postgres_url, timeout_s=SHORT_S) as database:
        with pytest.raises(StorageUnavailable):
            await put(database, "a", then=stand_still)

        assert time.monotonic() < deadline
        assert await keys(database) == []


# SQLite.


async def test_a_file_that_is_locked_is_waited_for(file_url):
    async with running_database(file_url) as database:
        with locked(file_url) as other:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(put, database, "a")
                await anyio.wait_all_tasks_blocked()
                assert await keys(database) == []
                other.rollback()

        assert await keys(database) == ["a"]


async def test_a_file_that_stays_locked_costs_a_bounded_time(file_url):
    async with running_database(file_url, timeout_s=SHORT_S) as database:
        with locked(file_url):
            with anyio.fail_after(3 * SHORT_S), pytest.raises(StorageUnavailable):
                await put(database, "a")
            assert await keys(database) == []

        await put(database, "b")


async def test_a_full_disk_undoes_what_has_no_room(file_url, log):
    async with running_database(file_url) as database:
        async with database.writing() as connection:
            await connection.exec_driver_sql("PRAGMA max_page_count = 1")

        with pytest.raises(StorageUnavailable):
            await put(database, "x" * 1_000_000)

        assert await keys(database) == []
        (entry,) = [each for each in log if each["event"] == "database.failed"]
        assert entry["error"] == "OperationalError (SQLITE_FULL)"


# Both.


DIES = """
import asyncio, os, sys
from tests.support.clock import Clock
from tests.support.databases import running_database
from tests.support.turn_stores import Told, turns_on

async def main():
    async with running_database(sys.argv[1]) as database:
        clock = Clock()
        told = Told(turns_on(database, clock), clock)
        await told.tell("ended", opens=True)
        await told.begin("running")
        await told.store.checkpoint({"running": "So far"})
        await told.begin("silent")
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_what_was_kept_outlives_the_process(database_url):
    await anyio.to_thread.run_sync(keep_and_die, database_url)

    async with running_database(database_url) as database:
        store = turns_on(database, Clock())
        ended, running = [await store.known(each, None) for each in ("ended", "running")]
        assert (ended.outcome, ended.answer) == ("end", "ended!")
        assert (running.outcome, running.answer) == (None, "So far")
        assert await store.known("silent", None) is not None


def keep_and_die(url):
    """Keep turns in another process, and kill it."""
    with subprocess.Popen(
        [sys.executable, "-c", DIES, url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        said = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert said == "ready\n"


async def test_a_turn_that_could_not_end_ends_later(mortal_postgres):
    clock = Clock()
    async with running_database(mortal_postgres.url()) as database:
        told = Told(turns_on(database, clock), clock)
        await told.begin("a", opens=True)
        mortal_postgres.kill()
        with pytest.raises(StorageUnavailable):
            await told.end("a")
        mortal_postgres.start()

        assert await told.store.end(told.records["a"], Leavings()) is not None
        assert await told.history() == ["a"]


def locked(url):
    """Hold the one lock of a file, as another program may."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return closing(connection)
