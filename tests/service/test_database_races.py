"""Processes that begin, end, delete and expire at the same time do not get stuck."""

import random
import uuid
from dataclasses import replace

import anyio
import pytest
from sqlalchemy import select

from service.domain import Leavings, TurnRecord
from service.errors import ConversationUnknown
from service.storage.database.conversations import SqlConversations
from service.storage.database.paused import SqlPausedTurns
from service.storage.database.tables import (
    conversations,
    paused_turns,
    quotas,
    reservations,
    turns,
)
from service.storage.database.turns import SqlTurns, TurnLimits
from service.storage.history import HistoryBounds
from tests.support.clock import Clock
from tests.support.kept_rows import paused_turn, thread_of
from tests.support.quota_accounts import GROWING, SHARED

STEPS = 12
WORKERS = 4
CONVERSATIONS = ("c1", "c2", "c3")
LIMITS = tuple(
    each.model_copy(update={"initial_tokens": 1_000_000, "period_s": None})
    for each in (GROWING, SHARED)
)
BOUNDS = TurnLimits(HistoryBounds(100, 10_000), 5.0, 60.0, None, LIMITS, 20)
USED = 7


class Worker:
    """Does one thing after another in one of the processes."""

    def __init__(self, database, clock, seed) -> None:
        self.turns = SqlTurns(database, BOUNDS, clock)
        self.conversations = SqlConversations(database, clock)
        self.paused = SqlPausedTurns(database, 60.0, 5.0, clock)
        self.clock = clock
        self.chance = random.Random(seed)

    async def work(self):
        for _ in range(STEPS):
            name = self.chance.choice(CONVERSATIONS)
            step = self.chance.choice([self.ask, self.ask, self.ask, self.delete, self.clean])
            try:
                await step(name)
            except ConversationUnknown:
                # Somebody else has deleted it.
                continue

    async def ask(self, name):
        opens = not (await self.conversations.page(None, 10, None)).conversations
        conversation_id = str(uuid.uuid4()) if opens else await self.any_conversation()
        request_id = str(uuid.uuid4())
        turn = TurnRecord(request_id, conversation_id, name, request_id, "Hi?", self.clock())
        turn = replace(turn, came_from=thread_of(request_id))
        await self.turns.begin(turn, opens=opens, tokens=5)
        await self.turns.checkpoint({request_id: "So"})
        if self.chance.random() < 0.3:
            await self.turns.withdraw(turn)
            return
        waits = self.chance.random() < 0.3
        paused = paused_turn(request_id, conversation_id) if waits else None
        ended = replace(turn, outcome="end", told=True, answer="So it is.", ended_at=self.clock())
        await self.turns.end(replace(ended, output_tokens=USED), Leavings(paused=paused))

    async def any_conversation(self):
        page = await self.conversations.page(None, 10, None)
        if not page.conversations:
            raise ConversationUnknown
        return self.chance.choice(page.conversations).conversation_id

    async def delete(self, name):
        await self.conversations.delete(await self.any_conversation(), None)

    async def clean(self, name):
        self.clock.forward(1.0)
        await self.conversations.expire(self.clock() - 3.0)
        await self.turns.abandoned()
        await self.paused.expired()


async def column(database, asked):
    async with database.reading() as connection:
        return set((await connection.execute(select(asked))).scalars())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_nobody_is_stuck_and_nothing_is_left_behind(database, processes, seed):
    clock = Clock()
    async with processes() as other:
        everybody = [
            Worker((database, other)[number % 2], clock, seed * WORKERS + number)
            for number in range(WORKERS)
        ]
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for each in everybody:
                    tasks.start_soon(each.work)

    kept = await column(database, turns.c.request_id)
    assert await column(database, reservations.c.request_id) <= kept
    assert await column(database, paused_turns.c.request_id) <= kept
    told = await column(database, turns.c.conversation_id)
    assert await column(database, conversations.c.conversation_id) == told
    assert await column(database, quotas.c.name) == {each.name for each in LIMITS}
