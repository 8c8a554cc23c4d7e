"""Claims that all processes on one database respect."""

import time
from collections.abc import Callable

from sqlalchemy import case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain import Handover
from service.storage.database.engine import SqlDatabase
from service.storage.database.statements import insert
from service.storage.database.tables import claims

SWEPT_LIMIT = 1_000
"""How many that are over are deleted at once."""

_SWEEP_S = 1.0
"""How often a process looks for them, at most."""


class SqlClaims:
    """See `Claims`; a claim is a row, and one that is over is as if it were not there."""

    def __init__(self, database: SqlDatabase, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._swept_at = 0.0

    async def claim(self, key: str, holder: str, ttl_s: float) -> str:
        """See `Claims.claim`."""
        now_ms = self._now_ms()
        await self._sweep(now_ms)
        async with self._database.writing() as connection:
            fresh = insert(connection, claims).values(
                key=key, holder=holder, expires_ms=_end_ms(now_ms, ttl_s)
            )
            over = claims.c.expires_ms <= now_ms
            # What is there is written again, because only a row that was written is returned.
            claimed = await connection.execute(
                fresh.on_conflict_do_update(
                    index_elements=[claims.c.key],
                    set_={
                        "holder": case((over, fresh.excluded.holder), else_=claims.c.holder),
                        "expires_ms": case(
                            (over, fresh.excluded.expires_ms), else_=claims.c.expires_ms
                        ),
                    },
                ).returning(claims.c.holder)
            )
            held: str = claimed.scalar_one()
        return held

    async def replace(self, key: str, holder: str, successor: str, ttl_s: float) -> bool:
        """See `Claims.replace`."""
        handover, now_ms = Handover(key, holder, successor, ttl_s), self._now_ms()
        async with self._database.writing() as connection:
            return await hand_over(connection, handover, now_ms)

    async def release(self, key: str, holder: str) -> None:
        """See `Claims.release`."""
        async with self._database.writing() as connection:
            await connection.execute(
                delete(claims).where(claims.c.key == key, claims.c.holder == holder)
            )

    async def _sweep(self, now_ms: int) -> None:
        """Delete what is over, now and then."""
        now = self._clock()
        if abs(now - self._swept_at) < _SWEEP_S:
            return
        self._swept_at = now
        over = (
            select(claims.c.key)
            .where(claims.c.expires_ms <= now_ms)
            .order_by(claims.c.expires_ms)
            .limit(SWEPT_LIMIT)
            # What another process is about to delete, or to claim, is no business of this one.
            .with_for_update(skip_locked=True)
        )
        async with self._database.writing() as connection:
            await connection.execute(delete(claims).where(claims.c.key.in_(over)))

    def _now_ms(self) -> int:
        return int(self._clock() * 1_000)


async def hand_over(connection: AsyncConnection, handover: Handover, now_ms: int) -> bool:
    """Give a claim to its next holder; returns whether it was still held by the last one."""
    held = (claims.c.key == handover.key, claims.c.holder == handover.holder)
    changed = await connection.execute(
        update(claims)
        .where(*held, claims.c.expires_ms > now_ms)
        .values(holder=handover.successor, expires_ms=_end_ms(now_ms, handover.ttl_s))
    )
    return changed.rowcount == 1


def _end_ms(now_ms: int, ttl_s: float) -> int:
    return now_ms + max(1, round(ttl_s * 1_000))
