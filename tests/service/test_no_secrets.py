"""No secret of the settings or of a request is in anything that comes out of the service."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest
import structlog
from pydantic import BaseModel, SecretStr
from sqlalchemy import select

from service.access.authenticators.api_keys import hash_of
from service.app import create_app
from service.cli.configuration import read_settings
from service.errors import ServiceError, SettingsInvalid
from service.routes import ROUTES
from service.settings import Settings
from service.storage.database.engine import open_sql_database
from service.storage.database.tables import metadata
from service.upstream.live import LiveUpstream
from service.wiring import services_on
from tests.support import responses_chunks as responses
from tests.support.applications import QUERY, TURNS, application
from tests.support.asgi import Exchange, ask, lifespan
from tests.support.databases import running_database
from tests.support.stack import URL, FakeStack, mocked, says, streams
from tests.support.upstreams import Script, answer

pytestmark = pytest.mark.slow

TICKETS = "s3cret-of-tickets-0123456789abcdef"
KEY = "s3cret-key-of-the-upstream"
HEADER = "s3cret-header-of-a-server"
DATABASE, REDIS = "s3cretOfTheDatabase", "s3cretOfRedis"
TOKEN = "turnstile_s3cret-token-of-a-caller"
WRONG = "s3cret-token-that-is-not-taken"
GIVEN = "s3cret-header-of-a-request"
ONCE = "s3cret-idempotency-key"
SECRETS = (TICKETS, KEY, HEADER, DATABASE, REDIS, TOKEN, WRONG, GIVEN, ONCE)

COVERED = {
    "authentication.ticket_secret",
    "database.url",
    "mcp_servers.headers",
    "redis.url",
    "upstream.api_key",
}
"""The settings for which this file has a secret."""

BROUGHT = {
    "Authorization": f"Bearer {TOKEN}",
    "Idempotency-Key": ONCE,
    "MCP-HEADERS": json.dumps({"cluster": {"X-Given": GIVEN}}),
}
SERVER = {
    "name": "cluster",
    "url": "http://mcp.test/mcp",
    "headers": {"X-Own": HEADER},
    "authorization": "caller",
}


@dataclass(slots=True)
class Seen:
    """Everything that came out, by where it did."""

    said: dict[str, str] = field(default_factory=dict)

    def add(self, where: str, what: object) -> None:
        self.said[where] = what if isinstance(what, str) else repr(what)

    def answered(self, what: str, made: Exchange, body: bytes) -> None:
        """A ticket is the only thing that an answer may have for its caller alone."""
        headers = {name: each for name, each in made.headers.items() if name != "x-stream-ticket"}
        self.add(what, f"{made.status} {headers} {body.decode()}")

    def files(self, directory: Path) -> None:
        for path in directory.rglob("*"):
            if path.is_file():
                self.add(str(path.relative_to(directory)), path.read_bytes().decode("latin-1"))

    def secrets(self, secrets: tuple[str, ...]) -> list[tuple[str, str]]:
        said = self.said.items()
        return [(where, each) for where, told in said for each in secrets if each in told]


def rendered(log: list[Any]) -> str:
    """Return the log as it is written, with its tracebacks."""
    trace, write = structlog.processors.format_exc_info, structlog.processors.JSONRenderer()
    return "\n".join(str(write(None, "", trace(None, "", dict(each)))) for each in log)


def settings_for(tmp_path: Path, **more: Any) -> Settings:
    chosen: dict[str, Any] = {
        "authentication": {"by": "api_keys", "ticket_secret": TICKETS},
        "api_keys": [{"name": "joe", "hash": hash_of(TOKEN), "roles": ["admin"]}],
        "upstream": {"url": URL, "api_key": KEY, "retries_limit": 0},
        "mcp_servers": [SERVER],
        "recording": {"directory": tmp_path / "recordings"},
        "transcripts": {"directory": tmp_path / "transcripts"},
        "moderation": {"by": "nobody"},
    }
    return Settings(**(chosen | more))


@asynccontextmanager
async def served(stack: FakeStack, settings: Settings) -> AsyncIterator[Any]:
    app = create_app(services_on(LiveUpstream(settings.upstream, settings.moderation), settings))
    async with mocked(stack), lifespan(app):
        yield app


def quoting(words: str) -> FakeStack:
    """Return a server that says all that it was told."""
    opened = (responses.created(), responses.item_added("m1"), responses.part_added("m1"))
    whole = responses.completed(responses.message(responses.said(words)))
    return FakeStack().on(
        "POST", "/v1/responses", streams(*opened, responses.text("m1", words), whole)
    )


# Which there are.


def secret_fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, each in model.model_fields.items():
        for kind in kinds_in(each.annotation):
            if kind is SecretStr:
                yield f"{prefix}{name}"
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from secret_fields(kind, f"{prefix}{name}.")


def kinds_in(annotation: object) -> Iterator[object]:
    yield annotation
    for each in get_args(getattr(annotation, "__value__", annotation)):
        yield from kinds_in(each)


def test_every_setting_that_is_a_secret_is_covered_here():
    assert set(secret_fields(Settings)) == COVERED


# What a service says and keeps.


async def everything_said(settings: Settings, log: list[Any]) -> Seen:
    """Ask for everything that there is, rightly and wrongly, and return all that came of it."""
    seen = Seen()
    words = f"You told me {KEY}, {HEADER}, {GIVEN} and {TOKEN}."
    async with served(quoting(words), settings) as app:

        async def told(
            what: str, method: str, target: str, body: object, **headers: str
        ) -> Exchange:
            made, data = await ask(app, method, target, body, headers)
            seen.answered(what, made, data)
            return made

        turn = await told("a turn", "POST", TURNS, QUERY, **BROUGHT)
        await told("the same again", "POST", TURNS, QUERY, **BROUGHT)
        await told("another", "POST", TURNS, QUERY | {"query": "Why?"}, **BROUGHT)
        await told("one answer", "POST", "/v1/query", QUERY, **{**BROUGHT, "Idempotency-Key": "b"})
        await told(
            "nonsense",
            "POST",
            TURNS,
            {"query": [TOKEN], "model": TOKEN},
            **{**BROUGHT, "MCP-HEADERS": GIVEN},
        )
        ticket = turn.headers["x-stream-ticket"]
        where = turn.headers["content-location"]
        await told("its stream", "GET", f"{where}?ticket={ticket}", None)
        await told("a wrong ticket", "GET", f"{where}?ticket={ticket}x", None)
        conversation = f"/v1/conversations/{turn.headers['x-conversation-id']}"
        await told("its conversation", "GET", conversation, None, **BROUGHT)
        for each in ROUTES:
            if each.method == "GET" and "{" not in each.path:
                await told(each.path, "GET", each.path, None, **BROUGHT)
                await told(f"{each.path} refused", "GET", each.path, None, Authorization=WRONG)
                wrong = f"Bearer {WRONG}"
                await told(f"{each.path} denied", "GET", each.path, None, Authorization=wrong)
    assert turn.status == 200
    seen.add("settings", settings)
    seen.add("log", rendered(log))
    return seen


async def test_nothing_of_it_comes_out_of_a_service(tmp_path, database_url, log):
    url = database_url.replace("@", f":{DATABASE}@")
    settings = settings_for(tmp_path, database={"url": url})

    seen = await everything_said(settings, log)

    seen.files(tmp_path)
    for table, rows in (await kept(database_url)).items():
        seen.add(f"table {table}", rows)
    assert "You told me" in seen.said["a turn"]
    assert any("recordings" in each for each in seen.said)
    assert any("transcripts" in each for each in seen.said)
    assert "You told me" in seen.said["table turns"]
    assert seen.secrets(SECRETS) == []


async def kept(url: str) -> Mapping[str, list[str]]:
    """Return everything that a database has."""
    async with running_database(url) as database, database.reading() as connection:
        return {
            table.name: [str(row) for row in await connection.execute(select(table))]
            for table in metadata.sorted_tables
        }


async def test_nothing_of_it_comes_out_of_a_shared_log(tmp_path, redis_server, log):
    url = redis_server.url.replace("//", f"//default:{REDIS}@")
    settings = settings_for(tmp_path, redis={"url": url}, database={"url": "sqlite://"})

    seen = await everything_said(settings, log)

    assert seen.secrets(SECRETS) == []


@pytest.mark.parametrize(
    "refused",
    [
        says({"detail": f"bad {KEY} {HEADER} {GIVEN} {TOKEN}"}, 400),
        says({"detail": f"bad {KEY} {HEADER} {GIVEN} {TOKEN}"}, 500),
        ValueError(f"bad {KEY}"),
    ],
    ids=["4xx", "5xx", "crash"],
)
async def test_a_server_that_quotes_it_in_its_refusal_is_not_repeated(tmp_path, refused, log):
    settings, seen = settings_for(tmp_path, database={"url": "sqlite://"}), Seen()
    async with served(FakeStack().on("POST", "/v1/responses", refused), settings) as app:
        made, body = await ask(app, "POST", TURNS, QUERY, BROUGHT)
        seen.answered("a turn", made, body)

    seen.files(tmp_path)
    assert made.status >= 400
    assert seen.secrets(SECRETS) == []
    if not isinstance(refused, ValueError):
        seen.add("log", rendered(log))
        assert seen.secrets(SECRETS) == []


# What does not work.


async def test_a_redis_that_is_not_there_is_told_without_its_password(log):
    url = f"redis://default:{REDIS}@127.0.0.1:1/0"
    async with application(Script(answer("Hi")), redis={"url": url}) as app:
        made, body = await app.ask("POST", TURNS, QUERY)

    assert made.status == 503
    assert REDIS not in body.decode() + rendered(log)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://joe:{DATABASE}@127.0.0.1:1/turnstile",
        f"postgresql://joe:{DATABASE}@127.0.0.1:99999/turnstile",
        f"postgresql://joe:{DATABASE}@[::1/turnstile",
        f"mysql://joe:{DATABASE}@127.0.0.1/turnstile",
        f"postgresql://joe:{DATABASE}@127.0.0.1/turnstile?sslmode={DATABASE}",
        DATABASE,
    ],
)
async def test_a_database_that_is_not_there_is_told_without_its_password(url, log, tmp_path):
    chosen = Settings(database={"url": url, "start_timeout_s": 0.01, "timeout_s": 0.2}).database
    with pytest.raises(ServiceError) as refused:
        await open_sql_database(chosen).prepare()

    told = f"{refused.value!r} {refused.value.cause} {rendered(log)}"
    assert DATABASE not in told


WRONG_SETTINGS = [
    ("TURNSTILE_AUTHENTICATION_TICKET_SECRET", "s3cret"),
    ("TURNSTILE_UPSTREAM_API_KEY", "s3cret\n"),
    ("TURNSTILE_MCP_SERVERS", "[{s3cret"),
    ("TURNSTILE_MCP_SERVERS", json.dumps([SERVER | {"headers": {"X-Own": "s3cret\n"}}])),
    ("TURNSTILE_MCP_SERVERS", json.dumps([SERVER | {"headers": ["s3cret"]}])),
    ("TURNSTILE_API_KEYS", json.dumps([{"name": "joe", "hash": "s3cret"}])),
    ("TURNSTILE_DATABASE_TIMEOUT_S", "s3cret"),
]


@pytest.mark.parametrize(("name", "value"), WRONG_SETTINGS)
def test_a_setting_that_is_wrong_is_told_without_its_value(name, value, monkeypatch):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsInvalid) as refused:
        read_settings({})

    assert "s3cret" not in f"{refused.value!r} {refused.value.cause}"
    assert name.split("_")[1].lower() in refused.value.cause
