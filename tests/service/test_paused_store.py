"""Turns that wait for answers, in either database; the clock is the test's."""

import pytest

from service.domain import Approval, ToolAnswer
from service.errors import AnswersDiffer, AnswerTooLate, NotAwaiting
from service.storage.database.paused import SqlPausedTurns
from service.storage.database.tables import paused_turns
from tests.support.clock import Clock
from tests.support.kept_rows import (
    count,
    paused_turn,
    put_conversation,
    put_paused,
    put_turn,
    thread_of,
)

WAIT_S = 60.0
BEGINS_S = 30.0
AN_HOUR_S = 3_600.0
ANSWERS = (ToolAnswer("c1", "3"),)
OTHERS = (ToolAnswer("c1", "4"),)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(database, clock):
    return SqlPausedTurns(database, WAIT_S, BEGINS_S, clock)


@pytest.fixture
def wait(database, clock):
    """Let a turn wait from now on."""

    async def put(name):
        return await put_paused(database, name, expires_s=clock() + WAIT_S)

    return put


@pytest.fixture
def begin(database):
    """Keep that a stream has begun."""

    async def put(request_id):
        await put_conversation(database, "conversation")
        await put_turn(database, request_id, "conversation", ended_s=None)

    return put


async def test_a_turn_that_was_never_paused_waits_for_nothing(store):
    with pytest.raises(NotAwaiting):
        await store.find("a")
    with pytest.raises(NotAwaiting):
        await store.claim("a", ANSWERS, "b")


async def test_a_turn_is_found_answered_or_not(store, wait):
    await wait("a")
    before = await store.find("a")
    await store.claim("a", ANSWERS, "b")

    assert before == await store.find("a") == paused_turn("a")


async def test_the_first_to_answer_goes_on_and_the_same_again_joins_it(store, wait):
    await wait("a")

    assert await store.claim("a", ANSWERS, "b") == "b"
    assert await store.claim("a", ANSWERS, "c") == "b"


@pytest.mark.parametrize(
    "others",
    [
        OTHERS,
        (ToolAnswer("c1", "3", failed=True),),
        (Approval("c1", approve=True),),
        (ToolAnswer("c1", "\ud800"),),
        (),
    ],
)
async def test_other_answers_are_refused(store, wait, others):
    await wait("a")
    await store.claim("a", ANSWERS, "b")

    with pytest.raises(AnswersDiffer):
        await store.claim("a", others, "c")


async def test_a_claim_that_was_taken_back_leaves_the_turn_to_anybody(store, wait):
    await wait("a")
    await store.claim("a", ANSWERS, "b")
    await store.release("a", "b")

    assert await store.claim("a", OTHERS, "c") == "c"


async def test_only_who_has_claimed_a_turn_can_take_that_back(store, wait):
    await wait("a")
    await store.claim("a", ANSWERS, "b")
    await store.release("a", "c")

    assert await store.claim("a", ANSWERS, "d") == "b"


async def test_what_is_not_kept_can_be_released(store):
    await store.release("a", "b")


async def test_a_turn_waits_for_a_limited_time(store, wait, clock):
    await wait("a")
    clock.forward(WAIT_S - 0.1)
    in_time = await store.find("a")
    clock.forward(0.1)

    assert in_time == paused_turn("a")
    with pytest.raises(AnswerTooLate) as raised:
        await store.find("a")
    with pytest.raises(AnswerTooLate):
        await store.claim("a", ANSWERS, "b")
    assert raised.value.cause == "Answers were taken for 60 s."


async def test_an_answered_turn_can_be_joined_after_its_time(store, wait, clock, begin):
    await wait("a")
    await store.claim("a", ANSWERS, "b")
    await begin("b")
    clock.forward(WAIT_S + 1)

    assert await store.find("a") == paused_turn("a")
    assert await store.claim("a", ANSWERS, "c") == "b"
    with pytest.raises(AnswersDiffer):
        await store.claim("a", OTHERS, "c")


async def test_a_claim_that_is_taken_back_too_late_is_too_late(store, wait, clock):
    await wait("a")
    await store.claim("a", ANSWERS, "b")
    clock.forward(WAIT_S)
    await store.release("a", "b")

    with pytest.raises(AnswerTooLate):
        await store.claim("a", ANSWERS, "c")


async def test_a_claim_of_a_stream_that_never_began_counts_for_a_limited_time(store, wait, clock):
    await wait("a")
    await store.claim("a", ANSWERS, "b")
    clock.forward(BEGINS_S - 1)
    in_time = await store.claim("a", ANSWERS, "c")
    clock.forward(1)

    assert in_time == "b"
    assert await store.claim("a", OTHERS, "c") == "c"


async def test_a_claim_of_a_stream_that_began_counts_for_good(store, wait, clock, begin):
    await wait("a")
    await store.claim("a", ANSWERS, "b")
    await begin("b")
    clock.forward(BEGINS_S)

    assert await store.claim("a", ANSWERS, "c") == "b"


async def test_a_claim_of_a_stream_that_never_began_ends_with_the_wait(store, wait, clock):
    await wait("a")
    await store.claim("a", ANSWERS, "b")
    clock.forward(WAIT_S)

    with pytest.raises(AnswerTooLate):
        await store.claim("a", ANSWERS, "c")
    assert await store.expired() == [thread_of("a")]


async def test_what_has_waited_in_vain_is_given_back_once(store, wait, clock):
    await wait("a")
    await wait("b")
    clock.forward(WAIT_S - BEGINS_S / 2)
    await store.claim("b", ANSWERS, "c")
    clock.forward(BEGINS_S / 2)

    assert await store.expired() == [thread_of("a")]
    assert await store.expired() == []
    with pytest.raises(AnswerTooLate):
        await store.find("a")


async def test_what_still_waits_is_not_given_back(store, wait, clock):
    await wait("a")
    clock.forward(WAIT_S - 0.1)

    assert await store.expired() == []


async def test_a_thread_with_which_a_turn_goes_on_is_not_given_back(store, wait, clock, begin):
    await wait("a")
    await store.claim("a", ANSWERS, "b")
    await begin("b")
    clock.forward(WAIT_S + AN_HOUR_S)

    assert await store.expired() == []


async def test_a_claim_taken_back_too_late_gives_its_thread_back(store, wait, clock):
    await wait("a")
    clock.forward(WAIT_S - 1)
    await store.claim("a", ANSWERS, "b")
    clock.forward(1)
    early = await store.expired()

    await store.release("a", "b")

    assert early == []
    assert await store.expired() == [thread_of("a")]


async def test_what_is_long_over_is_forgotten(store, wait, clock, begin, database):
    await wait("a")
    await wait("b")
    await store.claim("a", ANSWERS, "x")
    await begin("x")
    clock.forward(WAIT_S + AN_HOUR_S - 1)
    threads = await store.expired()
    kept = await count(database, paused_turns)
    clock.forward(1)
    await store.expired()

    assert threads == [thread_of("b")]
    assert kept == 2
    assert await count(database, paused_turns) == 0
    with pytest.raises(NotAwaiting):
        await store.find("b")


async def test_a_turn_that_is_paused_again_waits_anew(store, wait, clock):
    await wait("a")
    await store.claim("a", ANSWERS, "b")
    clock.forward(WAIT_S - 1)
    await wait("a")
    clock.forward(WAIT_S - 1)

    assert await store.find("a") == paused_turn("a")
    assert await store.expired() == []
    assert await store.claim("a", OTHERS, "c") == "c"
