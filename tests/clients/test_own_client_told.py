"""Our own client before a server that answers as a test says: what the service does rarely."""

import pytest

from tests.clients.conftest import Run
from tests.clients.own import of_kind, payloads_of, proof_of, read
from tests.support.answers_in_turn import (
    STREAM,
    AnswersInTurn,
    answer,
    answering_in_turn,
    end,
    frame,
    payload,
    refusal,
    silent_stream,
    stream,
)

QUESTION = {"query": "Hello?"}
RETRY = b"retry: 1\n"
QUICK = {"retryMs": 1, "maxDelayMs": 5_000}
WHOLE = stream(RETRY, frame(1), frame(2), end(3, payload(1), payload(2)))
REST = stream(RETRY, frame(2), end(3, payload(1), payload(2)))


def numbers_of(told: list[dict[str, object]]) -> list[object]:
    """Return the numbers of the events that were given."""
    return [each["id"] for each in of_kind(told, "event")]


def cursors_of(server: AnswersInTurn) -> list[str | None]:
    """Return after which event each request wanted to go on."""
    return [each.header("Last-Event-ID") for each in server.asked]


@pytest.mark.parametrize("reason", ["draining", "rotated", "busy"])
async def test_a_reader_that_is_sent_away_comes_back_when_it_was_told_to(
    run: Run, reason: str
) -> None:
    away = stream(RETRY, frame(1), f": {reason}\nretry: 250\n".encode())

    async with answering_in_turn(away, REST) as server:
        told = await read(run, server.url, body=QUESTION)

    (lost,) = of_kind(told, "lost")
    assert (lost["reason"], lost["after"]) == (reason, 1)
    assert 250 <= lost["delayMs"] <= 375
    assert server.pauses_s()[0] >= 0.25
    assert cursors_of(server) == [None, "1"]
    assert proof_of(told)["whole"]


async def test_a_quiet_turn_that_is_sent_around_is_never_given_up(run: Run) -> None:
    away = stream(RETRY, b":\n: rotated\nretry: 1\n")

    async with answering_in_turn(stream(RETRY, frame(1)), *[away] * 9, REST) as server:
        told = await read(run, server.url, body=QUESTION, options={"maxTries": 2})

    assert numbers_of(told) == [1, 2, 3]
    assert {each["attempt"] for each in of_kind(told, "lost")} == {1}


async def test_readers_that_are_too_many_come_back_later_each_time(run: Run) -> None:
    busy = stream(b": busy\nretry: 50\n")

    async with answering_in_turn(stream(RETRY, frame(1)), busy, busy, busy, REST) as server:
        told = await read(run, server.url, body=QUESTION)

    least = [each["delayMs"] for each in of_kind(told, "lost")]
    assert numbers_of(told) == [1, 2, 3]
    assert [each["attempt"] for each in of_kind(told, "lost")] == [1, 2, 3, 4]
    assert all(delay >= asked for delay, asked in zip(least, [1, 100, 200, 400], strict=True))


async def test_a_turn_that_is_out_of_reach_for_now_is_asked_for_again(run: Run) -> None:
    data = b'{"event":"unavailable","data":{"code":"log_unavailable","response":"Later."}}'
    unavailable = stream(b"retry: 100\ndata: " + data + b"\n\n")

    async with answering_in_turn(stream(RETRY, frame(1)), unavailable, REST) as server:
        told = await read(run, server.url, body=QUESTION)

    (said,) = of_kind(told, "unavailable")
    assert (said["code"], said["response"]) == ("log_unavailable", "Later.")
    assert cursors_of(server) == [None, "1", "1"]
    assert server.pauses_s()[1] >= 0.1
    assert proof_of(told)["whole"]


async def test_events_that_nobody_has_any_more_are_told_once(run: Run) -> None:
    gap = b'data: {"event":"gap","data":{"from":2,"to":4}}\n\n'
    late = stream(RETRY, gap, frame(4), end(5))

    async with answering_in_turn(stream(RETRY, frame(1)), stream(gap), late) as server:
        told = await read(run, server.url, body=QUESTION, options=QUICK)

    assert of_kind(told, "gap") == [{"kind": "gap", "from": 2, "to": 3}]
    assert numbers_of(told) == [1, 4, 5]
    assert (proof_of(told)["digest"], proof_of(told)["whole"]) == ("unchecked", False)


async def test_events_that_were_lost_with_their_process_are_withdrawn(run: Run) -> None:
    gap = b'data: {"event":"gap","data":{"from":5,"to":3}}\n\n'
    told_before = stream(RETRY, frame(1), frame(2), frame(3), frame(4))
    shorter = stream(RETRY, gap, end(3, payload(1), payload(2)))

    async with answering_in_turn(told_before, shorter) as server:
        told = await read(run, server.url, body=QUESTION)

    proof = proof_of(told)
    assert of_kind(told, "withdrawn") == [{"kind": "withdrawn", "from": 3, "to": 4}]
    assert numbers_of(told) == [1, 2, 3, 4, 3]
    assert (proof["digest"], proof["countMatches"]) == ("verified", True)
    assert (proof["withdrawn"], proof["whole"]) == (2, False)


async def test_an_event_that_comes_twice_is_given_once(run: Run) -> None:
    again = stream(RETRY, frame(1), frame(1), frame(2), end(3, payload(1), payload(2)))

    async with answering_in_turn(stream(RETRY, frame(1)), again) as server:
        told = await read(run, server.url, body=QUESTION)

    assert numbers_of(told) == [1, 2, 3]
    assert proof_of(told)["doubled"] == 2
    assert proof_of(told)["whole"]


async def test_nothing_that_comes_after_the_end_is_given(run: Run) -> None:
    more = stream(RETRY, frame(1), end(2, payload(1)), frame(3), end(4))

    async with answering_in_turn(more) as server:
        told = await read(run, server.url, body=QUESTION)

    assert numbers_of(told) == [1, 2]
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "refused",
    [
        refusal(503, "stopping", {"retry-after": "1"}),
        refusal(503, "too_many_streams", {"retry-after": "1"}),
        refusal(429, "too_many_own_streams", {"retry-after": "1"}),
        refusal(429, "too_many_readers", {"retry-after": "1"}),
        answer(502, b"<html>A proxy.</html>", {"retry-after": "1"}),
    ],
    ids=["stopping", "too_many_streams", "too_many_own_streams", "too_many_readers", "proxy"],
)
async def test_a_question_that_was_not_taken_is_asked_again_when_the_service_wants_it(
    run: Run, refused: bytes
) -> None:
    async with answering_in_turn(refused, WHOLE) as server:
        told = await read(run, server.url, body=QUESTION, options=QUICK)

    first, second = server.asked
    assert first.header("Idempotency-Key") == second.header("Idempotency-Key") is not None
    assert server.pauses_s()[0] >= 1
    assert proof_of(told)["whole"]


@pytest.mark.parametrize(
    "refused",
    [
        refusal(409, "idempotency_key_reused"),
        refusal(429, "upstream_rate_limited", {"retry-after": "1"}),
        refusal(503, "stopping", {"retry-after": "3600"}),
        refusal(500, "internal_error"),
        refusal(404, "conversation_unknown"),
    ],
)
async def test_every_other_refusal_is_told_at_once(run: Run, refused: bytes) -> None:
    async with answering_in_turn(refused, WHOLE) as server:
        told = await read(run, server.url, body=QUESTION, options=QUICK)

    (refused_notice,) = of_kind(told, "refused")
    assert refused_notice["cause"] == "The test says so."
    assert len(server.asked) == 1
    assert not proof_of(told)["terminated"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_resume_that_fails_for_now_is_tried_again(run: Run, status: int) -> None:
    passing = refusal(status, "anything")

    async with answering_in_turn(stream(RETRY, frame(1)), passing, REST) as server:
        told = await read(run, server.url, body=QUESTION, options=QUICK)

    assert cursors_of(server) == [None, "1", "1"]
    assert proof_of(told)["whole"]


async def test_a_turn_that_is_no_longer_kept_ends_without_a_proof(run: Run) -> None:
    async with answering_in_turn(stream(RETRY, frame(1)), refusal(404, "turn_unknown")) as server:
        told = await read(run, server.url, body=QUESTION)

    assert [each["code"] for each in of_kind(told, "refused")] == ["turn_unknown"]
    assert (told[-1]["terminal"], proof_of(told)["whole"]) == (None, False)


async def test_a_turn_of_which_nothing_is_left_ends(run: Run) -> None:
    async with answering_in_turn(stream(RETRY, frame(1)), answer(204)) as server:
        told = await read(run, server.url, body=QUESTION)

    assert of_kind(told, "refused") == []
    assert not proof_of(told)["terminated"]
    assert len(server.asked) == 2


async def test_a_service_that_never_answers_is_given_up_after_so_many_tries(run: Run) -> None:
    async with answering_in_turn() as server:
        told = await read(run, server.url, body=QUESTION, options=QUICK | {"maxTries": 3})

    assert [each["kind"] for each in told] == ["lost", "lost", "lost", "gave_up"]
    assert len(server.asked) == 4


async def test_only_tries_in_vain_are_counted(run: Run) -> None:
    ways = [stream(RETRY, frame(number)) for number in range(1, 9)]
    last = stream(RETRY, end(9, *map(payload, range(1, 9))))

    async with answering_in_turn(*ways, last) as server:
        told = await read(run, server.url, body=QUESTION, options=QUICK | {"maxTries": 1})

    assert numbers_of(told) == list(range(1, 10))
    assert {each["attempt"] for each in of_kind(told, "lost")} == {1}
    assert proof_of(told)["whole"]


async def test_a_question_that_was_stopped_before_it_was_heard_is_not_asked_again(run: Run) -> None:
    async with answering_in_turn() as server:
        told = await read(run, server.url, body=QUESTION, stopAt=0)

    assert [each["kind"] for each in told] == ["proof"]
    assert len(server.asked) == 1


async def test_a_page_of_another_origin_learns_the_number_of_its_turn_from_the_first_event(
    run: Run,
) -> None:
    """Without the service's leave, browsers hide its headers from such a page."""
    began = frame(1, "start", request_id="r9")
    hidden = answer(200, b"retry: 200\n" + began, STREAM)
    stopped = answer(200, b'{"interrupted": true}')
    interrupted = stream(frame(2, "interrupted", count=2))

    async with answering_in_turn(hidden, stopped, interrupted) as server:
        told = await read(run, server.url, body=QUESTION, stopAt=0)

    targets = [each.text.split(" ")[1] for each in server.asked]
    turns = "/v1/streaming_query"
    assert targets == [turns, f"{turns}/r9/interrupt", f"{turns}/r9"]
    assert told[-1]["terminal"] == "interrupted"


async def test_a_connection_without_a_sign_of_life_counts_as_lost(run: Run) -> None:
    impatient = QUICK | {"silenceMs": 200}

    async with answering_in_turn(silent_stream(RETRY, frame(1)), silent_stream(), REST) as server:
        told = await read(run, server.url, body=QUESTION, options=impatient)

    assert cursors_of(server) == [None, "1", "1"]
    assert min(server.pauses_s()) >= 0.2
    assert proof_of(told)["whole"]


async def test_headers_of_the_caller_are_sent_with_every_request(run: Run) -> None:
    named = {"headers": {"Authorization": "Bearer mine"}}

    async with answering_in_turn(stream(RETRY, frame(1)), REST) as server:
        told = await read(run, server.url, body=QUESTION, options=named)

    assert {each.header("Authorization") for each in server.asked} == {"Bearer mine"}
    assert payloads_of(told)[0] == payload(1).decode()
