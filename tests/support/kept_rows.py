"""Conversations and turns as a database keeps them, put there without running any."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table, func, insert, select

from service.domain import Conversation, PausedTurn, Plan, Thread
from service.storage.database.engine import SqlDatabase
from service.storage.database.paused import pause
from service.storage.database.rows import to_json
from service.storage.database.tables import conversations, turns
from statemachine import Call


def thread_of(name: str) -> Thread:
    """Return a thread that is told from others by its name."""
    return Thread("responses", (name,))


def paused_turn(name: str, conversation_id: str = "conversation") -> PausedTurn:
    """Return a turn that waits for the result of a tool."""
    plan = Plan("Hi", Conversation(conversation_id))
    call = Call("c1", "add", "{}")
    return PausedTurn(name, plan, thread_of(name), "t1", (call,), frozenset({name}))


async def put_conversation(
    database: SqlDatabase,
    conversation_id: str,
    user: str = "alice",
    *,
    at_s: float = 1.0,
    **fields: Any,  # columns
) -> None:
    """Keep a conversation that was last used at a time."""
    row: dict[str, Any] = {
        "conversation_id": conversation_id,
        "user": user,
        "title": f"About {conversation_id}",
        "created_ms": 0,
        "last_ms": int(at_s * 1_000),
    }
    async with database.writing() as connection:
        await connection.execute(insert(conversations).values(row | fields))


async def put_turn(
    database: SqlDatabase,
    request_id: str,
    conversation_id: str,
    user: str = "alice",
    *,
    ended_s: float | None = 1.0,
    **fields: Any,  # columns
) -> None:
    """Keep a turn that ended at a time, or runs; it took no time."""
    row = _turn(request_id, conversation_id, user, ended_s)
    async with database.writing() as connection:
        await connection.execute(insert(turns).values(row | fields))


async def put_turns(database: SqlDatabase, conversation_id: str, ended_s: Iterable[float]) -> None:
    """Keep turns that ended at some times, at once; their ids begin with the conversation's."""
    rows = [
        _turn(f"{conversation_id}-{number}", conversation_id, "alice", at_s)
        for number, at_s in enumerate(ended_s)
    ]
    async with database.writing() as connection:
        await connection.execute(insert(turns), rows)


async def put_paused(
    database: SqlDatabase,
    request_id: str,
    conversation_id: str = "conversation",
    *,
    expires_s: float,
) -> PausedTurn:
    """Let a turn wait until a time; its thread has its name."""
    paused = paused_turn(request_id, conversation_id)
    async with database.writing() as connection:
        await pause(connection, paused, request_id, int(expires_s * 1_000))
    return paused


async def count(database: SqlDatabase, table: Table) -> int:
    """Return how many rows a table has."""
    async with database.reading() as connection:
        found = await connection.execute(select(func.count()).select_from(table))
        rows: int = found.scalar_one()
        return rows


def kept_thread(name: str) -> str:
    """Return a thread as a column has it."""
    return to_json(thread_of(name))


def _turn(
    request_id: str, conversation_id: str, user: str, ended_s: float | None
) -> dict[str, Any]:
    at_ms = int((ended_s or 0.0) * 1_000)
    return {
        "request_id": request_id,
        "conversation_id": conversation_id,
        "user": user,
        "key": request_id,
        "process": "p",
        "touched_ms": at_ms,
        "question": f"What is {request_id}?",
        "answer": f"It is {request_id}.",
        "outcome": None if ended_s is None else "end",
        "began_ms": at_ms,
        "ended_ms": None if ended_s is None else at_ms,
    }
