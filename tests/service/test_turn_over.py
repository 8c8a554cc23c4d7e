"""A key whose turn has run and can no longer be followed starts no second one."""

import json

import pytest

from tests.support.applications import QUERY, TURNS, application
from tests.support.kept_turns import on_file
from tests.support.upstreams import Script, answer

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
KEY = {"Idempotency-Key": "a-key"}
FEW = {"log_limit_bytes": 3_000}
"""The stream of a turn is gone when the next one has ended."""


async def once(app, **fields):
    """Ask with the key, and wait for the end."""
    async with app.turn(headers=KEY, **fields) as turn:
        await turn.body()
    return turn


async def refusal(app, target=TURNS, **fields):
    """Ask with the key once more; return status, code and cause."""
    made, body = await app.ask("POST", target, QUERY | fields, **KEY)
    said = json.loads(body)
    return made.status, said["code"], said["detail"]["cause"]


@pytest.mark.parametrize("target", [TURNS, "/v1/query"])
async def test_a_repeated_question_is_told_that_it_was_answered(target):
    async with application(HELLO, **FEW) as app:
        turn = await once(app)
        await app.ended()
        status, code, cause = await refusal(app, target)
        _, kept = await app.ask("GET", f"/v1/conversations/{turn.headers['x-conversation-id']}")

    assert (status, code) == (409, "turn_over")
    assert turn.headers["x-request-id"] in cause
    assert json.loads(kept)["turns"][0]["answer"] == "Hello"
    assert len(app.upstream.plans) == 2


async def test_another_question_under_its_key_is_still_another_one():
    async with application(HELLO, **FEW) as app:
        await once(app)
        await app.ended()

        assert (await refusal(app, query="Something else?"))[1] == "idempotency_key_reused"


async def test_a_key_outlives_its_process(tmp_path):
    kept = on_file(tmp_path / "turnstile.db")
    async with application(HELLO, **kept) as one:
        await once(one)
    async with application(HELLO, **kept) as other:
        told = await refusal(other)

    assert told[:2] == (409, "turn_over")
    assert other.upstream.plans == []


@pytest.mark.parametrize("target", [TURNS, "/v1/query"])
async def test_a_question_whose_turn_was_deleted_is_not_asked_again(target):
    async with application(HELLO) as app:
        turn = await once(app)
        await app.ask("DELETE", f"/v1/conversations/{turn.headers['x-conversation-id']}")
        status, code, cause = await refusal(app, target)

    assert (status, code) == (409, "turn_over")
    assert turn.headers["x-request-id"] in cause
    assert len(app.upstream.plans) == 1


async def test_another_key_asks_it_again():
    async with application(HELLO) as app:
        turn = await once(app)
        await app.ask("DELETE", f"/v1/conversations/{turn.headers['x-conversation-id']}")
        made, _ = await app.ask("POST", TURNS, QUERY, **{"Idempotency-Key": "another-key"})

    assert made.status == 200
    assert len(app.upstream.plans) == 2
