"""What `deploy/nginx.conf` promises, before two real processes."""

import asyncio

import httpx
import pytest
from anyio import connect_tcp

from tests.support.faults.laws import assert_laws, assert_whole
from tests.support.faults.model_server import Speech, counting, words
from tests.support.replicas import nginx, replicas

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
async def here():
    async with replicas(2, disconnect_grace_s="0.2", redis_lease_s="0.6") as made:
        yield made


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio", {"use_uvloop": True}


async def test_every_event_comes_through_when_it_is_sent(here):
    play = words("One ", "by ", "one.")
    gates = {number: asyncio.Event() for number in range(4, len(play.payloads))}
    here.model.says("One by one?", Speech(play, gates=gates))
    reader = here.reader()
    await reader.ask("One by one?", {"Accept-Encoding": "gzip"})
    for gate in gates.values():
        await reader.read(events=1)
        gate.set()
    await reader.follow()

    assert_whole(reader)
    assert "content-encoding" not in reader.visit.headers
    assert reader.visit.headers["cache-control"] == "no-cache, no-transform"


async def test_the_service_sees_a_reader_leave(here):
    here.model.says("Anybody?", Speech(counting(2_000), pace_s=0.01))
    reader = here.reader()
    await reader.ask("Anybody?", on_disconnect="cancel")
    await reader.read(events=3)

    await reader.drop()

    [asked] = here.model.to("Anybody?")
    await asyncio.wait_for(asked.left.wait(), 5)
    await reader.follow()
    assert_whole(reader)
    assert reader.events[-1].name == "interrupted"


async def test_a_head_ends_at_once(here):
    here.model.says("Head?", Speech(counting(100), pace_s=0.01))
    reader = here.reader()
    await reader.ask("Head?")
    looks = here.reader(of=reader)

    await looks.head()

    assert_laws(looks)
    await reader.follow()


async def test_large_questions_come_through_and_larger_ones_are_refused(here):
    long = "x" * 30_000
    here.model.says(long, Speech(words("Long.")))
    document = {"attachment_type": "log", "content_type": "text/plain", "content": "y" * 400_000}
    reader, refused = here.reader(), here.reader()
    here.model.says(long, Speech(words("Long.")))

    await reader.ask(long)
    await reader.follow()
    await refused.ask("Too long?", attachments=[document] * 6)

    assert_whole(reader)
    assert refused.visit.status == 413


@pytest.mark.parametrize("offer", [b"h2c", b"websocket"])
async def test_a_body_is_no_request_when_offers_of_other_protocols_are_passed_on(here, offer):
    """It would be the beginning of the next request on that connection: that of somebody else."""
    hidden = b"\r\n" * 50_000 + b"DELETE /v1/feedback HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Ignore: "
    head = b"POST /nothing HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %b\r\n" % offer
    with nginx([here.each[0].port], passes_upgrades=True) as url:
        async with httpx.AsyncClient(base_url=url) as other:
            for _ in range(4):
                connection = await connect_tcp("127.0.0.1", int(url.rpartition(":")[2]))
                async with connection:
                    await connection.send(
                        b"%bContent-Length: %d\r\n\r\n%b" % (head, len(hidden), hidden)
                    )
                    refused = await connection.receive()
                answers = [await other.get("/livez") for _ in range(4)]

                assert refused.startswith(b"HTTP/1.1 404 ")
                assert [each.json() for each in answers] == [{"alive": True}] * 4


async def test_a_question_that_offers_another_protocol_has_its_answer(here):
    question = here.model.says("Over HTTP/2?", Speech(words("No.")))
    offer = {"Connection": "Upgrade", "Upgrade": "h2c"}
    with nginx([here.each[0].port], passes_upgrades=True) as url:
        async with httpx.AsyncClient(base_url=url, headers=offer) as client:
            answered = await client.post("/v1/query", json={"query": question})

    assert (answered.status_code, answered.json()["response"]) == (200, "No.")


@pytest.mark.parametrize("size", [9_000, 16_000])
async def test_heads_come_through_that_the_service_takes(here, size):
    headers = {"Authorization": f"Bearer {'a' * size}", "X-Groups": "b" * 40_000}
    async with httpx.AsyncClient(base_url=here.url, headers=headers) as client:
        answered = await client.get("/v1/info")

    assert answered.status_code == 200


async def test_a_head_that_is_too_large_is_refused_by_the_service(here):
    async with httpx.AsyncClient(base_url=here.url, headers={"X": "a" * 60_000}) as client:
        refused = await client.get("/v1/info", headers={"Y": "b" * 60_000})

    assert (refused.status_code, refused.json()["code"]) == (431, "head_too_large")


async def drains(replica):
    """Tell a replica to end, and wait until it refuses new turns."""
    replica.terminate()
    status = 200
    async with asyncio.timeout(5):
        while status != 503:
            line = await replica.dial("GET", "/readyz")
            await line.hang_up()
            status = line.status


async def busy(here, replica):
    """Let a turn run on a replica, so that it takes its time to end."""
    question = here.model.says(f"Busy {replica.key}?", Speech(counting(400), pace_s=0.01))
    reader = here.reader(replica)
    await reader.ask(question)
    return reader


async def test_a_draining_process_is_skipped_and_two_are_said_to_be():
    async with replicas(2, drain_timeout_s="20") as here:
        first, second = here.each
        running = await busy(here, first)
        await drains(first)
        for number in range(4):
            question = here.model.says(f"{number}?", Speech(words("Yes.")))
            reader = here.reader()
            await reader.ask(question, {"Idempotency-Key": str(number)})
            await reader.follow()
            assert_whole(reader)
            assert (await here.owner(question)) is second

        also_running = await busy(here, second)
        await drains(second)
        for headers in ({}, {"Idempotency-Key": "k"}):
            refused = here.reader()
            await refused.ask("Anybody there?", headers)
            assert (refused.visit.status, refused.refusal["code"]) == (503, "stopping")
            assert refused.visit.headers["retry-after"] == "1"
        for each in (running, also_running):
            await each.drop()


async def test_a_dead_process_is_skipped():
    async with replicas(2) as here:
        here.each[0].kill()

        for number in range(4):
            question = here.model.says(f"{number}?", Speech(words("Yes.")))
            reader = here.reader()
            await reader.ask(question)
            await reader.follow()
            assert_whole(reader)
