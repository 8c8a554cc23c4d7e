"""Conversations as they are listed, opened, named and deleted.

A conversation is locked before its turns, here and wherever turns begin and end.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain import ConversationNote, ConversationPage, Deleted, Thread, TurnPage
from service.errors import ConversationUnknown, StorageUnavailable
from service.storage.database.cursors import Place, cursor_of, place_of
from service.storage.database.engine import SqlDatabase
from service.storage.database.paused import abandoned
from service.storage.database.rows import from_json, note_from, to_ms, turn_from
from service.storage.database.tables import conversations, paused_turns, reservations, turns

_AT_ONCE = 200
"""How many turns are deleted in one transaction: others want to write as well."""

_conversations, _turns = conversations.c, turns.c
type _Row = Row[*tuple[Any, ...]]

_NOTE = (
    _conversations.conversation_id,
    _conversations.user,
    _conversations.title,
    _conversations.model,
    _conversations.created_ms,
    _conversations.last_ms,
    _conversations.message_count,
)
_FEWER = (
    update(conversations)
    .where(_conversations.conversation_id == bindparam("of_conversation"))
    .values(message_count=_conversations.message_count - bindparam("gone"))
)


class SqlConversations:
    """See `Conversations`."""

    def __init__(self, database: SqlDatabase, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def page(self, user: str | None, limit: int, cursor: str | None) -> ConversationPage:
        """See `Conversations.page`."""
        listed = f"conversations of {user!r}"
        asked = newest_conversations(user, limit, place_of(listed, cursor))
        async with self._database.reading() as connection:
            rows = (await connection.execute(asked)).all()
        shown = tuple(note_from(row) for row in rows[:limit])
        if len(rows) <= limit:
            return ConversationPage(shown)
        last = rows[limit - 1]
        return ConversationPage(shown, cursor_of(listed, Place(last.last_ms, last.conversation_id)))

    async def read(
        self, conversation_id: str, user: str | None, limit: int, cursor: str | None
    ) -> TurnPage:
        """See `Conversations.read`."""
        listed = f"turns of {conversation_id}"
        asked = select(*_NOTE).where(*_owned(conversation_id, user))
        async with self._database.reading() as connection:
            note = _known((await connection.execute(asked)).one_or_none())
            asked_turns = latest_turns(conversation_id, limit, place_of(listed, cursor))
            rows = (await connection.execute(asked_turns)).all()
        shown = tuple(turn_from(row) for row in reversed(rows[:limit]))
        if len(rows) <= limit:
            return TurnPage(note, shown)
        first = rows[limit - 1]
        return TurnPage(note, shown, cursor_of(listed, Place(first.began_ms, first.request_id)))

    async def rename(self, conversation_id: str, user: str | None, title: str) -> ConversationNote:
        """See `Conversations.rename`."""
        renamed = (
            update(conversations)
            .where(*_owned(conversation_id, user))
            .values(title=title, titled_by="user")
            .returning(*_NOTE)
        )
        async with self._database.writing() as connection:
            return _known((await connection.execute(renamed)).one_or_none())

    async def name(self, conversation_id: str, title: str) -> None:
        """See `Conversations.name`."""
        named = (
            update(conversations)
            .where(_conversations.conversation_id == conversation_id)
            .where(_conversations.titled_by != "user")
            .values(title=title, titled_by="summary")
        )
        async with self._database.writing() as connection:
            await connection.execute(named)

    async def delete(self, conversation_id: str, user: str | None) -> Deleted:
        """See `Conversations.delete`."""
        its = _turns.conversation_id == conversation_id
        its_turns = select(_turns.request_id).where(its)
        ordered = select(_turns.request_id, _turns.came_from).where(its).order_by(_turns.request_id)
        owned = select(_conversations.thread).where(*_owned(conversation_id, user))
        now_ms = to_ms(self._clock())
        async with self._database.writing() as connection:
            row = (await connection.execute(owned.with_for_update())).one_or_none()
            kept = _known_at_all(row).thread
            rows = (await connection.execute(ordered.with_for_update())).all()
            threads = _threads([kept, *(row.came_from for row in rows)])
            threads += await _forget_paused(connection, its_turns, now_ms)
            # What a running turn has reserved is spent: it goes on at the upstream.
            await connection.execute(
                delete(reservations).where(reservations.c.request_id.in_(its_turns))
            )
            await connection.execute(
                delete(conversations).where(_conversations.conversation_id == conversation_id)
            )
        return Deleted(tuple(threads), tuple(row.request_id for row in rows))

    async def expire(self, before: float) -> Sequence[Thread]:
        """See `Conversations.expire`."""
        before_ms, gone = to_ms(before), list[Thread]()
        deleted = _AT_ONCE
        while deleted == _AT_ONCE:
            try:
                async with self._database.writing() as connection:
                    deleted, threads = await self._expire_some(connection, before_ms)
            except StorageUnavailable:
                # What went before is gone, and only this list tells of its threads.
                if not gone:
                    raise
                return gone
            gone += threads
        return gone

    async def _expire_some(
        self, connection: AsyncConnection, before_ms: int
    ) -> tuple[int, list[Thread]]:
        """Delete the turns that ended longest ago, and the conversations that are empty then.

        Returns how many turns went, and the threads.
        """
        over = (
            select(_turns.request_id, _turns.conversation_id)
            .where(_turns.ended_ms < before_ms)
            .order_by(_turns.ended_ms)
            .limit(_AT_ONCE)
        )
        found = (await connection.execute(over)).all()
        quiet = await _lock_quiet(connection, {row.conversation_id for row in found})
        # Some may have gone before they were locked.
        columns = (_turns.request_id, _turns.conversation_id, _turns.key, _turns.came_from)
        those = select(*columns).where(
            _turns.request_id.in_([row.request_id for row in found]),
            _turns.conversation_id.in_(quiet),
        )
        rows = (await connection.execute(those)).all()
        if not rows:
            return 0, []
        ids = [row.request_id for row in rows]
        threads = _threads(row.came_from for row in rows)
        threads += await _forget_paused(connection, ids, to_ms(self._clock()))
        await connection.execute(delete(turns).where(_turns.request_id.in_(ids)))
        asked = Counter(row.conversation_id for row in rows if row.key == row.request_id)
        return len(rows), [*threads, *await _forget_empty(connection, quiet, asked)]


def newest_conversations(user: str | None, limit: int, after: Place | None) -> Select[Any]:
    """Return the question for the conversations after a place, and one more."""
    newest = (_conversations.last_ms, _conversations.conversation_id)
    asked = select(*_NOTE).order_by(*(each.desc() for each in newest)).limit(limit + 1)
    if user is not None:
        asked = asked.where(_conversations.user == user)
    if after is not None:
        asked = asked.where(tuple_(*newest) < (after.time_ms, after.id))
    return asked


def latest_turns(conversation_id: str, limit: int, before: Place | None) -> Select[Any]:
    """Return the question for the turns before a place, the newest first, and one more."""
    latest = (_turns.began_ms, _turns.request_id)
    asked = (
        select(turns)
        .where(_turns.conversation_id == conversation_id)
        .order_by(*(each.desc() for each in latest))
        .limit(limit + 1)
    )
    if before is not None:
        asked = asked.where(tuple_(*latest) < (before.time_ms, before.id))
    return asked


def _owned(conversation_id: str, user: str | None) -> list[ColumnElement[bool]]:
    owned = [_conversations.conversation_id == conversation_id]
    return owned if user is None else [*owned, _conversations.user == user]


def _known(row: _Row | None) -> ConversationNote:
    return note_from(_known_at_all(row))


def _known_at_all(row: _Row | None) -> _Row:
    if row is None:
        raise ConversationUnknown
    return row


async def _forget_paused(
    connection: AsyncConnection, ids: Iterable[str] | Select[tuple[str]], now_ms: int
) -> list[Thread]:
    """Delete what waits of some turns; returns the threads that nothing else needs."""
    those = paused_turns.c.request_id.in_(ids)
    free = abandoned(now_ms).label("free")
    asked = select(paused_turns.c.thread, free).where(those).with_for_update()
    found = await connection.execute(asked)
    threads = _threads(row.thread for row in found if row.free)
    await connection.execute(delete(paused_turns).where(those))
    return threads


async def _lock_quiet(connection: AsyncConnection, conversation_ids: Iterable[str]) -> list[str]:
    """Lock those of some conversations in which nobody does anything now, and return them."""
    quiet = await connection.execute(
        select(_conversations.conversation_id)
        .where(_conversations.conversation_id.in_(sorted(conversation_ids)))
        .order_by(_conversations.conversation_id)
        .with_for_update(skip_locked=True)
    )
    return list(quiet.scalars())


async def _forget_empty(
    connection: AsyncConnection, conversation_ids: Sequence[str], asked: Counter[str]
) -> list[Thread]:
    """Delete those of some conversations that have no turns, and count what others still have."""
    those = _conversations.conversation_id.in_(conversation_ids)
    others = select(_turns.request_id).where(
        _turns.conversation_id == _conversations.conversation_id
    )
    gone = await connection.execute(
        delete(conversations).where(those, ~others.exists()).returning(_conversations.thread)
    )
    threads = _threads(gone.scalars())
    if asked:
        fewer = [{"of_conversation": each, "gone": asked[each]} for each in asked]
        await connection.execute(_FEWER, fewer)
    return threads


def _threads(kept: Iterable[str | None]) -> list[Thread]:
    return [from_json(each, Thread) for each in kept if each is not None]
