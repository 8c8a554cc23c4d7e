"""Our own client and its credential: sent with everything, renewed where a turn goes on."""

from typing import Any

import pytest

from tests.clients.conftest import Run, Told
from tests.clients.own import of_kind, proof_of, read
from tests.support.answers_in_turn import (
    STREAM,
    AnswersInTurn,
    answer,
    answering_in_turn,
    end,
    frame,
    payload,
    refusal,
    stream,
)

QUESTION = {"query": "Hello?"}
RETRY = b"retry: 1\n"
WHOLE = stream(RETRY, frame(1), frame(2), end(3, payload(1), payload(2)))
REST = stream(RETRY, frame(2), end(3, payload(1), payload(2)))
EXPIRED = (
    b'retry: 1\ndata: {"event":"unavailable","data":{"code":"credential_expired",'
    b'"response":"Come back with a new one.","retry_ms":1}}\n\n'
)
CUT_OFF = stream(RETRY, frame(1), EXPIRED)


def sent_to(server: AnswersInTurn) -> list[tuple[str, str | None, str | None]]:
    """Return with which credential each request came, and where it wanted to go on."""
    return [
        (each.method, each.header("Authorization"), each.header("Last-Event-ID"))
        for each in server.asked
    ]


def asked_for(told: Told) -> list[tuple[object, object]]:
    """Return why each token was asked for, and which one was given."""
    return [(each["refused"], each["token"]) for each in of_kind(told, "token")]


def numbers_of(told: Told) -> list[object]:
    """Return the numbers of the events that were given."""
    return [each["id"] for each in of_kind(told, "event")]


async def test_a_token_is_sent_with_every_request(run: Run) -> None:
    stopped = answer(200, b'{"interrupted": true}')
    interrupted = stream(frame(2, "interrupted", count=2))

    async with answering_in_turn(stream(RETRY, frame(1)), stopped, interrupted) as server:
        await read(run, server.url, body=QUESTION, stopAt=1, options={"token": "mine"})

    assert [each.method for each in server.asked] == ["POST", "POST", "GET"]
    assert {each.header("Authorization") for each in server.asked} == {"Bearer mine"}


async def test_without_a_token_no_credential_is_sent(run: Run) -> None:
    async with answering_in_turn(WHOLE) as server:
        await read(run, server.url, body=QUESTION)

    assert sent_to(server) == [("POST", None, None)]


@pytest.mark.parametrize("code", ["credential_missing", "credential_invalid", "credential_expired"])
async def test_a_question_without_a_good_credential_is_refused_with_the_code(
    run: Run, code: str
) -> None:
    async with answering_in_turn(refusal(401, code), WHOLE) as server:
        told = await read(run, server.url, body=QUESTION, options={"token": "mine"})

    (refused,) = of_kind(told, "refused")
    assert (refused["status"], refused["code"]) == (401, code)
    assert len(server.asked) == 1
    assert proof_of(told)["events"] == 0


async def test_a_stream_whose_credential_ends_goes_on_with_a_new_one_where_it_was(
    run: Run,
) -> None:
    async with answering_in_turn(CUT_OFF, REST) as server:
        told = await read(run, server.url, body=QUESTION, tokens=["old", "new"])

    assert asked_for(told) == [(None, "old"), ("credential_expired", "new")]
    assert sent_to(server) == [("POST", "Bearer old", None), ("GET", "Bearer new", "1")]
    assert [each["code"] for each in of_kind(told, "unavailable")] == ["credential_expired"]
    assert [each["reason"] for each in of_kind(told, "lost")] == ["credential_expired"]
    assert numbers_of(told) == [1, 2, 3]
    assert proof_of(told)["whole"]


async def test_a_resume_whose_credential_was_refused_is_made_with_a_new_one(run: Run) -> None:
    refused = refusal(401, "credential_expired")

    async with answering_in_turn(stream(RETRY, frame(1)), refused, REST) as server:
        told = await read(run, server.url, body=QUESTION, tokens=["old", "new"])

    assert sent_to(server)[1:] == [("GET", "Bearer old", "1"), ("GET", "Bearer new", "1")]
    assert numbers_of(told) == [1, 2, 3]
    assert proof_of(told)["whole"]


async def test_a_question_is_asked_again_with_a_new_credential_and_the_same_key(run: Run) -> None:
    refused = refusal(401, "credential_expired")

    async with answering_in_turn(refused, WHOLE) as server:
        told = await read(run, server.url, body=QUESTION, tokens=["old", "new"])

    first, second = server.asked
    assert first.header("Idempotency-Key") == second.header("Idempotency-Key") is not None
    assert proof_of(told)["whole"]


@pytest.mark.parametrize("asked", [{"options": {"token": "old"}}, {"tokens": ["old"]}])
async def test_a_stream_whose_credential_ends_is_refused_when_there_is_no_other(
    run: Run, asked: dict[str, Any]
) -> None:
    async with answering_in_turn(CUT_OFF, REST) as server:
        told = await read(run, server.url, body=QUESTION, **asked)

    (refused,) = of_kind(told, "refused")
    assert (refused["status"], refused["code"]) == (401, "credential_expired")
    assert refused["response"] == "Come back with a new one."
    assert len(server.asked) == 1
    assert not proof_of(told)["terminated"]


async def test_a_token_that_was_refused_is_not_sent_again(run: Run) -> None:
    async with answering_in_turn(refusal(401, "credential_invalid"), WHOLE) as server:
        told = await read(run, server.url, body=QUESTION, tokens=["same", "same"])

    assert [each["code"] for each in of_kind(told, "refused")] == ["credential_invalid"]
    assert len(server.asked) == 1


async def test_tokens_that_are_refused_one_after_another_are_tries_in_vain(run: Run) -> None:
    refused = [refusal(401, "credential_invalid")] * 4
    quick = {"retryMs": 1, "maxTries": 3}

    async with answering_in_turn(*refused) as server:
        told = await read(run, server.url, body=QUESTION, tokens=[*"abcdefg"], options=quick)

    assert len(server.asked) == 4
    assert [each["attempt"] for each in of_kind(told, "lost")] == [1, 2, 3]
    assert told[-1]["kind"] == "gave_up"


async def test_a_token_that_cannot_be_had_for_now_is_asked_for_again(run: Run) -> None:
    quick = {"retryMs": 1}

    async with answering_in_turn(CUT_OFF, REST) as server:
        tokens = ["!", "old", "!", "new"]
        told = await read(run, server.url, body=QUESTION, tokens=tokens, options=quick)

    assert [why for why, _ in asked_for(told)] == [None, None, "credential_expired", None]
    assert [each["reason"] for each in of_kind(told, "lost")] == [None, "credential_expired"]
    assert sent_to(server) == [("POST", "Bearer old", None), ("GET", "Bearer new", "1")]
    assert numbers_of(told) == [1, 2, 3]


async def test_a_turn_can_be_left_while_a_new_credential_is_waited_for(run: Run) -> None:
    async with answering_in_turn(CUT_OFF, REST) as server:
        told = await read(run, server.url, body=QUESTION, tokens=["old", "never"], leave=True)

    assert asked_for(told)[-1] == ("credential_expired", "never")
    assert of_kind(told, "refused") == of_kind(told, "lost") == []
    assert numbers_of(told) == [1]
    assert len(server.asked) == 1


async def test_the_ticket_of_a_question_opens_its_stream_by_address(run: Run) -> None:
    headers = STREAM | {"x-request-id": "r 1", "x-stream-ticket": "a+ticket/="}
    told_whole = answer(200, RETRY + frame(1) + end(2, payload(1)), headers)

    async with answering_in_turn(told_whole) as server:
        told = await read(run, server.url, body=QUESTION, address=True)

    (address,) = of_kind(told, "address")
    path, query = "/v1/streaming_query/r%201", "last_event_id=2&ticket=a%2Bticket%2F%3D"
    assert address["url"] == f"{server.url}{path}?{query}"


async def test_what_is_left_of_quotas_comes_with_the_end(run: Run) -> None:
    last = b'id: 1\ndata: {"event":"end","data":{"id":1},"available_quotas":{"daily":12}}\n\n'

    async with answering_in_turn(stream(last)) as server:
        told = await read(run, server.url, body=QUESTION)

    assert [each["quotas"] for each in of_kind(told, "event")] == [{"daily": 12}]
