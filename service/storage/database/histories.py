"""Conversations as turns go on with them: what was said, and where the upstream is."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, Text, bindparam, or_, select, tuple_, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain import Conversation, PastTurn, Thread
from service.errors import ConversationUnknown
from service.storage.database.rows import from_json, model_from
from service.storage.database.tables import conversations, turns
from service.storage.database.texts import said
from service.storage.history import HistoryBounds

_STREAMS_PER_TURN = 4
"""How many streams are read for each turn that a history may hold: a turn that waits for its client
goes on in another one."""

_TURNS_BETWEEN = 16
"""How many turns may stand between two streams of one, so that both are read for certain."""

_STREAMS_AT_ONCE = 64
_LAST_MS = 2**62

_of_conversation = conversations.c.conversation_id == bindparam("conversation_id")
_of_user = or_(
    bindparam("user", type_=conversations.c.user.type).is_(None),
    conversations.c.user == bindparam("user"),
)

_IS_THERE = select(conversations.c.version).where(_of_conversation, _of_user)
_CONVERSATION = select(
    conversations.c.user,
    conversations.c.model,
    conversations.c.thread,
    conversations.c.version,
).where(_of_conversation, _of_user)

# The newest streams before a place. Their text is taken as it is kept: to unpack each of so many
# columns by its type costs as much as to read them.
_STREAMS = (
    select(
        turns.c.request_id,
        turns.c.key,
        type_coerce(turns.c.question, Text).label("question"),
        type_coerce(turns.c.answer, Text).label("answer"),
        turns.c.began_ms,
    )
    .where(
        turns.c.conversation_id == bindparam("conversation_id"),
        turns.c.told,
        tuple_(turns.c.began_ms, turns.c.request_id)
        < tuple_(bindparam("before_ms"), bindparam("before_id")),
    )
    .order_by(turns.c.began_ms.desc(), turns.c.request_id.desc())
    .limit(_STREAMS_AT_ONCE)
)

type _Stream = Row[*tuple[Any, ...]]


async def check(connection: AsyncConnection, conversation_id: str, user: str | None) -> None:
    """See `Turns.check`."""
    asked = {"conversation_id": conversation_id, "user": user}
    if await connection.scalar(_IS_THERE, asked) is None:
        raise ConversationUnknown


async def find(connection: AsyncConnection, conversation_id: str, user: str | None) -> Conversation:
    """See `Turns.find`."""
    asked = {"conversation_id": conversation_id, "user": user}
    row = (await connection.execute(_CONVERSATION, asked)).one_or_none()
    if row is None:
        raise ConversationUnknown
    return Conversation(
        conversation_id,
        model_from(row.model),
        None if row.thread is None else from_json(row.thread, Thread),
        row.version,
        row.user,
    )


async def last(
    connection: AsyncConnection, conversation_id: str, bounds: HistoryBounds
) -> tuple[PastTurn, ...]:
    """See `Turns.history`."""
    streams = await _streams(connection, conversation_id, bounds)
    return bounds.last(_joined(reversed(streams)))


async def _streams(
    connection: AsyncConnection, conversation_id: str, bounds: HistoryBounds
) -> list[_Stream]:
    """Return the last streams that are told, the newest first: at least those that fit."""
    streams: list[_Stream] = []
    place: dict[str, object] = {"before_ms": _LAST_MS, "before_id": ""}
    size, keys = 0, set[str]()
    while (
        size < bounds.size_bytes
        and len(streams) < bounds.turns * _STREAMS_PER_TURN
        and len(keys) < bounds.turns + _TURNS_BETWEEN
    ):
        asked = {"conversation_id": conversation_id, **place}
        page = (await connection.execute(_STREAMS, asked)).all()
        streams += page
        keys.update(each.key for each in page)
        if len(page) < _STREAMS_AT_ONCE:
            break
        size += sum(len(each.question) + len(each.answer) for each in page)
        place = {"before_ms": page[-1].began_ms, "before_id": page[-1].request_id}
    return streams


def _joined(streams: Iterable[_Stream]) -> tuple[PastTurn, ...]:
    """Return turns, each where its last stream has ended; all that it has said is one answer."""
    told: dict[str, PastTurn] = {}
    for _, key, question, answer, _ in streams:
        before = told.pop(key, None)
        if before is None:
            told[key] = PastTurn(key, said(question), said(answer))
        else:
            both = "\n\n".join(filter(None, (before.answer, said(answer))))
            told[key] = replace(before, answer=both)
    return tuple(told.values())
