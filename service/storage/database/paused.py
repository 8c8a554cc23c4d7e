"""Paused turns that any process on one database lets go on.

1. Who answers claims the turn first, and begins a stream then. When that process dies in between,
   nothing is known of the stream: then the claim counts no more after a time.
2. One that is over can still be told from one that never was for an hour.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain import Answers, PausedTurn, Thread
from service.errors import AnswersDiffer, AnswerTooLate, NotAwaiting
from service.storage.database.engine import SqlDatabase
from service.storage.database.rows import from_json, to_json, to_ms
from service.storage.database.statements import insert
from service.storage.database.tables import paused_turns, turns

_KEPT_MS = 3_600_000
_AT_ONCE = 100
"""How many are given back, and how many forgotten, in one transaction."""

_paused = paused_turns.c


async def pause(
    connection: AsyncConnection, paused: PausedTurn, request_id: str, expires_ms: int
) -> None:
    """Let a turn wait for its answers; one that waits already waits anew."""
    fresh = {
        "conversation_id": paused.plan.conversation.conversation_id,
        "paused": to_json(paused),
        "thread": to_json(paused.thread),
        "expires_ms": expires_ms,
        "answers": None,
        "answered_by": None,
        "answered_ms": None,
        "collected": False,
    }
    kept = insert(connection, paused_turns).values(request_id=request_id, **fresh)
    await connection.execute(
        kept.on_conflict_do_update(index_elements=[_paused.request_id], set_=fresh)
    )


def unanswered(lost_ms: int) -> ColumnElement[bool]:
    """Return the condition that nobody has answered a turn.

    A stream that has answered it by `lost_ms` and has not begun never will.
    """
    begun = select(turns.c.request_id).where(turns.c.request_id == _paused.answered_by).exists()
    return or_(_paused.answered_by.is_(None), and_(_paused.answered_ms <= lost_ms, ~begun))


def abandoned(lost_ms: int) -> ColumnElement[bool]:
    """Return the condition that nobody but a turn that waits needs its thread; see `unanswered`."""
    return and_(~_paused.collected, unanswered(lost_ms))


class SqlPausedTurns:
    """See `PausedTurns`.

    `wait_s` is how long a turn waits, `begins_s` how long a stream that has answered it may take
    to begin.
    """

    def __init__(
        self,
        database: SqlDatabase,
        wait_s: float,
        begins_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._wait_s = wait_s
        self._begins_ms = to_ms(begins_s)
        self._clock = clock

    async def find(self, request_id: str) -> PausedTurn:
        """See `PausedTurns.find`."""
        now_ms = to_ms(self._clock())
        async with self._database.reading() as connection:
            found = await connection.execute(self._asked(request_id, now_ms, _paused.paused))
        return from_json(self._in_time(found.one_or_none(), now_ms).paused, PausedTurn)

    async def claim(self, request_id: str, answers: Answers, by: str) -> str:
        """See `PausedTurns.claim`."""
        now_ms, given = to_ms(self._clock()), _fingerprint(answers)
        asked = self._asked(request_id, now_ms, _paused.answers, _paused.answered_by)
        async with self._database.writing() as connection:
            found = await connection.execute(asked.with_for_update())
            row = self._in_time(found.one_or_none(), now_ms)
            if not row.unanswered:
                return _joined(row, given)
            await connection.execute(
                update(paused_turns)
                .where(_paused.request_id == request_id)
                .values(answers=given, answered_by=by, answered_ms=now_ms)
            )
        return by

    async def release(self, request_id: str, by: str) -> None:
        """See `PausedTurns.release`."""
        async with self._database.writing() as connection:
            await connection.execute(
                update(paused_turns)
                .where(_paused.request_id == request_id, _paused.answered_by == by)
                .values(answers=None, answered_by=None, answered_ms=None)
            )

    async def expired(self) -> Sequence[Thread]:
        """See `PausedTurns.expired`."""
        now_ms = to_ms(self._clock())
        over = (
            select(_paused.request_id)
            .where(_paused.expires_ms <= now_ms, abandoned(now_ms - self._begins_ms))
            .order_by(_paused.expires_ms)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        async with self._database.writing() as connection:
            gone = await connection.execute(
                update(paused_turns)
                .where(_paused.request_id.in_(over))
                .values(collected=True)
                .returning(_paused.thread)
            )
            threads = [from_json(each, Thread) for each in gone.scalars()]
            await self._forget(connection, now_ms)
        return threads

    async def _forget(self, connection: AsyncConnection, now_ms: int) -> None:
        """Delete some of those that are long over, and whose threads are not needed."""
        long_over = (
            select(_paused.request_id)
            .where(_paused.expires_ms <= now_ms - _KEPT_MS, ~abandoned(now_ms - self._begins_ms))
            .order_by(_paused.expires_ms)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        await connection.execute(delete(paused_turns).where(_paused.request_id.in_(long_over)))

    def _asked(
        self, request_id: str, now_ms: int, *columns: ColumnElement[Any]
    ) -> Select[tuple[Any, ...]]:
        free = unanswered(now_ms - self._begins_ms).label("unanswered")
        return select(_paused.expires_ms, free, *columns).where(_paused.request_id == request_id)

    def _in_time(self, row: Row[*tuple[Any, ...]] | None, now_ms: int) -> Row[*tuple[Any, ...]]:
        """Return a turn that waits or was answered.

        Raises:
            NotAwaiting: there is none.
            AnswerTooLate: nobody has answered it in time.
        """
        if row is None:
            raise NotAwaiting("It did not end in awaiting_input, or it is no longer kept.")
        if row.unanswered and row.expires_ms <= now_ms:
            raise AnswerTooLate(f"Answers were taken for {self._wait_s:g} s.")
        return row


def _joined(row: Row[*tuple[Any, ...]], given: str) -> str:
    """Return the stream that a turn goes on in, for who gives the same answers.

    Raises:
        AnswersDiffer: these are others.
    """
    if row.answers != given:
        raise AnswersDiffer("Other answers came first; the turn goes on with those.")
    first: str = row.answered_by
    return first


def _fingerprint(answers: Answers) -> str:
    """Return what only the same answers have; what a result says need not be kept for that."""
    return hashlib.sha256(to_json(answers).encode("utf-8", "surrogatepass")).hexdigest()
