"""What is kept when a turn has ended: its outcome, and where its conversation goes on.

1. A conversation is locked before its turns, here and wherever either goes, and what is left of
   quotas last: so nobody waits for each other in a circle.
2. A turn that was taken for lost, and was not, may still say how it has ended. It counts once.
3. A thread is kept only if it has seen every turn that is told: of two turns at the same time
   neither has heard of the other.
4. Who drives a turn says what becomes of the thread that it came from. When that process has died
   the thread stays with the turn, and goes with it, or is handed out to the heir.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Row, bindparam, case, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain import Leavings, Thread, TurnRecord
from service.storage.database.paused import pause
from service.storage.database.rows import (
    model_column,
    outcome_of,
    thread_column,
    thread_from,
    to_s,
    turn_from,
)
from service.storage.database.tables import conversations, turns
from statemachine import estimate_tokens

_LOST_OUTCOME, _LOST_CODE = "error", "owner_lost"
_LOST_AT_ONCE = 100

type Values = Mapping[str, object]

_of_turn = turns.c.request_id == bindparam("of_turn")
_of_process = turns.c.process == bindparam("of_process")
_runs = turns.c.outcome.is_(None)
_forsaken = turns.c.touched_ms < bindparam("before_ms")

_END = update(turns).where(_of_turn, _of_process, _runs)
_INHERIT = update(turns).where(_of_turn, _runs)
_CORRECT = update(turns).where(_of_turn, _of_process, turns.c.code == _LOST_CODE)
_CAME_FROM = select(turns.c.came_from).where(_of_turn)
_STANDS = select(
    turns.c.code,
    turns.c.process,
    turns.c.ended_ms,
    (turns.c.input_tokens + turns.c.output_tokens).label("charged"),
).where(_of_turn)

_ANY_LOST = select(turns.c.request_id).where(_runs, _forsaken).limit(1)
_FORSAKEN = (
    select(turns.c.conversation_id)
    .where(_runs, _forsaken)
    .order_by(turns.c.touched_ms)
    .limit(_LOST_AT_ONCE)
)
_QUIET = (
    select(conversations.c.conversation_id)
    .where(conversations.c.conversation_id.in_(_FORSAKEN))
    .order_by(conversations.c.conversation_id)
    # Where another process is at work there is time until the next look.
    .with_for_update(skip_locked=True)
)
_LOST = (
    select(turns)
    .where(_runs, _forsaken, turns.c.conversation_id.in_(bindparam("quiet", expanding=True)))
    .order_by(turns.c.request_id)
    .with_for_update()
)

_of_conversation = conversations.c.conversation_id == bindparam("of_conversation")
_BEFORE = (
    select(conversations.c.version, conversations.c.thread)
    .where(_of_conversation)
    .with_for_update()
)
_last_ms = bindparam("ended_ms", type_=conversations.c.last_ms.type)
_GO_ON = (
    update(conversations)
    .where(_of_conversation)
    .values(
        version=conversations.c.version + bindparam("told"),
        message_count=conversations.c.message_count + bindparam("new"),
        model=func.coalesce(
            bindparam("other_model", type_=conversations.c.model.type), conversations.c.model
        ),
        last_ms=case((conversations.c.last_ms < _last_ms, _last_ms), else_=conversations.c.last_ms),
        thread=bindparam("next_thread"),
    )
)


class Ended(NamedTuple):
    """What came of keeping the end of a turn.

    `charged` is what was taken for its cost before, when it was taken for lost and was not.
    """

    unneeded: tuple[Thread, ...] = ()
    charged: int | None = None


async def end(
    connection: AsyncConnection, process: str, turn: TurnRecord, left: Leavings, expires_ms: int
) -> Ended | None:
    """Keep how a turn has ended; see `Turns.end`. None when it is not for `process` to say."""
    done = {**outcome_of(turn), "came_from": None}
    values = {**done, "of_turn": turn.request_id, "process": process}
    stood = await _locked(connection, turn.conversation_id)
    if stood is None:
        return None
    orphaned = await _orphaned(connection, turn) if left.inherited else ()
    is_new, charged = await _say(connection, values, inherited=left.inherited), None
    if not is_new:
        row = (await connection.execute(_STANDS, {"of_turn": turn.request_id})).one_or_none()
        if row is None:
            return None
        if (row.process, row.ended_ms) == (process, values["ended_ms"]):
            # This has been done, and who did it was not told.
            return Ended()
        if not await _correct(connection, row, values, may=left.inherited):
            return None
        charged = row.charged
    if left.paused is not None:
        await pause(connection, left.paused, turn.request_id, expires_ms)
    unneeded = await _go_on(connection, turn, left, stood, is_new=is_new)
    return Ended((*orphaned, *unneeded), charged)


async def lose(connection: AsyncConnection, before_ms: int, now_ms: int) -> Sequence[TurnRecord]:
    """End turns that nobody has touched since a time; see `Turns.abandoned`."""
    quiet = (await connection.execute(_QUIET, {"before_ms": before_ms})).scalars().all()
    rows = await connection.execute(_LOST, {"before_ms": before_ms, "quiet": quiet})
    lost = [_lost(turn_from(row), now_ms) for row in rows]
    for turn in lost:
        values = {**outcome_of(turn), "of_turn": turn.request_id}
        await _say(connection, values, inherited=True)
        stood = await _locked(connection, turn.conversation_id)
        if stood is not None:
            await _go_on(connection, turn, Leavings(), stood, is_new=True)
    return lost


async def any_lost(connection: AsyncConnection, before_ms: int) -> bool:
    """Tell whether there are such turns."""
    return await connection.scalar(_ANY_LOST, {"before_ms": before_ms}) is not None


async def _locked(
    connection: AsyncConnection, conversation_id: str
) -> Row[*tuple[Any, ...]] | None:
    """Return where a conversation stands, which nobody else changes from now on."""
    found = await connection.execute(_BEFORE, {"of_conversation": conversation_id})
    return found.one_or_none()


async def _orphaned(connection: AsyncConnection, turn: TurnRecord) -> tuple[Thread, ...]:
    """Return the thread that a turn came from, of which its process says nothing any more."""
    kept = await connection.scalar(_CAME_FROM, {"of_turn": turn.request_id})
    return tuple(filter(None, [thread_from(kept)]))


async def _say(connection: AsyncConnection, values: Values, *, inherited: bool) -> bool:
    """Say how a turn has ended, if it runs and is this process's; tells whether it was."""
    if inherited:
        return bool((await connection.execute(_INHERIT, values)).rowcount)
    own = {**values, "of_process": values["process"]}
    return bool((await connection.execute(_END, own)).rowcount)


async def _correct(
    connection: AsyncConnection, row: Row[*tuple[Any, ...]], values: dict[str, object], *, may: bool
) -> bool:
    """Say how a turn has ended that was taken for lost; `may` allows that to any process."""
    if row.process != values["process"] and not may:
        return False
    corrected = await connection.execute(_CORRECT, {**values, "of_process": row.process})
    return bool(corrected.rowcount)


async def _go_on(
    connection: AsyncConnection,
    turn: TurnRecord,
    left: Leavings,
    stood: Row[*tuple[Any, ...]],
    *,
    is_new: bool,
) -> tuple[Thread, ...]:
    """Let the conversation of a turn go on; returns threads that nobody needs any more."""
    before = thread_from(stood.thread)
    thread = _thread(turn, left, stood.version, before)
    await connection.execute(
        _GO_ON,
        {
            "of_conversation": turn.conversation_id,
            "told": int(turn.told),
            "new": int(is_new and turn.key == turn.request_id),
            "other_model": model_column(left.model),
            "ended_ms": outcome_of(turn)["ended_ms"],
            "next_thread": thread_column(thread),
        },
    )
    had = dict.fromkeys((before, left.thread))
    return tuple(each for each in had if each is not None and each != thread)


def _thread(turn: TurnRecord, left: Leavings, version: int, before: Thread | None) -> Thread | None:
    """Return where a conversation goes on that went on at `before`."""
    if left.thread is not None and left.version == version:
        return left.thread
    return None if turn.told else before


def _lost(turn: TurnRecord, now_ms: int) -> TurnRecord:
    """Return how a turn has ended whose process has died; what it cost is a guess."""
    return replace(
        turn,
        outcome=_LOST_OUTCOME,
        code=_LOST_CODE,
        told=bool(turn.answer),
        input_tokens=estimate_tokens(turn.question),
        output_tokens=estimate_tokens(turn.answer),
        usage="estimated",
        ended_at=to_s(now_ms),
    )
