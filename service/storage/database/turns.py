"""Turns and where their conversations go on, shared by all processes on one database.

All processes must tell the same time, to within what `database.lease_s` leaves.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain import Conversation, Handover, Kept, Leavings, PastTurn, Thread, TurnRecord
from service.errors import ConversationUnknown, LogUnavailable
from service.settings.data import QuotaSettings
from service.storage.database import endings, histories, quotas, starts
from service.storage.database.claims import hand_over
from service.storage.database.engine import SqlDatabase
from service.storage.database.rows import columns_of, from_json, thread_column, to_ms, turn_from
from service.storage.database.tables import conversations, paused_turns, turns
from service.storage.history import HistoryBounds

_OWNERS_LIMIT = 10_000
_TITLE_CHARACTERS = 80

_of_turn = turns.c.request_id == bindparam("of_turn")
_of_conversation = conversations.c.conversation_id == bindparam("of_conversation")
_of_process = turns.c.process == bindparam("of_process")
_runs = turns.c.outcome.is_(None)

_OPEN = insert(conversations)
_USE = update(conversations).where(_of_conversation)
_planned = bindparam("planned", type_=conversations.c.thread.type)
_TAKE = _USE.where(conversations.c.thread.is_not_distinct_from(_planned))
_BEGIN = insert(turns)

_LOCK = select(conversations.c.version).where(_of_conversation).with_for_update()
_FORGET = delete(turns).where(_of_turn, _of_process, _runs).returning(turns.c.came_from)
_later = (
    select(turns.c.request_id)
    .where(
        turns.c.conversation_id == bindparam("of_conversation"),
        turns.c.told,
        turns.c.ended_ms > bindparam("began"),
    )
    .exists()
)
_GIVE_BACK = (
    update(conversations)
    .where(_of_conversation, conversations.c.thread.is_(None), ~_later)
    .values(thread=bindparam("given_back"))
)
_any_turn = select(turns.c.request_id).where(
    turns.c.conversation_id == conversations.c.conversation_id
)
_LEAVE = delete(conversations).where(_of_conversation, ~_any_turn.exists())

_CHECKPOINT = (
    update(turns)
    .where(_of_turn, _of_process, _runs)
    .values(answer=bindparam("said"), touched_ms=bindparam("now_ms"))
)
_KNOWN = select(turns).where(_of_turn)
# Not even read for others: that would take longer than finding nothing.
_KNOWN_TO = _KNOWN.where(turns.c.user == bindparam("of_user"))
_THREADS = select(conversations.c.thread).where(conversations.c.thread.is_not(None))
_TAKEN = select(turns.c.came_from).where(turns.c.came_from.is_not(None))
_WAITING = select(paused_turns.c.thread).where(
    paused_turns.c.answered_by.is_(None), ~paused_turns.c.collected
)


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """What bounds turns: see the settings of these names."""

    history: HistoryBounds
    lease_s: float
    answer_timeout_s: float
    turns_per_minute: int | None = None
    token_quotas: Sequence[QuotaSettings] = ()
    reserve_tokens: int = 0


class SqlTurns:
    """See `Turns`."""

    def __init__(
        self, database: SqlDatabase, limits: TurnLimits, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock
        self._owners: OrderedDict[str, str] = OrderedDict()

    async def check(self, conversation_id: str, user: str | None) -> None:
        """See `Turns.check`; whose a conversation is never changes, and is known for a while.

        Only to its owner, though: a stranger would be told by the time that it takes.
        """
        if user is not None and self._owners.get(conversation_id) == user:
            self._owners.move_to_end(conversation_id)
            return
        async with self._database.reading() as connection:
            await histories.check(connection, conversation_id, user)
        if user is not None:
            self._owners[conversation_id] = user
            while len(self._owners) > _OWNERS_LIMIT:
                self._owners.popitem(last=False)

    async def find(self, conversation_id: str, user: str | None) -> Conversation:
        """See `Turns.find`."""
        async with self._database.reading() as connection:
            return await histories.find(connection, conversation_id, user)

    async def history(self, conversation_id: str) -> Sequence[PastTurn]:
        """See `Turns.history`."""
        async with self._database.reading() as connection:
            return await histories.last(connection, conversation_id, self._limits.history)

    async def begin(
        self, turn: TurnRecord, *, opens: bool, tokens: int, key: Handover | None = None
    ) -> None:
        """See `Turns.begin`; a stream that resumes a turn is none that was started."""
        now_ms, limits = self._now_ms(), self._limits
        async with self._database.writing() as connection:
            if limits.turns_per_minute is not None and turn.resumes is None:
                await starts.start(connection, turn, limits.turns_per_minute, now_ms)
            turn = await _enter(connection, turn, now_ms, opens=opens)
            if key is not None and not await hand_over(connection, key, now_ms):
                raise LogUnavailable("The turn took too long to start.")
            needed = tokens + limits.reserve_tokens
            await quotas.reserve(
                connection, limits.token_quotas, turn.user, turn.request_id, needed, now_ms
            )
            own = {"process": self._database.process, "touched_ms": now_ms}
            await connection.execute(_BEGIN, {**columns_of(turn), **own})

    async def look(self, user: str, tokens: int) -> None:
        """See `Turns.look`."""
        now_ms, limits = self._now_ms(), self._limits
        async with self._database.reading() as connection:
            if limits.turns_per_minute is not None:
                await starts.look(connection, user, limits.turns_per_minute, now_ms)
            needed = tokens + limits.reserve_tokens
            await quotas.look(connection, limits.token_quotas, user, needed, now_ms)

    async def withdraw(self, turn: TurnRecord) -> None:
        """See `Turns.withdraw`; a thread that has missed a turn is not given back."""
        process, conversation = self._database.process, {"of_conversation": turn.conversation_id}
        async with self._database.writing() as connection:
            await connection.execute(_LOCK, conversation)
            own = {"of_turn": turn.request_id, "of_process": process}
            forgotten = (await connection.execute(_FORGET, own)).one_or_none()
            if forgotten is None:
                return
            # Where answers would go on, the thread waits with its turn.
            if forgotten.came_from is not None and turn.resumes is None:
                back = {"given_back": forgotten.came_from, "began": to_ms(turn.began_at)}
                await connection.execute(_GIVE_BACK, {**conversation, **back})
            await connection.execute(_LEAVE, conversation)
            # Accounts of quotas are locked last, wherever there are any.
            if self._limits.token_quotas:
                await quotas.release(connection, turn.request_id)
            if self._limits.turns_per_minute is not None:
                await starts.take_back(connection, turn.request_id)

    async def checkpoint(self, said: Mapping[str, str]) -> None:
        """See `Turns.checkpoint`."""
        own = {"of_process": self._database.process, "now_ms": self._now_ms()}
        rows = [{"of_turn": each, "said": said[each], **own} for each in sorted(said)]
        if rows:
            async with self._database.writing() as connection:
                await connection.execute(_CHECKPOINT, rows)

    async def end(self, turn: TurnRecord, left: Leavings) -> Kept | None:
        """See `Turns.end`."""
        now_ms, limits = self._now_ms(), self._limits.token_quotas
        expires_ms = now_ms + to_ms(self._limits.answer_timeout_s)
        process, left_over = self._database.process, dict[str, int]()
        async with self._database.writing() as connection:
            ended = await endings.end(connection, process, turn, left, expires_ms)
            if ended is not None and limits:
                if ended.charged is None:
                    await quotas.settle(connection, turn.request_id, _used(turn), now_ms, limits)
                else:
                    more = _used(turn) - ended.charged
                    await quotas.charge(connection, limits, turn.user, more, now_ms)
                left_over = await quotas.available(connection, limits, turn.user, now_ms)
            if self._limits.turns_per_minute is not None:
                # Not when a turn begins: people wait for that.
                await starts.clear(connection, turn.user, now_ms)
        return None if ended is None else Kept(ended.unneeded, left_over)

    async def available(self, user: str) -> Mapping[str, int]:
        """See `Turns.available`."""
        limits = self._limits.token_quotas
        if not limits:
            return {}
        async with self._database.reading() as connection:
            return await quotas.available(connection, limits, user, self._now_ms())

    async def abandoned(self) -> Sequence[TurnRecord]:
        """See `Turns.abandoned`; of many, some."""
        now_ms = self._now_ms()
        before_ms = now_ms - to_ms(self._limits.lease_s)
        async with self._database.reading() as connection:
            if not await endings.any_lost(connection, before_ms):
                return ()
        async with self._database.writing() as connection:
            lost = await endings.lose(connection, before_ms, now_ms)
            used = {each.request_id: _used(each) for each in lost}
            await quotas.settle_all(connection, used, now_ms, self._limits.token_quotas)
        return lost

    async def known(self, request_id: str, user: str | None) -> TurnRecord | None:
        """See `Turns.known`."""
        asked = _KNOWN if user is None else _KNOWN_TO
        named = {"of_turn": request_id} | ({} if user is None else {"of_user": user})
        async with self._database.reading() as connection:
            row = (await connection.execute(asked, named)).one_or_none()
        return None if row is None else turn_from(row)

    async def close(self) -> Sequence[Thread]:
        """See `Turns.close`: other processes find them all, and so does the next one."""
        if self._database.durable:
            return ()
        async with self._database.reading() as connection:
            kept = [
                *(await connection.execute(_THREADS)).scalars(),
                *(await connection.execute(_TAKEN)).scalars(),
                *(await connection.execute(_WAITING)).scalars(),
            ]
        return [from_json(each, Thread) for each in kept]

    def _now_ms(self) -> int:
        return to_ms(self._clock())


async def _enter(
    connection: AsyncConnection, turn: TurnRecord, now_ms: int, *, opens: bool
) -> TurnRecord:
    """Open the conversation of a turn, or take its thread, which a paused turn has itself.

    Returns the turn as it is to be kept: a thread that somebody else has taken is not its own.

    Raises:
        ConversationUnknown: it is not there.
    """
    if opens:
        opened = {
            "conversation_id": turn.conversation_id,
            "user": turn.user,
            "title": _title(turn.question),
            "created_ms": now_ms,
            "last_ms": now_ms,
        }
        await connection.execute(_OPEN, opened)
        return turn
    used: dict[str, object] = {"of_conversation": turn.conversation_id, "last_ms": now_ms}
    if turn.resumes is None:
        used["thread"] = None
        planned = {"planned": thread_column(turn.came_from)}
        if (await connection.execute(_TAKE, {**used, **planned})).rowcount:
            return turn
        turn = replace(turn, came_from=None)
    if not (await connection.execute(_USE, used)).rowcount:
        raise ConversationUnknown
    return turn


def _title(question: str) -> str:
    """Return how a question begins, on one line."""
    words = " ".join(question.split())
    if len(words) <= _TITLE_CHARACTERS:
        return words
    return words[: _TITLE_CHARACTERS - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _used(turn: TurnRecord) -> int:
    return turn.input_tokens + turn.output_tokens
