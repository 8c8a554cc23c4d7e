"""Any replica serves any reader, and a turn is started once."""

import asyncio
import time

import pytest

from tests.support.faults.laws import assert_laws, assert_whole
from tests.support.faults.model_server import Speech, counting, words
from tests.support.faults.readers import Reader
from tests.support.replicas import replicas

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="module")
async def here():
    async with replicas(disconnect_grace_s="0.3", redis_lease_s="0.9") as made:
        yield made


def slowly(here, question, count=500):
    """Let a question be answered for some seconds."""
    return here.model.says(question, Speech(counting(count), pace_s=0.01))


async def test_a_reader_goes_on_at_the_other_replica(here):
    question = slowly(here, "Who reads on?", count=60)
    reader = here.reader()
    await reader.ask(question)
    owner = await here.owner(question)
    [other] = here.others(owner)
    for at in (other, owner, other):
        await reader.read(events=7)
        await reader.drop()
        reader.dial = at.dial
        await reader.resume()
    await reader.follow()

    whole = here.reader(owner, of=reader)
    await whole.follow()
    assert_whole(whole)
    assert_whole(reader, like=whole)
    assert len(here.model.to(question)) == 1


async def test_a_second_viewer_at_the_other_replica_sees_the_same_at_the_same_time(here):
    question = slowly(here, "Who else reads?", count=60)
    reader = here.reader()
    await reader.ask(question)
    await reader.read(events=3)
    [other] = here.others(await here.owner(question))
    viewer = here.reader(other, of=reader)
    await viewer.resume()
    await viewer.read(events=10)
    assert here.model.to(question)[0].said < 60, "the turn has ended"

    await asyncio.gather(reader.follow(), viewer.follow())

    assert_whole(reader)
    assert_whole(viewer, like=reader)


async def test_an_interrupt_on_the_other_replica_reaches_the_model_within_a_second(here):
    question = slowly(here, "Who stops it?")
    reader = here.reader()
    await reader.ask(question)
    await reader.read(events=5)
    [other] = here.others(await here.owner(question))
    [asked] = here.model.to(question)

    began = time.monotonic()
    stopped = await here.reader(other, of=reader).interrupt()
    await asked.left.wait()
    took_s = time.monotonic() - began
    await reader.follow()

    assert stopped["interrupted"]
    assert took_s < 1
    assert reader.events[-1].name == "interrupted"
    assert_whole(reader)


async def test_a_turn_to_be_cancelled_goes_on_while_somebody_reads_it_on_the_other_replica(here):
    question = slowly(here, "Who stays?", count=250)
    reader = here.reader()
    await reader.ask(question, on_disconnect="cancel")
    await reader.read(events=3)
    [other] = here.others(await here.owner(question))
    viewer = here.reader(other, of=reader)
    await viewer.resume()

    await reader.drop()
    await viewer.follow()

    assert_whole(viewer)
    assert viewer.events[-1].name == "end"


async def test_a_head_at_the_other_replica_ends_at_once(here):
    question = slowly(here, "Whose head?")
    reader = here.reader()
    await reader.ask(question)
    [other] = here.others(await here.owner(question))

    looks = here.reader(other, of=reader)
    await looks.head()

    assert_laws(looks)
    await looks.interrupt()
    await reader.follow()


async def test_two_requests_of_one_key_at_once_are_one_turn(here):
    question = slowly(here, "Twice?", count=40)
    readers = [here.reader(at) for at in (None, None, *here.each)]
    key = {"Idempotency-Key": "twice"}

    await asyncio.gather(*(each.ask(question, key) for each in readers))
    await asyncio.gather(*(each.follow() for each in readers))

    assert len(here.model.to(question)) == 1
    assert len({each.request_id for each in readers}) == 1
    replayed = [each.visits[0].headers.get("idempotent-replayed") for each in readers]
    assert sorted(map(str, replayed)) == ["None", "true", "true", "true"]
    for each in readers:
        assert_whole(each, like=readers[0])


async def test_the_same_key_with_another_body_is_refused_on_the_other_replica(here):
    first, second = here.each
    key = {"Idempotency-Key": "reused"}
    here.model.says("One?", Speech(words("One.")))
    reader, other = here.reader(first), here.reader(second)
    await reader.ask("One?", key)
    await reader.follow()

    await other.ask("Two?", key)

    assert other.visit.status == 409
    assert other.refusal["code"] == "idempotency_key_reused"


async def test_a_finished_turn_is_joined_on_the_other_replica(here):
    first, second = here.each
    key = {"Idempotency-Key": "finished"}
    question = here.model.says("Done?", Speech(words("Done.")))
    reader, again = here.reader(first), here.reader(second)
    await reader.ask(question, key)
    await reader.follow()

    await again.ask(question, key)
    await again.follow()

    assert again.request_id == reader.request_id
    assert_whole(again, like=reader)
    assert len(here.model.to(question)) == 1


async def test_a_second_question_to_a_conversation_is_refused_on_the_other_replica(here):
    question = slowly(here, "Busy?")
    reader = here.reader()
    await reader.ask(question)
    [other] = here.others(await here.owner(question))

    second = here.reader(other)
    await second.ask("And now?", conversation_id=conversation_of(reader))

    assert second.visit.status == 409
    assert second.refusal["code"] == "conversation_busy"
    assert second.refusal["request_id"] == reader.request_id
    assert second.visit.headers["content-location"].endswith(reader.request_id)
    await second_look_stops(here, reader)


async def second_look_stops(here, reader):
    """The request id of the refusal is enough to stop what is in the way."""
    await here.reader(of=reader).interrupt()
    await reader.follow()
    assert_whole(reader)


async def test_a_second_question_may_stop_the_first_on_the_other_replica(here):
    question = slowly(here, "Too slow?")
    reader = here.reader()
    await reader.ask(question)
    await reader.read(events=4)
    [other] = here.others(await here.owner(question))
    here.model.says("Faster?", Speech(words("Yes.")))

    second = here.reader(other)
    await second.ask("Faster?", conversation_id=conversation_of(reader), if_busy="interrupt")
    await asyncio.gather(reader.follow(), second.follow())

    assert reader.events[-1].name == "interrupted"
    assert second.events[-1].name == "end"
    assert_whole(reader)
    assert_whole(second)
    [asked] = here.model.to("Faster?")
    said = "".join(each.envelope["data"]["token"] for each in reader.events if each.name == "token")
    assert [each["content"] for each in asked.input] == [question, said, "Faster?"]


async def test_a_conversation_goes_on_at_the_other_replica(here):
    first, second = here.each
    here.model.says("First?", Speech(words("First.")))
    here.model.says("Second?", Speech(words("Second.")))
    reader = here.reader(first)
    await reader.ask("First?")
    await reader.follow()

    goes_on = here.reader(second)
    await goes_on.ask("Second?", conversation_id=conversation_of(reader))
    await goes_on.follow()

    assert_whole(goes_on)
    assert goes_on.visit.headers["x-conversation-id"] == conversation_of(reader)
    assert len(here.model.to("Second?")) == 1


def conversation_of(reader: Reader) -> str:
    return reader.visits[0].headers["x-conversation-id"]
