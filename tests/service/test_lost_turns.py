"""Turns whose processes have died: who ends them, once, and who may still say more."""

from dataclasses import replace

import anyio
import pytest

from service.domain import Leavings, PastTurn
from service.settings.data import QuotaSettings
from service.storage.database.conversations import SqlConversations
from tests.support.clock import Clock
from tests.support.kept_rows import paused_turn
from tests.support.turn_stores import LEASE_S, Told, names, past, thread_of, turns_on

pytestmark = pytest.mark.slow

QUOTA = QuotaSettings(name="tokens", initial_tokens=1_000)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told(database, clock):
    return Told(turns_on(database, clock), clock)


@pytest.fixture
async def other(processes, clock):
    """The store of another process."""
    async with processes() as database:
        yield turns_on(database, clock)


def ids(records):
    return [each.request_id for each in records]


async def test_a_turn_that_is_touched_is_not_lost(told, other, clock):
    await told.begin("a", opens=True)
    clock.forward(LEASE_S)

    assert ids(await other.abandoned()) == []
    await told.store.checkpoint({"a": "It"})
    clock.forward(LEASE_S)
    assert ids(await other.abandoned()) == []


async def test_a_turn_that_nobody_touches_ends_as_lost(told, other, clock):
    begun = await told.begin("a", opens=True)
    await told.store.checkpoint({"a": "It is"})
    clock.forward(LEASE_S + 1)

    (lost,) = await other.abandoned()

    assert lost == await told.known("a")
    assert lost == replace(
        begun,
        outcome="error",
        code="owner_lost",
        answer="It is",
        told=True,
        input_tokens=1,
        output_tokens=2,
        ended_at=clock(),
    )


async def test_what_a_lost_turn_has_said_is_told(told, other, clock):
    await told.begin("a", opens=True)
    await told.store.checkpoint({"a": "It is"})
    clock.forward(LEASE_S + 1)

    await other.abandoned()

    assert await told.past() == (PastTurn("a", "a?", "It is"),)
    assert (await told.found()).version == 1


async def test_a_lost_turn_that_has_said_nothing_is_not_told(told, other, clock):
    await told.begin("a", opens=True)
    clock.forward(LEASE_S + 1)

    await other.abandoned()

    assert (await told.known("a")).outcome == "error"
    assert await told.history() == []
    assert (await told.found()).version == 0


async def test_a_thread_that_has_missed_a_lost_turn_is_not_trusted(told, other, clock):
    await told.begin("a", opens=True)
    await told.store.checkpoint({"a": "It is"})
    await told.begin("b")
    await told.end("b", Leavings(thread_of("B")))
    clock.forward(LEASE_S + 1)

    await other.abandoned()

    assert await told.thread() is None


async def test_all_turns_of_a_dead_process_end(told, other, clock):
    for each in "abc":
        await told.begin(each, each, opens=True)
    await other.begin(replace(told.records["a"], request_id="d"), opens=False, tokens=0)
    clock.forward(LEASE_S + 1)
    await other.checkpoint({"d": ""})

    assert sorted(ids(await other.abandoned())) == ["a", "b", "c"]
    assert await other.abandoned() == ()


async def test_a_process_ends_its_own_turns_that_nobody_drives(told, clock):
    """One that could not be withdrawn, for example."""
    await told.begin("a", opens=True)
    clock.forward(LEASE_S + 1)

    assert ids(await told.store.abandoned()) == ["a"]


async def test_every_lost_turn_is_ended_once_over_all_processes(told, processes, clock):
    for number in range(30):
        await told.begin(f"{number}", f"c{number % 7}", opens=number < 7)
    clock.forward(LEASE_S + 1)
    found = []

    async def sweep():
        async with processes() as database:
            store = turns_on(database, clock)
            while lost := await store.abandoned():
                found.extend(ids(lost))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(sweep)

    found += ids(await told.store.abandoned())
    assert sorted(found) == sorted(told.records)


async def test_who_was_taken_for_dead_may_still_say_how_its_turn_has_ended(told, other, clock):
    await told.begin("a", opens=True)
    await told.store.checkpoint({"a": "a"})
    clock.forward(LEASE_S + 1)
    await other.abandoned()

    kept = await told.end("a", Leavings(thread_of("A")))

    assert names(kept.unneeded) == ["A"]
    assert await told.known("a") == told.records["a"]
    assert await told.past() == (past("a"),)


async def test_a_turn_that_is_corrected_counts_once(told, other, clock, database):
    await told.begin("a", opens=True)
    clock.forward(LEASE_S + 1)
    await other.abandoned()
    await told.end("a")
    await told.end("a")

    assert await message_count(database) == 1


async def test_the_heir_of_a_turn_says_how_it_has_ended(told, other):
    await told.begin("a", opens=True)

    kept = await told.end("a", Leavings(inherited=True), store=other, code="owner_lost")

    assert kept is not None
    assert await told.history() == ["a"]


async def test_after_the_heir_the_owner_has_no_say(told, other):
    await told.begin("a", opens=True)
    await told.end("a", Leavings(inherited=True), store=other, outcome="error", code="owner_lost")
    before = await told.known("a")

    assert await told.end("a", Leavings(thread_of("A"))) is None
    assert await told.known("a") == before


@pytest.mark.parametrize("code", [None, "upstream_reset"])
async def test_after_the_owner_the_heir_has_no_say(told, other, code):
    await told.begin("a", opens=True)
    await told.end("a", code=code)
    before = await told.known("a")

    late = await told.end("a", Leavings(inherited=True), store=other, code="owner_lost")

    assert late is None
    assert await told.known("a") == before


async def test_the_heir_may_correct_what_was_taken_for_lost(told, other, clock, database):
    await told.begin("a", opens=True)
    clock.forward(LEASE_S + 1)
    await told.store.abandoned()

    kept = await told.end("a", Leavings(inherited=True), store=other, code="owner_lost")

    assert kept is not None
    assert (await told.known("a")).answer == "a!"
    assert await message_count(database) == 1


async def test_the_heir_ends_a_turn_once(told, other, clock):
    await told.begin("a", opens=True)
    inherited = Leavings(inherited=True)
    await told.end("a", inherited, store=other, code="owner_lost")
    before = await told.found()

    again = await other.end(told.records["a"], inherited)

    assert again is not None
    assert await told.found() == before


async def test_nobody_but_the_heir_ends_a_turn_of_another_process(told, other):
    await told.begin("a", opens=True)

    assert await told.end("a", store=other) is None
    await other.checkpoint({"a": "mine"})
    await other.withdraw(told.records["a"])
    assert (await told.known("a")).outcome is None
    assert (await told.known("a")).answer == ""


async def test_of_an_owner_and_its_heir_one_has_the_say(told, other, database):
    for number in range(20):
        request_id = f"{number}"
        await told.begin(request_id, opens=number == 0)
        kept = {}

        async def end(who, store, left, request_id=request_id, kept=kept):
            kept[who] = await told.end(request_id, left, store=store, answer=who)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end, "owner", told.store, Leavings())
            tasks.start_soon(end, "heir", other, Leavings(inherited=True))

        (winner,) = [who for who in kept if kept[who] is not None]
        assert (await told.known(request_id)).answer == winner
    assert await message_count(database) == 20


async def test_a_lost_turn_is_charged_for_what_it_has_said(database, processes, clock):
    store = turns_on(database, clock, quotas=(QUOTA,), reserve_tokens=100)
    told = Told(store, clock)
    await told.begin("a", opens=True)
    await store.checkpoint({"a": "x" * 40})
    assert await store.available("alice") == {"tokens": 900}
    clock.forward(LEASE_S + 1)

    async with processes() as other:
        await turns_on(other, clock, quotas=(QUOTA,)).abandoned()

    assert await store.available("alice") == {"tokens": 989}


async def test_who_answers_for_a_lost_stream_counts_no_turn(told, other, clock, database):
    await told.tell("a", Leavings(paused=paused_turn("A", "1")), opens=True)
    await told.begin("b", key="a", resumes="a")
    clock.forward(LEASE_S + 1)

    await other.abandoned()

    assert await message_count(database) == 1


async def message_count(database):
    """Return how many questions the one conversation counts."""
    (note,) = (await SqlConversations(database).page(None, 5, None)).conversations
    return note.message_count
