"""What every store of paused turns does; its clock is the test's."""

import pytest

from service.domain import Approval, Conversation, PausedTurn, Plan, Thread, ToolAnswer
from service.errors import AnswersDiffer, AnswerTooLate, NotAwaiting
from service.storage.memory_paused import MemoryPausedTurns
from service.storage.redis.paused import RedisPausedTurns
from statemachine import Call
from tests.support.clock import Clock

WAIT_S = 60.0
AN_HOUR_S = 3_600.0
CALL = Call("c1", "add", "{}")
ANSWERS = (ToolAnswer("c1", "3"),)


@pytest.fixture(params=["memory", "redis"])
def kind(request):
    return request.param


@pytest.fixture
def clock(request, kind):
    return Clock(request.getfixturevalue("redis_server") if kind == "redis" else None)


@pytest.fixture
def store(request, kind, clock):
    if kind == "memory":
        return MemoryPausedTurns(WAIT_S, limit=3, clock=clock)
    return RedisPausedTurns(request.getfixturevalue("shared_redis"), "turnstile", WAIT_S, clock)


def thread_of(name):
    return Thread("responses", (name,))


def paused(name):
    plan = Plan("Hi", Conversation("conversation"))
    return PausedTurn(name, plan, thread_of(name), "t1", (CALL,), frozenset({name}))


async def test_a_turn_that_was_never_paused_waits_for_nothing(store):
    with pytest.raises(NotAwaiting):
        await store.find("a")
    with pytest.raises(NotAwaiting):
        await store.claim("a", ANSWERS, "b")


async def test_a_turn_is_found_answered_or_not(store):
    assert list(await store.pause("a", paused("a"))) == []
    before = await store.find("a")
    await store.claim("a", ANSWERS, "b")

    assert before == await store.find("a") == paused("a")


async def test_the_first_to_answer_goes_on_and_the_same_again_joins_it(store):
    await store.pause("a", paused("a"))

    assert await store.claim("a", ANSWERS, "b") == "b"
    assert await store.claim("a", ANSWERS, "c") == "b"


@pytest.mark.parametrize(
    "others",
    [
        (ToolAnswer("c1", "4"),),
        (ToolAnswer("c1", "3", failed=True),),
        (Approval("c1", approve=True),),
        (),
    ],
)
async def test_other_answers_are_refused(store, others):
    await store.pause("a", paused("a"))
    await store.claim("a", ANSWERS, "b")

    with pytest.raises(AnswersDiffer):
        await store.claim("a", others, "c")


async def test_a_claim_that_was_taken_back_leaves_the_turn_to_anybody(store):
    await store.pause("a", paused("a"))
    await store.claim("a", ANSWERS, "b")
    await store.release("a", "b")

    assert await store.claim("a", (ToolAnswer("c1", "4"),), "c") == "c"


async def test_what_is_not_kept_can_be_released(store):
    await store.release("a", "b")


async def test_a_turn_waits_for_a_limited_time(store, clock):
    await store.pause("a", paused("a"))
    clock.forward(WAIT_S - 0.1)
    in_time = await store.find("a")
    clock.forward(0.1)

    assert in_time == paused("a")
    with pytest.raises(AnswerTooLate) as raised:
        await store.find("a")
    with pytest.raises(AnswerTooLate):
        await store.claim("a", ANSWERS, "b")
    assert raised.value.cause == "Answers were taken for 60 s."


async def test_an_answered_turn_can_be_joined_after_its_time(store, clock):
    await store.pause("a", paused("a"))
    await store.claim("a", ANSWERS, "b")
    clock.forward(WAIT_S + 1)

    assert await store.find("a") == paused("a")
    assert await store.claim("a", ANSWERS, "c") == "b"


async def test_a_claim_that_is_taken_back_too_late_is_too_late(store, clock):
    await store.pause("a", paused("a"))
    await store.claim("a", ANSWERS, "b")
    clock.forward(WAIT_S)
    await store.release("a", "b")

    with pytest.raises(AnswerTooLate):
        await store.claim("a", ANSWERS, "c")


async def test_what_is_long_over_is_forgotten_with_the_threads_of_what_was_not_answered(
    store, clock
):
    await store.pause("a", paused("a"))
    await store.pause("b", paused("b"))
    await store.claim("a", ANSWERS, "x")
    clock.forward(WAIT_S + AN_HOUR_S)

    assert list(await store.pause("c", paused("c"))) == [thread_of("b")]
    with pytest.raises(NotAwaiting):
        await store.find("a")


async def test_what_has_waited_in_vain_is_given_back_once(store, clock):
    await store.pause("a", paused("a"))
    await store.pause("b", paused("b"))
    await store.claim("b", ANSWERS, "c")
    clock.forward(WAIT_S)

    assert await store.expired() == [thread_of("a")]
    assert await store.expired() == []


async def test_a_claim_taken_back_too_late_gives_its_thread_back(store, clock):
    await store.pause("a", paused("a"))
    await store.claim("a", ANSWERS, "b")
    clock.forward(WAIT_S)
    assert await store.expired() == []

    await store.release("a", "b")

    assert await store.expired() == [thread_of("a")]


async def test_a_turn_that_is_paused_again_waits_anew(store, clock):
    await store.pause("a", paused("a"))
    clock.forward(WAIT_S - 1)
    await store.pause("a", paused("a"))
    clock.forward(WAIT_S - 1)

    assert await store.find("a") == paused("a")
    assert await store.expired() == []


async def test_in_memory_the_oldest_of_too_many_go():
    store = MemoryPausedTurns(WAIT_S, limit=1, clock=Clock())
    await store.pause("a", paused("a"))

    assert list(await store.pause("b", paused("b"))) == [thread_of("a")]
    with pytest.raises(NotAwaiting):
        await store.find("a")
    assert await store.find("b") == paused("b")


async def test_the_threads_of_a_process_are_lost_with_it_unless_their_turns_go_on():
    store = MemoryPausedTurns(WAIT_S, limit=3, clock=Clock())
    await store.pause("a", paused("a"))
    await store.pause("b", paused("b"))
    await store.claim("a", ANSWERS, "x")

    assert list(await store.close()) == [thread_of("b")]


async def test_only_who_has_claimed_a_turn_can_take_that_back(store):
    await store.pause("a", paused("a"))
    await store.claim("a", ANSWERS, "b")
    await store.release("a", "c")

    assert await store.claim("a", ANSWERS, "d") == "b"
