"""Stores of turns, and turns to keep in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from service.domain import Conversation, Kept, Leavings, PastTurn, Thread, TurnRecord
from service.settings.data import QuotaSettings
from service.storage.database.engine import SqlDatabase
from service.storage.database.turns import SqlTurns, TurnLimits
from service.storage.history import HistoryBounds
from tests.support.clock import Clock

LEASE_S = 15.0
ANSWER_TIMEOUT_S = 600.0
WIDE = HistoryBounds(100, 256 * 1024)


def turns_on(
    database: SqlDatabase,
    clock: Clock,
    *,
    bounds: HistoryBounds = WIDE,
    per_minute: int | None = None,
    quotas: Sequence[QuotaSettings] = (),
    reserve_tokens: int = 0,
) -> SqlTurns:
    """Return the store of one process, with its time."""
    limits = TurnLimits(bounds, LEASE_S, ANSWER_TIMEOUT_S, per_minute, quotas, reserve_tokens)
    return SqlTurns(database, limits, clock)


def thread_of(name: str) -> Thread:
    """Return a thread that is told from others by its name."""
    return Thread("responses", (name,))


def leaving(name: str, version: int = 0, **fields: Any) -> Leavings:
    """Return the leavings of a turn whose thread is called so."""
    return Leavings(thread_of(name), version, **fields)


def past(key: str) -> PastTurn:
    """Return what a history holds of a turn that was asked and answered as below."""
    return PastTurn(key, f"{key}?", f"{key}!")


@dataclass(slots=True)
class Told:
    """What happens to turns, over the stores of one or several processes.

    Each turn takes a second.
    """

    store: SqlTurns
    clock: Clock
    records: dict[str, TurnRecord] = field(default_factory=dict)

    async def begin(
        self,
        request_id: str,
        conversation_id: str = "1",
        *,
        opens: bool = False,
        tokens: int = 0,
        store: SqlTurns | None = None,
        **fields: Any,  # those of the record
    ) -> TurnRecord:
        """Begin a turn of a question that is called after it."""
        known: dict[str, Any] = {
            "user": "alice",
            "key": request_id,
            "question": f"{request_id}?",
            "began_at": self.clock(),
        }
        record = TurnRecord(request_id, conversation_id, **(known | fields))
        await (store or self.store).begin(record, opens=opens, tokens=tokens)
        self.records[request_id] = record
        return record

    async def end(
        self,
        request_id: str,
        left: Leavings | None = None,
        *,
        store: SqlTurns | None = None,
        **fields: Any,  # those of the record
    ) -> Kept | None:
        """End a turn with an answer that is called after it."""
        self.clock.forward(1.0)
        known: dict[str, Any] = {
            "outcome": "end",
            "finish_reason": "stop",
            "answer": f"{request_id}!",
            "told": True,
            "ended_at": self.clock(),
        }
        self.records[request_id] = replace(self.records[request_id], **(known | fields))
        return await (store or self.store).end(self.records[request_id], left or Leavings())

    async def tell(
        self, request_id: str, left: Leavings | None = None, *, opens: bool = False, **fields: Any
    ) -> Kept | None:
        """Begin a turn and end it."""
        await self.begin(request_id, opens=opens, **fields)
        return await self.end(request_id, left)

    async def found(self, conversation_id: str = "1", user: str | None = None) -> Conversation:
        """Return a conversation."""
        return await self.store.find(conversation_id, user)

    async def known(self, request_id: str) -> TurnRecord:
        """Return a turn as it is kept."""
        record = await self.store.known(request_id, None)
        assert record is not None, f"{request_id} is not kept"
        return record

    async def history(self, conversation_id: str = "1") -> list[str]:
        """Return the keys of the turns that a conversation tells."""
        return [each.key for each in await self.past(conversation_id)]

    async def past(self, conversation_id: str = "1") -> Sequence[PastTurn]:
        """Return what a history holds."""
        return await self.store.history(conversation_id)

    async def thread(self, conversation_id: str = "1") -> str | None:
        """Return the name of the thread that a conversation goes on in."""
        thread = (await self.found(conversation_id)).thread
        return thread.ids[0] if thread else None


def names(threads: Sequence[Thread]) -> list[str]:
    """Return what threads are called."""
    return sorted(each.ids[0] for each in threads)
