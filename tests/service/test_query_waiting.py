"""Who waits for one JSON answer is a reader of a turn like any other."""

import json
from contextlib import closing
from dataclasses import replace

import anyio
import pytest

from service.errors import LogUnavailable, StorageUnavailable
from service.routes.query import _hear, _Told
from statemachine import Summary
from tests.support.applications import application
from tests.support.queries import ASKED, BODY, ENDLESS, HELLO, QUERY, asked, running_turn, stop
from tests.support.upstreams import Script, answer, opening_chunk, says
from tests.support.waiting_turns import WAITS

pytestmark = pytest.mark.slow

KEY = {"Idempotency-Key": "a-key"}


# The same question again.


async def test_a_repeated_question_has_the_same_answer():
    async with application(HELLO) as app:
        first, said = await asked(app, KEY)
        again, repeated = await asked(app, KEY)

    assert said == repeated
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert len(app.upstream.turns) == 1


async def test_a_question_that_was_asked_as_a_stream_may_be_repeated_without():
    async with application(HELLO) as app:
        async with app.turn(headers=KEY) as turn:
            await turn.body()
        made, body = await asked(app, KEY)

    assert made.headers["x-request-id"] == turn.headers["x-request-id"]
    assert body["response"] == "Hello"


async def test_what_the_log_has_lost_is_told_from_what_was_stored():
    pieces = ["A long piece of an answer. "] * 200
    async with application(Script(answer(*pieces)), log_turn_limit_bytes=1_024) as app:
        _, first = await asked(app, KEY)
        _, again = await asked(app, KEY)

    assert first["response"] == "".join(pieces)
    assert again == first


async def test_what_is_neither_in_the_log_nor_stored_is_not_told_by_half():
    """It is being deleted, and the log has not heard of that yet."""
    pieces = ["A long piece of an answer. "] * 200
    async with application(Script(answer(*pieces)), log_turn_limit_bytes=1_024) as app:
        made, _ = await asked(app, KEY)
        conversation_id = made.headers["x-conversation-id"]
        await app.services.conversations.delete(conversation_id, None)
        again, body = await asked(app, KEY)

    assert (again.status, body["code"]) == (409, "turn_over")


LONG = {
    "query": "Why does it not start? Its password: hunter2hunter.",
    "system_prompt": "You help people with Kubernetes. Be brief. " * 5,
    "attachments": [
        {"attachment_type": "log", "content_type": "text/plain", "content": "It failed. " * 99}
    ],
}


def cost(said):
    return [said[name] for name in ("outcome", "input_tokens", "output_tokens", "usage")]


@pytest.mark.parametrize(
    ("outcome", "script"), [("end", HELLO), ("awaiting_input", WAITS), ("interrupted", ENDLESS)]
)
async def test_what_a_turn_has_cost_is_told_everywhere_alike(outcome, script):
    """Where the server does not count, all that the model was sent is estimated."""
    async with application(script) as app:
        body = json.dumps(LONG).encode()
        async with app.exchange("POST", QUERY, body=body, headers=KEY) as made:
            if script is ENDLESS:
                await stop(app, await running_turn(app))
            first = await made.json()
        _, again = await asked(app, KEY, **LONG)
        _, kept = await app.ask("GET", f"/v1/conversations/{first['conversation_id']}")

    (turn,) = json.loads(kept)["turns"]
    assert turn["outcome"] == outcome
    assert cost(first) == cost(turn)
    assert cost(again) == cost(turn)


@pytest.mark.parametrize("away", [False, True])
async def test_a_turn_that_is_not_stored_yet_is_told_from_the_log(away):
    """Only what the model was sent besides the question is not known there."""
    async with application(WAITS) as app:
        app.app.state.services = replace(
            app.services, turns=LateTurns(app.services.turns, away=away)
        )
        _, first = await asked(app, KEY)
        _, again = await asked(app, KEY)

    assert (first["outcome"], first["input_tokens"]) == ("awaiting_input", 11)
    assert again | {"input_tokens": 11} == first


class LateTurns:
    """Turns whose ends are not stored yet, or in a database that is away."""

    def __init__(self, turns, *, away):
        self._turns, self._away = turns, away

    def __getattr__(self, name):
        return getattr(self._turns, name)

    async def known(self, *stated):
        if self._away:
            raise StorageUnavailable("It is away.")
        return replace(await self._turns.known(*stated), outcome=None)


# Who waits.


async def test_a_client_that_leaves_ends_nothing():
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hel"), go_on, *answer("Hel", "lo")[2:]))
    async with application(script) as app:
        async with app.exchange("POST", QUERY, body=BODY):
            turn = await running_turn(app)
            assert app.services.readers.count(turn.ids.request_id) == 1
        assert app.services.readers.open == 0
        go_on.set()
        await turn.done.wait()

    assert turn.stream.summary.outcome == "end"


async def test_a_turn_is_not_cancelled_while_somebody_waits_for_it():
    async with application(ENDLESS, disconnect_grace_s=0.05) as app:
        body = json.dumps({**ASKED, "on_disconnect": "cancel"}).encode()
        async with app.exchange("POST", QUERY, body=body) as made:
            turn = await running_turn(app)
            with anyio.move_on_after(0.3):
                await turn.done.wait()
            waited_for = not turn.done.is_set()
            made.disconnect()
            await turn.done.wait()

    assert waited_for
    assert turn.interrupted


async def test_who_waits_counts_among_the_open_streams():
    async with (
        application(ENDLESS, streams={"per_user_limit": 1}) as app,
        app.exchange("POST", QUERY, body=BODY) as waiting,
    ):
        turn = await running_turn(app)
        other, body = await asked(app)
        await stop(app, turn)
        await waiting.json()

    assert (other.status, body["code"]) == (429, "too_many_own_streams")


class Patient:
    """A request whose client never leaves."""

    async def receive(self):
        await anyio.sleep_forever()


async def test_an_end_that_does_not_come_is_not_waited_for_for_ever():
    async with application(ENDLESS) as app, app.turn() as running:
        await running.part()
        turn = await running_turn(app)
        with closing(await app.services.log.reader(turn.ids.request_id, 0)) as reader:
            told = _Told(reader.ids, Summary())
            with pytest.raises(LogUnavailable):
                await _hear(Patient(), reader, told, wait_s=0.01)
        await stop(app, turn)

    assert told.summary.answer == "Hi"
