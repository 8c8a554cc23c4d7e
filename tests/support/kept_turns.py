"""What a database file holds, as any other program sees it; and a file that somebody else holds."""

import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio

from tests.support.applications import events

type Row = Mapping[str, Any]

_LISTS = frozenset(
    {"attachments", "tool_calls", "tool_results", "shields", "referenced_documents", "rag_chunks"}
)


def address(path: Path) -> str:
    """Return the address of a database file."""
    return f"sqlite:///{path}"


def on_file(path: Path, **settings: object) -> dict[str, Any]:
    """Return the settings of an application whose database is a file."""
    return {"database": {"url": address(path), **settings}}


def kept_turns(path: Path) -> list[Row]:
    """Return the turns that a file holds, in the order in which they began."""
    return [_row(each) for each in _rows(path, "SELECT * FROM turns ORDER BY began_ms, rowid")]


def kept_conversations(path: Path) -> list[Row]:
    """Return the conversations that a file holds."""
    return [dict(each) for each in _rows(path, "SELECT * FROM conversations ORDER BY created_ms")]


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Keep everybody else from writing, as a process does that stands still while it writes."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                # Who writes needs this event loop to come to an end.
                await anyio.sleep(0.001)
            else:
                break
        yield
        connection.execute("ROLLBACK")


def told(body: bytes) -> dict[str, Any]:
    """Return what a native stream says of its turn, by the names of the columns."""
    said = events(body)
    last = said[-1]
    found = {
        "outcome": last["event"],
        "answer": _answer(said),
        "tool_calls": _of(said, "tool_call"),
        "tool_results": _of(said, "tool_result"),
        "shields": _of(said, "shield"),
    }
    named = ("code", "finish_reason", "truncated", "input_tokens", "output_tokens", "usage")
    found |= {each: last["data"][each] for each in named if each in last["data"]}
    return found | _documents(last["data"])


def agrees(row: Row, said: Mapping[str, Any]) -> bool:
    """Tell whether what is kept of a turn is what its stream has said."""
    return said == {name: row[name] for name in said}


def _answer(said: list[dict[str, Any]]) -> str:
    """Return what a turn has said; at its end it may say something else, which counts then."""
    whole = [each["data"]["token"] for each in said if each["event"] == "turn_complete"]
    pieces = (each["data"]["token"] for each in said if each["event"] == "token")
    return whole[-1] if whole else "".join(pieces)


def _documents(data: Row) -> dict[str, Any]:
    lists = ("referenced_documents", "rag_chunks")
    return {each: data[each] for each in lists if each in data}


def _of(said: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    found = [dict(each["data"]) for each in said if each["event"] == name]
    for each in found:
        del each["id"]
    return found


def _rows(path: Path, query: str) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(query).fetchall()


def _row(row: sqlite3.Row) -> Row:
    values = dict(row)
    values["truncated"] = bool(values["truncated"])
    return values | {name: json.loads(values[name]) for name in _LISTS}
