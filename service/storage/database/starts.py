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
    asked = _asked(turn.user, allowed, now_ms)
    started = {**asked, "of_turn": turn.request_id, "now_ms": now_ms}
    if not (await connection.execute(_START, started)).rowcount:
        last_ms = await connection.scalar(_LAST_ALLOWED, asked)
        raise _exceeded(allowed, last_ms, now_ms)


async def look(connection: AsyncConnection, user: str, allowed: int, now_ms: int) -> None:
    """Do nothing where a user could start one more turn now.

    Raises:
        RateExceeded: see `start`.
    """
    last_ms = await connection.scalar(_LAST_ALLOWED, _asked(user, allowed, now_ms))
    if last_ms is not None:
        raise _exceeded(allowed, last_ms, now_ms)


async def take_back(connection: AsyncConnection, request_id: str) -> None:
    """Count a turn no more that will not run."""
    await connection.execute(_NOT_STARTED, {"of_turn": request_id})


async def clear(connection: AsyncConnection, user: str, now_ms: int) -> None:
    """Forget what a user has started long ago."""
    long_ago = {"of_user": user, "since_ms": now_ms - _MINUTE_MS}
    await connection.execute(_LONG_STARTED, long_ago)


def _asked(user: str, allowed: int, now_ms: int) -> dict[str, object]:
    return {"of_user": user, "since_ms": now_ms - _MINUTE_MS, "allowed": allowed - 1}


def _exceeded(allowed: int, last_ms: int | None, now_ms: int) -> RateExceeded:
    """Return when there is room again: when the one that must be older is a minute old."""
    since_ms = now_ms - _MINUTE_MS
    wait_s = max(1, -((since_ms - (last_ms or since_ms)) // 1_000))
    return RateExceeded(f"No more than {allowed} turns in a minute.", wait_s)


def _lock_of(user: str) -> int:
    digest = hashlib.sha256(b"turnstile" + user.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], signed=True)
