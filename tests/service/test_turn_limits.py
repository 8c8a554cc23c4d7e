"""How many turns a user may start, and what they take of quotas, over all processes."""

from dataclasses import replace

import anyio
import pytest

from service.domain import Leavings
from service.errors import ConversationUnknown, QuotaExceeded, RateExceeded
from service.settings.data import QuotaSettings
from service.storage.database.conversations import SqlConversations
from tests.support.clock import Clock
from tests.support.kept_rows import paused_turn
from tests.support.turn_stores import Told, turns_on

QUOTA = QuotaSettings(name="tokens", initial_tokens=1_000)
SHARED = QuotaSettings(name="all", scope="cluster", initial_tokens=5_000)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told(any_database, clock):
    """Two turns in a minute."""
    return Told(turns_on(any_database, clock, per_minute=2), clock)


@pytest.fixture
def charged(any_database, clock):
    """A turn reserves a hundred tokens besides those of its question."""
    store = turns_on(any_database, clock, quotas=(QUOTA, SHARED), reserve_tokens=100)
    return Told(store, clock)


async def test_a_user_may_start_so_many_turns_in_a_minute(told, clock):
    await told.begin("a", opens=True)
    clock.forward(20.5)
    await told.begin("b")

    with pytest.raises(RateExceeded) as refused:
        await told.begin("c")

    assert refused.value.retry_after_s == 40
    assert await told.store.known("c", None) is None


async def test_after_that_time_another_may_start(told, clock):
    await told.begin("a", opens=True)
    await told.begin("b")
    clock.forward(60)

    await told.begin("c")

    assert await told.store.known("c", None) is not None


async def test_to_look_whether_another_may_start_takes_nothing(told, charged):
    await told.begin("a", opens=True)
    for _ in range(3):
        await told.store.look("alice", 0)
    await told.begin("b")
    with pytest.raises(RateExceeded) as refused:
        await told.store.look("alice", 0)
    await told.store.look("bob", 0)
    await charged.store.look("carol", 900)
    with pytest.raises(QuotaExceeded):
        await charged.store.look("carol", 901)

    assert refused.value.retry_after_s == 60
    assert await charged.store.available("carol") == {"tokens": 1_000, "all": 5_000}


async def test_what_was_started_counts_when_it_was_deleted_since(told, any_database):
    for each in "ab":
        await told.begin(each, each, opens=True)
        await told.end(each)
        await SqlConversations(any_database).delete(each, None)

    with pytest.raises(RateExceeded):
        await told.begin("c", "c", opens=True)


async def test_what_did_not_start_does_not_count(told):
    begun = await told.begin("a", opens=True)
    await told.store.withdraw(begun)
    await told.begin("b", opens=True)

    await told.begin("c")

    assert await told.store.known("c", None) is not None


async def test_every_user_has_an_own_rate(told):
    await told.begin("a", opens=True)
    await told.begin("b")

    await told.begin("c", user="bob")


async def test_what_was_refused_has_opened_nothing(told):
    await told.begin("a", opens=True)
    await told.begin("b")

    with pytest.raises(RateExceeded):
        await told.begin("c", "2", opens=True)

    with pytest.raises(ConversationUnknown):
        await told.found("2")


async def test_a_stream_that_resumes_a_turn_is_no_start(told):
    await told.tell("a", Leavings(paused=paused_turn("A", "1")), opens=True)
    await told.begin("b", key="a", resumes="a")
    await told.begin("c")

    await told.begin("d", key="a", resumes="b")


async def test_a_turn_that_was_withdrawn_was_no_start(told):
    await told.begin("a", opens=True)
    begun = await told.begin("b")
    await told.store.withdraw(begun)

    await told.begin("c")


async def test_processes_let_no_more_start_than_one_alone(database, processes, clock):
    told = Told(turns_on(database, clock, per_minute=5), clock)
    refused = []

    async def start(store, name):
        try:
            await told.begin(name, name, opens=True, store=store)
        except RateExceeded:
            refused.append(name)

    async with processes() as second:
        stores = [told.store, turns_on(second, clock, per_minute=5)]
        async with anyio.create_task_group() as tasks:
            for number in range(16):
                tasks.start_soon(start, stores[number % 2], f"{number}")

    assert len(told.records) == 5
    assert len(refused) == 11


async def test_a_turn_reserves_before_it_runs(charged):
    await charged.begin("a", opens=True, tokens=20)

    assert await charged.store.available("alice") == {"tokens": 880, "all": 4_880}
    assert await charged.store.available("bob") == {"tokens": 1_000, "all": 4_880}


async def test_a_turn_costs_what_it_has_used(charged):
    await charged.begin("a", opens=True, tokens=20)

    kept = await charged.end("a", input_tokens=7, output_tokens=3)

    assert kept.available_quotas == {"tokens": 990, "all": 4_990}
    assert await charged.store.available("alice") == kept.available_quotas


async def test_a_turn_may_use_more_than_it_has_reserved(charged):
    await charged.begin("a", opens=True)

    kept = await charged.end("a", input_tokens=1_000, output_tokens=500)

    assert kept.available_quotas == {"tokens": -500, "all": 3_500}
    with pytest.raises(QuotaExceeded):
        await charged.begin("b")


async def test_a_turn_is_charged_once(charged, clock):
    await charged.begin("a", opens=True)
    await charged.end("a", input_tokens=10)

    again = await charged.store.end(charged.records["a"], Leavings())

    assert again.available_quotas == {"tokens": 990, "all": 4_990}


async def test_a_turn_that_was_taken_for_lost_and_was_not_costs_what_it_has_used(charged, clock):
    await charged.begin("a", opens=True)
    await charged.store.checkpoint({"a": "So far"})
    clock.forward(3_600)
    (lost,) = await charged.store.abandoned()
    guess = lost.input_tokens + lost.output_tokens
    assert (await charged.store.available("alice"))["tokens"] == 1_000 - guess

    kept = await charged.end("a", input_tokens=100, output_tokens=60)

    assert kept.available_quotas == {"tokens": 840, "all": 4_840}
    again = await charged.store.end(charged.records["a"], Leavings())
    assert again.available_quotas == kept.available_quotas


async def test_a_turn_that_was_withdrawn_costs_nothing(charged):
    begun = await charged.begin("a", opens=True)

    await charged.store.withdraw(begun)

    assert await charged.store.available("alice") == {"tokens": 1_000, "all": 5_000}


async def test_what_was_refused_reserves_nothing(charged):
    with pytest.raises(QuotaExceeded) as refused:
        await charged.begin("a", opens=True, tokens=901)

    assert "tokens" in refused.value.cause
    assert await charged.store.available("alice") == {"tokens": 1_000, "all": 5_000}
    with pytest.raises(ConversationUnknown):
        await charged.found()


async def test_a_conversation_that_has_gone_costs_nothing(charged):
    with pytest.raises(ConversationUnknown):
        await charged.begin("a")

    assert await charged.store.available("alice") == {"tokens": 1_000, "all": 5_000}


async def test_processes_spend_no_more_than_there_is(database, processes, clock):
    def store(database):
        return turns_on(database, clock, quotas=(QUOTA,), reserve_tokens=300)

    told = Told(store(database), clock)
    refused = []

    async def start(store, name):
        try:
            await told.begin(name, name, opens=True, store=store)
        except QuotaExceeded:
            refused.append(name)

    async with processes() as second, anyio.create_task_group() as tasks:
        for number in range(8):
            process = told.store if number % 2 else store(second)
            tasks.start_soon(start, process, f"{number}")

    assert len(told.records) == 3
    assert await told.store.available("alice") == {"tokens": 100}


async def test_without_quotas_nothing_is_left_of_them(told):
    kept = await told.tell("a", opens=True)

    assert kept.available_quotas == {}
    assert await told.store.available("alice") == {}


async def test_the_quotas_of_a_turn_are_those_of_who_asks(charged):
    await charged.tell("a", opens=True)
    begun = await charged.begin("b", user="bob")

    assert (await charged.store.available("bob"))["tokens"] == 900
    await charged.store.withdraw(replace(begun, user="bob"))
    assert (await charged.store.available("bob"))["tokens"] == 1_000
