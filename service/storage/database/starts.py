"""How many turns a user has started in the last minute; turns themselves can be deleted."""

import hashlib

from sqlalchemy import bindparam, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain import TurnRecord
from service.errors import RateExceeded
from service.storage.database.tables import starts

_MINUTE_MS = 60_000

_LOCK_USER = select(func.pg_advisory_xact_lock(bindparam("user_lock")))
# Of the turns that the user has started in the last minute, the one that must be older for another.
_LAST_ALLOWED = (
    select(starts.c.started_ms)
    .where(starts.c.user == bindparam("of_user"), starts.c.started_ms > bindparam("since_ms"))
    .order_by(starts.c.started_ms.desc())
    .limit(1)
    .offset(bindparam("allowed"))
)
_START = insert(starts).from_select(
    ["request_id", "user", "started_ms"],
    select(
        bindparam("of_turn", type_=starts.c.request_id.type),
        bindparam("of_user", type_=starts.c.user.type),
        bindparam("now_ms", type_=starts.c.started_ms.type),
    ).where(~_LAST_ALLOWED.exists()),
)
_NOT_STARTED = delete(starts).where(starts.c.request_id == bindparam("of_turn"))
_LONG_STARTED = delete(starts).where(
    starts.c.user == bindparam("of_user"), starts.c.started_ms <= bindparam("since_ms")
)


async def start(connection: AsyncConnection, turn: TurnRecord, allowed: int, now_ms: int) -> None:
    """Let a user start one more turn; until that is kept, nobody else counts those of the user.

    What was started counts for a minute, also when it is deleted before.

    Raises:
        RateExceeded: there were too many in the last minute.
    """
    if connection.dialect.name == "postgresql":
        # SQLite has one writer.
        await connection.execute(_LOCK_USER, {"user_lock": _lock_of(turn.user)})
    since_ms = now_ms - _MINUTE_MS
    asked = {"of_user": turn.user, "since_ms": since_ms, "allowed": allowed - 1}
    started = {**asked, "of_turn": turn.request_id, "now_ms": now_ms}
    if not (await connection.execute(_START, started)).rowcount:
        last_ms = await connection.scalar(_LAST_ALLOWED, asked) or since_ms
        wait_s = max(1, -((since_ms - last_ms) // 1_000))
        raise RateExceeded(f"No more than {allowed} turns in a minute.", wait_s)


async def take_back(connection: AsyncConnection, request_id: str) -> None:
    """Count a turn no more that will not run."""
    await connection.execute(_NOT_STARTED, {"of_turn": request_id})


async def clear(connection: AsyncConnection, user: str, now_ms: int) -> None:
    """Forget what a user has started long ago."""
    long_ago = {"of_user": user, "since_ms": now_ms - _MINUTE_MS}
    await connection.execute(_LONG_STARTED, long_ago)


def _lock_of(user: str) -> int:
    digest = hashlib.sha256(b"turnstile" + user.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], signed=True)
