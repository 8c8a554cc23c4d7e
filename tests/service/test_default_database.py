"""Where the database is when nobody says so, and one that can be read but not written."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import insert

from service.errors import SettingsInvalid
from service.settings.data import DatabaseSettings, default_database
from service.storage.database.engine import open_sql_database
from service.storage.database.tables import claims
from tests.support.databases import running_database


async def prepare(url=None):
    """Do what a process that starts does."""
    settings = DatabaseSettings(url=url and SecretStr(url))
    async with open_sql_database(settings).running():
        pass


@pytest.mark.parametrize(
    ("state", "home", "place"),
    [
        ("", "/home/alice", "/home/alice/.local/state"),
        ("state", "/home/alice", "/home/alice/.local/state"),
        ("/state", "/home/alice", "/state"),
        ("/a b%20?#\u00fc", "", "/a b%20?#\u00fc"),
        ("", "/a%41?b=c", "/a%41?b=c/.local/state"),
        ("", "alice", None),
    ],
)
def test_the_default_place_is_below_that_of_state_or_home(monkeypatch, state, home, place):
    monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("HOME", home)

    assert default_database() == (place and Path(place, "turnstile", "turnstile.db"))


@pytest.mark.parametrize(
    ("state", "home"), [("/dev/null", "/"), ("/proc/nope", "/"), ("", "alice")]
)
async def test_where_no_default_can_be_written_it_is_in_memory_and_said_once(
    monkeypatch, log, state, home
):
    monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("HOME", home)
    await prepare()

    (warned,) = log
    assert (warned["event"], warned["log_level"]) == ("database.in_memory", "warning")
    assert warned["setting"] == "database.url"
    assert state in warned["reason"]


async def test_a_default_that_is_damaged_is_not_passed_over(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "turnstile" / "turnstile.db"
    path.parent.mkdir()
    path.write_text("Nothing that a database would say.\n" * 100)

    with pytest.raises(SettingsInvalid, match="is no database") as refused:
        await prepare()

    assert str(path) in refused.value.cause


async def test_a_default_that_another_process_writes_is_used(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    url = f"sqlite:///{tmp_path}/turnstile/turnstile.db"
    async with running_database(url) as other, other.writing() as connection:
        await connection.execute(insert(claims).values(key="a", holder="h", expires_ms=1))

        assert open_sql_database(DatabaseSettings()).durable


@pytest.fixture
def unprivileged(file_url):
    """A file that is prepared, and that this process may read but not write."""
    path = Path(file_url.removeprefix("sqlite:///"))
    with tempfile.TemporaryDirectory() as directory:
        there = shutil.copy(path, directory)
        with closing(sqlite3.connect(there)) as held:
            # The files beside it stay as long as one connection does.
            held.execute("PRAGMA journal_mode = WAL")
            held.execute("SELECT * FROM turnstile_revision").fetchall()
            for each in Path(directory).iterdir():
                each.chmod(0o444)
            Path(directory).chmod(0o555)
            user = os.geteuid()
            # Root may write everything.
            os.seteuid(user or 65_534)
            yield f"sqlite:///{there}"
            os.seteuid(user)
            Path(directory).chmod(0o755)


async def test_a_file_that_can_be_read_only_is_refused_at_the_start(unprivileged):
    with pytest.raises(SettingsInvalid, match=r"\(database.url\) cannot be written"):
        await prepare(unprivileged)


async def test_a_user_that_may_read_only_is_refused_at_the_start(
    postgres_url, postgres_of_the_session
):
    name = postgres_url.rpartition("/")[2]
    for sql in ("CREATE ROLE onlooker LOGIN", "GRANT SELECT ON turnstile_revision TO onlooker"):
        postgres_of_the_session.ask(sql, name)

    with pytest.raises(SettingsInvalid, match="made or changed"):
        await prepare(postgres_url.replace("turnstile@", "onlooker@"))
