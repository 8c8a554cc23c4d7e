"""Databases of both kinds for tests: prepared ones, and the processes that share them."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.settings.data import DatabaseSettings
from service.storage.database.engine import SqlDatabase, open_sql_database
from tests.support.postgres_server import PostgresServer, aside

IN_MEMORY = "sqlite://"

PATIENCE_S = 30.0
"""How long a database may take for an answer to a test."""


@asynccontextmanager
async def running_database(
    url: str, *, timeout_s: float = PATIENCE_S, connections_limit: int = 10
) -> AsyncIterator[SqlDatabase]:
    """Be one more process that uses a database, which is prepared, until the context is left."""
    settings = DatabaseSettings(
        url=SecretStr(url),
        timeout_s=timeout_s,
        lease_s=2 * PATIENCE_S,
        connections_limit=connections_limit,
    )
    database = open_sql_database(settings)
    async with database.running():
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Every kind of database that outlives a process."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="session")
def prepared_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the schema, to be copied."""
    path = tmp_path_factory.mktemp("database") / "turnstile.db"
    _prepare(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def prepared_template(postgres_of_the_session: PostgresServer) -> str:
    """A database with the schema, to be copied."""
    name = postgres_of_the_session.create()
    _prepare(postgres_of_the_session.url(name))
    return name


@pytest.fixture
def empty_database_url(database_kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a database is that has nothing, not even our tables."""
    if database_kind == "sqlite":
        yield f"sqlite:///{request.getfixturevalue('tmp_path')}/empty.db"
    else:
        yield from _created(request.getfixturevalue("postgres_of_the_session"))


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest) -> str:
    """Where a database is in which nothing was said yet."""
    kind = "file_url" if database_kind == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(kind)
    return url


@pytest.fixture
def file_url(prepared_file: Path, tmp_path: Path) -> str:
    """The same, in a file."""
    path = shutil.copy(prepared_file, tmp_path / "turnstile.db")
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_of_the_session: PostgresServer, prepared_template: str) -> Iterator[str]:
    """The same, on PostgreSQL."""
    yield from _created(postgres_of_the_session, prepared_template)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[SqlDatabase]:
    """The way of one process to a database of its own."""
    async with running_database(database_url) as running:
        yield running


type Processes = Callable[[], AbstractAsyncContextManager[SqlDatabase]]


@pytest.fixture
def processes(database_url: str) -> Processes:
    """What runs one more process on the same database."""
    return lambda: running_database(database_url)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def any_database(request: pytest.FixtureRequest) -> AsyncIterator[SqlDatabase]:
    """The way of one process to a database of any kind, also one that ends with the process."""
    urls = {"sqlite": "file_url", "postgresql": "postgres_url"}
    in_memory = request.param == "memory"
    url = IN_MEMORY if in_memory else request.getfixturevalue(urls[request.param])
    async with running_database(url) as running:
        yield running


@pytest.fixture
async def memory_database() -> AsyncIterator[SqlDatabase]:
    """A database in memory, which ends with the test."""
    async with running_database(IN_MEMORY) as running:
        yield running


def _created(server: PostgresServer, template: str = "template1") -> Iterator[str]:
    name = server.create(template)
    yield server.url(name)
    server.drop(name)


def _prepare(url: str) -> None:
    async def prepare() -> None:
        async with running_database(url):
            pass

    aside(prepare)
