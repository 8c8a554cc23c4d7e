"""Conversations as turns go on with them: what was said, and where the upstream is."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain import Conversation, PastTurn, Thread
from service.errors import ConversationUnknown
from service.storage.database.rows import from_json, model_from
from service.storage.database.tables import conversations, turns
from service.storage.history import HistoryBounds

_STREAMS_PER_TURN = 4
"""How many streams are read for each turn that a history may hold: a turn that waits for its client
goes on in another one."""

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

# The newest streams, and how much is said in them and in those after them: what no bound would let
# through is not read.
_newest = (turns.c.began_ms.desc(), turns.c.request_id.desc())
_told = (
    select(
        turns.c.request_id,
        turns.c.key,
        turns.c.question,
        turns.c.answer,
        turns.c.began_ms,
        (func.length(turns.c.question) + func.length(turns.c.answer)).label("size"),
    )
    .where(turns.c.conversation_id == bindparam("conversation_id"), turns.c.told)
    .order_by(*_newest)
    .limit(bindparam("streams"))
    .subquery()
)
_order = (_told.c.began_ms.desc(), _told.c.request_id.desc())
_measured = select(_told, func.sum(_told.c.size).over(order_by=_order).label("so_far")).subquery()
_STREAMS = (
    select(_measured.c.request_id, _measured.c.key, _measured.c.question, _measured.c.answer)
    .where(_measured.c.so_far - _measured.c.size < bindparam("size"))
    .order_by(_measured.c.began_ms, _measured.c.request_id)
)


async def check(connection: AsyncConnection, conversation_id: str, user: str | None) -> None:
    """See `Turns.check`."""
    asked = {"conversation_id": conversation_id, "user": user}
    if await connection.scalar(_IS_THERE, asked) is None:
        raise ConversationUnknown


async def find(
    connection: AsyncConnection, conversation_id: str, user: str | None, bounds: HistoryBounds
) -> Conversation:
    """See `Turns.find`."""
    asked = {"conversation_id": conversation_id, "user": user}
    row = (await connection.execute(_CONVERSATION, asked)).one_or_none()
    if row is None:
        raise ConversationUnknown
    # Not before: a turn that ends in between is in the history then, but the version is older, so
    # that no thread is trusted that has missed it.
    streams = await connection.execute(
        _STREAMS,
        {
            "conversation_id": conversation_id,
            "streams": bounds.turns * _STREAMS_PER_TURN,
            "size": bounds.size_bytes,
        },
    )
    return Conversation(
        conversation_id,
        bounds.last(_joined(streams)),
        model_from(row.model),
        None if row.thread is None else from_json(row.thread, Thread),
        row.version,
        row.user,
    )


def _joined(streams: Iterable[Row[*tuple[Any, ...]]]) -> tuple[PastTurn, ...]:
    """Return turns, each where its last stream has ended; all that it has said is one answer."""
    told: dict[str, PastTurn] = {}
    for each in streams:
        before = told.pop(each.key, None)
        question = each.question if before is None else before.question
        said = (each.answer,) if before is None else (before.answer, each.answer)
        told[each.key] = PastTurn(each.key, question, "\n\n".join(filter(None, said)))
    return tuple(told.values())
