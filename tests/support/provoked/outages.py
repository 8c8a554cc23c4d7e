"""What the service works with is not there: its database, what the processes share, itself."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.applications import application
from tests.support.described import Told, told_everywhere
from tests.support.kept_turns import on_file
from tests.support.provoked.situation import (
    ANSWER,
    DELETE,
    QUERIED,
    START,
    STOP,
    STOP_BY_BODY,
    ask,
    each_of,
    not_begun,
    situation,
)
from tests.support.upstreams import Script, ScriptedUpstream
from tests.support.waiting_turns import BOTH, WAITS

STORED = [each.route for each in told_everywhere() if each.code == "storage_unavailable"]
SHARED = (START, QUERIED, ANSWER, STOP, STOP_BY_BODY, DELETE)
ASKING = (START, QUERIED, ANSWER)
_NOWHERE = {"url": "redis://127.0.0.1:1/0", "timeout_s": 0.2}


def _without_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        tables = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for (name,) in tables:
            database.execute(f'DROP TABLE "{name}"')


@situation(*each_of(STORED, 503, "storage_unavailable"))
async def _a_database_that_has_lost_everything(place: Path) -> set[Told]:
    path = place / "turnstile.db"
    quota = {"name": "daily", "initial_tokens": 50_000}
    async with application(WAITS, token_quotas=[quota], **on_file(path)) as app:
        turn = await app.ended()
        _without_tables(path)
        return {await ask(app, route, turn=turn, body=_answering(route)) for route in STORED}


@situation(*each_of(SHARED, 503, "log_unavailable"))
async def _nothing_that_is_shared(place: Path) -> set[Told]:
    """The turn was begun by a process that had all for itself."""
    kept = on_file(place / "turnstile.db")
    async with application(WAITS, **kept) as alone:
        turn = await alone.ended()
    async with application(WAITS, redis=_NOWHERE, **kept) as app:
        return {await ask(app, route, turn=turn, body=_answering(route)) for route in SHARED}


def _answering(route: str) -> object:
    return BOTH if route == ANSWER else None


@situation(Told(START, 500, "internal_error"))
async def _a_bug(_: Path) -> set[Told]:
    async with application(Script(at_prepare=(ZeroDivisionError("a bug"),))) as app:
        return {await ask(app, START)}


@situation(*each_of(ASKING, 503, "stopping"), Told("GET /readyz", 503))
async def _a_process_that_stops(_: Path) -> set[Told]:
    async with application(WAITS) as app:
        turn = await app.ended()
        app.services.live.stop_all()
        found = {await ask(app, route, turn=turn, body=_answering(route)) for route in ASKING}
        return found | {await ask(app, "GET /readyz")}


@situation(Told("GET /livez", 503), Told("GET /readyz", 503))
async def _a_process_that_has_not_begun(_: Path) -> set[Told]:
    app = not_begun(ScriptedUpstream())
    return {await ask(app, "GET /livez"), await ask(app, "GET /readyz")}


OUTAGES = (
    _a_database_that_has_lost_everything,
    _nothing_that_is_shared,
    _a_bug,
    _a_process_that_stops,
    _a_process_that_has_not_begun,
)
