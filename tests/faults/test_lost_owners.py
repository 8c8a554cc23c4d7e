"""The process that drives a turn dies, or stands still for too long: the turn ends once."""

import asyncio
import time

import pytest

from tests.support.faults.laws import assert_whole
from tests.support.faults.model_server import Speech, counting, words
from tests.support.fixtures import anyio_backend
from tests.support.replicas import replicas

__all__ = ["anyio_backend"]

pytestmark = pytest.mark.slow

LEASE_S = 1.0
SOON_S = 5.0


def tokens_of(reader):
    return "".join(each.envelope["data"]["token"] for each in reader.events if each.name == "token")


async def asked(here, question, count=2_000):
    """Ask through nginx, and read the first events of a long answer."""
    here.model.says(question, Speech(counting(count), pace_s=0.01))
    reader = here.reader()
    await reader.ask(question, {"Idempotency-Key": question.replace(" ", "-")})
    await reader.read(events=10)
    return reader, await here.owner(question)


async def test_readers_of_a_dead_owner_get_an_end_soon():
    """One through nginx, one at the owner who comes back elsewhere, one at another replica."""
    async with replicas(3, redis_lease_s=str(LEASE_S)) as here:
        question = "Who dies?"
        reader, owner = await asked(here, question)
        one, two = here.others(owner)
        at_owner, elsewhere = here.reader(owner, of=reader), here.reader(one, of=reader)
        for each in (at_owner, elsewhere):
            await each.resume()
            await each.read(events=12)
        at_owner.dial = two.dial

        owner.kill()
        began = time.monotonic()
        await asyncio.gather(*(each.follow() for each in (reader, at_owner, elsewhere)))
        took_s = time.monotonic() - began

        whole = here.reader(two, of=reader)
        await whole.follow()
        last = whole.events[-1].envelope["data"]
        assert took_s < LEASE_S + SOON_S
        assert (last["code"], last["status_code"], last["stored"]) == ("owner_lost", 503, True)
        assert_whole(whole)
        for each in (reader, at_owner, elsewhere):
            assert_whole(each, like=whole, lost=True)
        await goes_on_with_the_partial_answer(here, whole, question)
        await a_repeated_request_joins_it(here, whole, question)
        assert here.redis.keys_without_expiry() == []


async def goes_on_with_the_partial_answer(here, whole, question):
    here.model.says("Go on?", Speech(words("On.")))
    next_turn = here.reader()
    conversation_id = whole.events[0].envelope["data"]["conversation_id"]
    await next_turn.ask("Go on?", conversation_id=conversation_id)
    await next_turn.follow()
    assert_whole(next_turn)
    [came] = here.model.to("Go on?")
    assert [each["content"] for each in came.input] == [question, tokens_of(whole), "Go on?"]


async def a_repeated_request_joins_it(here, whole, question):
    again = here.reader()
    await again.ask(question, {"Idempotency-Key": question.replace(" ", "-")})
    await again.follow()
    assert_whole(again, like=whole)
    assert len(here.model.to(question)) == 1


async def test_a_request_without_a_key_is_not_sent_to_another_replica_when_its_owner_dies():
    async with replicas(2, redis_lease_s=str(LEASE_S), commit_wait_s="5") as here:
        held = asyncio.Event()
        here.model.says("Once?", Speech(words("Once."), gates={0: held}))
        reader = here.reader()
        asking = asyncio.create_task(reader.ask("Once?"))
        owner = await here.owner("Once?")

        owner.kill()
        await asking

        assert reader.visit.status == 502
        assert len(here.model.to("Once?")) == 1


async def test_a_request_with_a_key_is_sent_to_another_replica_and_joins_its_turn():
    async with replicas(2, redis_lease_s=str(LEASE_S), commit_wait_s="5") as here:
        held = asyncio.Event()
        here.model.says("Once?", Speech(words("Once."), gates={0: held}))
        reader = here.reader()
        asking = asyncio.create_task(reader.ask("Once?", {"Idempotency-Key": "k"}))
        owner = await here.owner("Once?")

        owner.kill()
        await asking
        await reader.follow()

        assert len(here.model.to("Once?")) == 1
        if reader.refused:
            assert reader.refusal["code"] == "owner_lost"
            assert reader.visit.status == 503
        else:
            assert_whole(reader)
            assert reader.events[-1].envelope["data"]["code"] == "owner_lost"


async def test_an_owner_that_stands_still_for_too_long_ends_nothing_twice():
    async with replicas(2, redis_lease_s=str(LEASE_S)) as here:
        reader, owner = await asked(here, "Who stands still?", count=600)
        [other] = here.others(owner)
        at_owner, elsewhere = here.reader(owner, of=reader), here.reader(other, of=reader)
        for each in (at_owner, elsewhere):
            await each.resume()
            await each.read(events=12)

        owner.stop()
        await elsewhere.follow()
        owner.go_on()
        at_owner_again = asyncio.create_task(at_owner.follow())
        await reader.follow()
        await at_owner_again

        assert elsewhere.events[-1].envelope["data"]["code"] == "owner_lost"
        for at in (owner, other):
            whole = here.reader(at, of=reader)
            await whole.follow()
            assert_whole(whole, like=elsewhere)
        for each in (reader, at_owner, elsewhere):
            assert_whole(each, like=elsewhere, lost=True)
        [came] = here.model.to("Who stands still?")
        await came.left.wait()
        await the_owner_serves_again(here, owner)


async def the_owner_serves_again(here, owner):
    here.model.says("Are you there?", Speech(words("Yes.")))
    reader = here.reader(owner)
    await reader.ask("Are you there?")
    await reader.follow()
    assert_whole(reader)


async def test_an_owner_that_stands_still_for_a_moment_goes_on():
    async with replicas(2, redis_lease_s="4") as here:
        reader, owner = await asked(here, "Who hesitates?", count=100)

        owner.stop()
        await asyncio.sleep(1)
        owner.go_on()
        await reader.follow()

        assert_whole(reader)
        assert reader.events[-1].name == "end"
