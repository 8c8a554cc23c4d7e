"""Quotas that several processes spend at once: nobody spends what is not there."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from service.errors import QuotaExceeded
from service.settings.data import QuotaSettings
from service.storage.database.tables import quotas, reservations
from tests.support.databases import running_database
from tests.support.ledger import Ledger
from tests.support.quota_accounts import A_PERIOD_MS, DAILY, ONCE, SHARED, START_MS, Accounts

pytestmark = pytest.mark.slow

TURNS = 60
TOKENS = 7
USERS = ("alice", "bob", "carol")
LIMITS = (
    DAILY,
    QuotaSettings(name="a-growing", initial_tokens=60, increase_tokens=35, period_s=7),
    QuotaSettings(name="shared", scope="cluster", initial_tokens=240, period_s=30),
    QuotaSettings(name="z-once", initial_tokens=500),
)


@pytest.fixture
async def replicas(database, processes):
    """Return how two processes use the same quotas: one of each user, and one of all."""
    async with processes() as other:
        yield [Accounts(each, ONCE, SHARED) for each in (database, other)]


async def begins(accounts, request_id, tokens, user):
    """Return whether a turn is let in."""
    try:
        await accounts.reserve(request_id, tokens, user)
    except QuotaExceeded:
        return False
    return True


async def let_in(replicas, reservations):
    """Reserve for many turns at once; return those that were let in."""
    heard = []

    async def reserve(number, user):
        if await begins(replicas[number % 2], str(number), TOKENS, user):
            heard.append(str(number))

    async with anyio.create_task_group() as tasks:
        for number, user in reservations:
            tasks.start_soon(reserve, number, user)
    return heard


async def test_two_processes_do_not_overspend_a_quota_that_nobody_has_used_yet(replicas):
    heard = await let_in(replicas, [(number, "alice") for number in range(TURNS)])

    assert len(heard) == 100 // TOKENS
    assert await replicas[0].left() == {"once": 100 % TOKENS, "shared": 100 % TOKENS}


async def test_many_users_do_not_overspend_what_they_share(replicas):
    heard = await let_in(replicas, [(number, f"user {number}") for number in range(TURNS)])

    assert len(heard) == 100 // TOKENS
    assert (await replicas[1].left("new"))["shared"] == 100 % TOKENS
    for number in range(TURNS):
        left = (await replicas[0].left(f"user {number}"))["once"]
        assert left == (100 - TOKENS if str(number) in heard else 100)


async def test_what_ends_while_others_begin_is_neither_lost_nor_counted_twice(replicas):
    first = await let_in(replicas, [(number, USERS[number % 3]) for number in range(12)])

    async with anyio.create_task_group() as tasks:
        for number, request_id in enumerate(first):
            tasks.start_soon(replicas[number % 2].settle, request_id, 1)
            tasks.start_soon(replicas[(number + 1) % 2].settle, request_id, 1)
        later = await let_in(replicas, [(100 + number, USERS[number % 3]) for number in range(6)])

    assert len(first) == 12
    spent = len(first) + TOKENS * len(later)
    assert (await replicas[0].left())["shared"] == 100 - spent
    assert sum([(await replicas[1].left(user))["once"] for user in USERS]) == 300 - spent


async def test_those_that_are_settled_together_wait_for_nobody_in_a_circle(replicas):
    """They lock the accounts of many users, while turns of these end and begin."""
    for each in replicas:
        # The name of what all share stands between those of what users have.
        vast, last = {"initial_tokens": 10_000}, {"name": "z"}
        each.limits = (ONCE, SHARED.model_copy(update=vast), DAILY.model_copy(update=last))
    users = [f"user {number}" for number in range(8)]
    turns = {f"{user} {number}": user for user in users for number in range(6)}
    for name, user in turns.items():
        await replicas[0].reserve(name, 1, user)
    names = list(turns)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for at in range(6):
                # One turn of each user.
                mixed = dict.fromkeys(names[at::6], 1)
                tasks.start_soon(replicas[at % 2].settle_all, mixed)
                tasks.start_soon(replicas[1 - at % 2].reserve, f"new {at}", 1, users[-1 - at])

    left = [(await replicas[0].left(user))["once"] for user in users]
    assert left == [100 - 6] * 2 + [100 - 7] * 6


class Quotas(RuleBasedStateMachine):
    """Two processes do what they want, and a list knows what must be left."""

    def __init__(self, run, replicas) -> None:
        super().__init__()
        self.run = run
        self.replicas = replicas
        self.ledger = Ledger(LIMITS)
        self.now_ms = START_MS
        self.began = 0
        run(forget(replicas[0].database))

    def at(self, replica):
        accounts = self.replicas[replica]
        accounts.now_ms = self.now_ms
        return accounts

    @rule(replica=st.booleans(), user=st.sampled_from(USERS), tokens=st.integers(1, 70))
    def a_turn_begins(self, replica, user, tokens):
        self.began += 1
        name = f"turn {self.began}"
        begun = self.run(begins(self.at(replica), name, tokens, user))

        assert begun == self.ledger.reserve(name, user, tokens, self.now_ms)

    @rule(replica=st.booleans(), which=st.integers(0, 20), used=st.integers(0, 150))
    def a_turn_ends(self, replica, which, used):
        for name in self._running(which):
            self.run(self.at(replica).settle(name, used))
            self._ended(name, used)

    @rule(replica=st.booleans(), used=st.integers(0, 90))
    def all_turns_end_at_once(self, replica, used):
        names = self.ledger.running()
        self.run(self.at(replica).settle_all(dict.fromkeys([*names, "unknown"], used)))
        for name in names:
            self._ended(name, used)

    @rule(replica=st.booleans(), which=st.integers(0, 20))
    def a_turn_is_withdrawn(self, replica, which):
        for name in self._running(which):
            self.run(self.at(replica).release(name))
            self._ended(name, 0)

    @rule(replica=st.booleans(), which=st.integers(0, 20), used=st.integers(0, 90))
    def a_turn_ends_again(self, replica, which, used):
        over = self.ledger.entries.keys() - self.ledger.running()
        for name in sorted(over)[which : which + 1]:
            self.run(self.at(replica).settle(name, used))
            self.run(self.at(replica).release(name))

    @rule(time_ms=st.integers(0, 4 * A_PERIOD_MS))
    def time_passes(self, time_ms):
        self.now_ms += time_ms

    @invariant()
    def everybody_sees_what_must_be_left(self):
        for user in USERS:
            expected = self.ledger.available(user, self.now_ms)
            assert self.run(self.at(len(user) % 2).left(user)) == expected

    def _running(self, which):
        running = self.ledger.running()
        return [running[which % len(running)]] if running else []

    def _ended(self, name, used):
        entry = self.ledger.entries[name]
        entry.ended_ms, entry.used = self.now_ms, used


async def forget(database):
    async with database.writing() as connection:
        await connection.execute(reservations.delete())
        await connection.execute(quotas.delete())


@asynccontextmanager
async def two_processes(url):
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(running_database(url)) for _ in range(2)]
        yield [Accounts(each, *LIMITS) for each in databases]


def test_whatever_happens_in_two_processes_nothing_is_lost_or_spent_twice(database_url):
    with asyncio.Runner() as runner:
        context = two_processes(database_url)
        replicas = runner.run(context.__aenter__())
        try:
            run_state_machine_as_test(
                lambda: Quotas(runner.run, replicas),
                settings=settings(
                    max_examples=settings().max_examples // 2, stateful_step_count=25
                ),
            )
        finally:
            runner.run(context.__aexit__(None, None, None))
