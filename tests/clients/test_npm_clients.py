"""Clients that other people wrote, used as their users do."""

import json

import pytest

from tests.clients.conftest import Run, Told
from tests.support.answers_in_turn import answer, answering_in_turn, frame, payload, stream
from tests.support.cutting_proxy import UNHEARD, cutting_proxy
from tests.support.left_turns import QUERY, started, undisturbed
from tests.support.server import ServerProcess
from tests.support.sse import Message

CLIENTS = ["eventsource", "eventsource-client", "eventsource-parser", "fetch-event-source"]
SOME_CUTS = [700, UNHEARD, 2_000, 60, 0, 5_000, 900, 901, 1_500]
EVERYWHERE = [300, *range(0, 450, 4)]
"""The first connection tells when to come back; the others get on by an event or two."""

with_each = pytest.mark.parametrize("client", CLIENTS)


def events_of(told: Told, ended: int | str = 204) -> list[Message]:
    """Return the events that a program was given; it has seen that there are no more."""
    *events, last = told
    assert last == {"ended": ended}
    return [Message(each["data"], last_id=each["id"]) for each in events]


@with_each
async def test_a_stream_is_read_to_its_end_and_heartbeats_are_not_seen(
    run: Run, unhurried_service: str, client: str
) -> None:
    path = started(unhurried_service).path

    async with cutting_proxy(unhurried_service) as proxy:
        told = await run(client, url=proxy.url + path)

    assert events_of(told) == undisturbed(unhurried_service, path)
    assert proxy.heartbeats > 0


@with_each
@pytest.mark.parametrize("how", ["ends", "resets"])
async def test_a_connection_that_is_cut_again_and_again_loses_and_doubles_nothing(
    run: Run, service: str, client: str, how: str
) -> None:
    path = started(service).path

    async with cutting_proxy(service, SOME_CUTS, resets=how == "resets") as proxy:
        told = await run(client, url=proxy.url + path)

    assert events_of(told) == undisturbed(service, path)
    assert len(proxy.passages) == len(SOME_CUTS) + 2


@with_each
async def test_no_byte_is_a_bad_one_to_cut_after(run: Run, service: str, client: str) -> None:
    path = started(service).path
    expected = undisturbed(service, path)

    async with cutting_proxy(service, EVERYWHERE) as proxy:
        told = await run(client, url=proxy.url + path)

    assert events_of(told) == expected


@with_each
async def test_a_service_that_rotates_its_readers_costs_them_nothing(
    run: Run, rotating_service: str, client: str
) -> None:
    path = started(rotating_service).path

    async with cutting_proxy(rotating_service) as proxy:
        told = await run(client, url=proxy.url + path)

    assert events_of(told) == undisturbed(rotating_service, path)
    assert b": rotated\nretry: " in proxy.passages[0].answer
    assert len(proxy.passages) > 3


@with_each
async def test_a_reader_that_is_sent_away_comes_back_when_it_was_told_to(
    run: Run, client: str
) -> None:
    sent_away = stream(b"retry: 1\n", frame(1), b": rotated\nretry: 300\n")
    rest = stream(b"retry: 1\n", frame(2))

    async with answering_in_turn(sent_away, rest, answer(204)) as server:
        told = await run(client, url=f"{server.url}/turn")

    assert events_of(told) == [Message(payload(n).decode(), last_id=str(n)) for n in (1, 2)]
    assert [each.header("Last-Event-ID") for each in server.asked] == [None, "1", "2"]
    first, second = server.pauses_s()
    assert first > 0.3 > second


async def test_a_question_that_a_client_repeats_by_itself_starts_one_turn(
    run: Run, own_service: ServerProcess
) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": "mine"}
    question = {"method": "POST", "headers": headers, "body": json.dumps({"query": QUERY})}
    cuts = [700, UNHEARD, UNHEARD, 2_000]

    async with cutting_proxy(own_service.url, cuts, resets=True) as proxy:
        url = f"{proxy.url}/v1/streaming_query"
        told = await run("fetch-event-source", url=url, request=question)

    events = events_of(told, "stopped")
    request_id = json.loads(events[0].data)["data"]["request_id"]
    assert events == undisturbed(own_service.url, f"/v1/streaming_query/{request_id}")
    assert [each.method for each in proxy.passages] == ["POST"] * 5
    assert own_service.said.count("turn.ended") == 1
