"""A turn that is in the way of another one: when it is stopped, and to whom it is named."""

import json

import anyio
import pytest

from service.domain import Action
from tests.support.applications import application, events, names
from tests.support.offers import OFFER
from tests.support.people import used_by
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says
from tests.support.waiting_turns import BOTH, GOES_ON, WAITS
from tests.support.ways import gone, way

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hello"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
PEOPLE = {"alice": (), "carol": ("granted",)}
MERE = {"alice": (), "carol": ()}


def granted(*actions, scripts, **settings):
    """Run an application in which carol may ask in conversations of others, and what is given."""
    roles = [str(each) for each in (Action.QUERY_OTHERS_CONVERSATIONS, *actions)]
    return used_by(PEOPLE, *scripts, authorization={"roles": {"granted": roles}}, **settings)


async def at_once(app, turn, **fields):
    """Ask another question that stops what is in its way; return status and code."""
    here = turn.headers["x-conversation-id"]
    async with app.turn(conversation_id=here, if_busy="interrupt", **fields) as other:
        body = await other.body()
    return other.status, None if other.status == 200 else json.loads(body)["code"]


CANNOT_START = {
    "rate_exceeded": ({"turns_per_minute_limit": 1}, {}),
    "quota_exceeded": ({"token_quotas": [{"name": "daily", "initial_tokens": 3_000}]}, {}),
    "model_unknown": ({}, {"model": "other", "provider": "nobody"}),
    "request_invalid": ({"client_tools_by_request": False}, {"client_tools": [{"name": "a"}]}),
}


@pytest.mark.parametrize("code", CANNOT_START)
async def test_a_turn_is_not_stopped_for_a_question_that_cannot_start(code):
    settings, fields = CANNOT_START[code]
    scripts, offer = (ENDLESS, HELLO), (OFFER if code == "model_unknown" else None,)
    async with application(*scripts, catalogues=offer, **settings) as app, app.turn() as running:
        await running.part()
        _, told = await at_once(app, running, **fields)
        said = await app.interrupt(running)
        await running.body()

    assert told == code
    assert said["interrupted"] is True


async def test_a_question_that_can_start_stops_it():
    limits = {"turns_per_minute_limit": 2, "token_quotas": [{"name": "d", "initial_tokens": 9_000}]}
    async with application(ENDLESS, HELLO, **limits) as app, app.turn() as running:
        await running.part()
        status, _ = await at_once(app, running)
        last = events(await running.body())[-1]

    assert (status, last["event"]) == (200, "interrupted")


async def test_who_cannot_follow_the_turn_in_the_way_is_not_told_which_it_is():
    async with granted(scripts=(HELLO, ENDLESS)) as people:
        turn = await people["alice"].ended()
        theirs = people["carol"].turn(conversation_id=turn.headers["x-conversation-id"])
        async with theirs as running:
            await running.part()
            told = [await gone(people["alice"], way(each), turn) for each in ("ask", "delete")]
            await people["carol"].interrupt(running)
            await running.body()

    for made, body in told:
        said = json.loads(body)
        assert (made.status, said["code"]) == (409, "conversation_busy")
        assert "request_id" not in said
        assert "content-location" not in made.headers
        assert running.headers["x-request-id"] not in body.decode()


async def test_answers_are_told_no_more_of_it():
    async with granted(scripts=(WAITS, ENDLESS)) as people:
        turn = await people["alice"].ended()
        theirs = people["carol"].turn(conversation_id=turn.headers["x-conversation-id"])
        async with theirs as running:
            await running.part()
            made, body = await gone(people["alice"], way("answer"), turn)
            await people["carol"].interrupt(running)
            await running.body()

    assert (made.status, json.loads(body)["code"]) == (409, "conversation_busy")
    assert "request_id" not in json.loads(body)


async def test_who_may_read_what_others_ask_is_told_which_turn_it_is():
    grant = granted(Action.READ_OTHERS_CONVERSATIONS, scripts=(ENDLESS,))
    async with grant as people, people["alice"].turn() as running:
        await running.part()
        made, body = await gone(people["carol"], way("ask"), running)
        followed, _ = await people["carol"].ask("HEAD", made.headers["content-location"])
        await people["alice"].interrupt(running)
        await running.body()

    assert json.loads(body)["request_id"] == running.headers["x-request-id"]
    assert followed.status == 200


async def test_who_may_not_stop_it_is_refused_at_once():
    grant = granted(scripts=(ENDLESS,), interrupt_wait_s=60.0)
    async with grant as people, people["alice"].turn() as running:
        await running.part()
        with anyio.fail_after(5):
            told = await at_once(people["carol"], running)
        said = await people["alice"].interrupt(running)
        await running.body()

    assert told == (409, "conversation_busy")
    assert said["interrupted"] is True


async def test_an_operator_stops_it_for_a_question_of_their_own():
    grant = granted(Action.INTERRUPT_OTHERS, scripts=(ENDLESS, HELLO))
    async with grant as people, people["alice"].turn() as running:
        await running.part()
        status, _ = await at_once(people["carol"], running)
        last = events(await running.body())[-1]

    assert status == 200
    assert (last["event"], last["data"]["by"]) == ("interrupted", "operator")


async def test_answers_that_somebody_else_has_given_are_not_followed():
    """Their stream could not be resumed."""
    async with granted(scripts=(WAITS, GOES_ON)) as people:
        turn = await people["alice"].ended()
        async with people["carol"].answer(turn, **BOTH) as first:
            said = await first.body()
        made, body = await gone(people["alice"], way("answer"), turn)
        async with people["carol"].answer(turn, **BOTH) as again:
            joined = await again.body()

    assert (made.status, json.loads(body)["code"]) == (409, "not_awaiting")
    assert "x-stream-ticket" not in made.headers
    assert (again.status, joined) == (200, said)


async def test_a_turn_in_a_conversation_that_is_no_longer_open_to_its_owner_cannot_be_answered(
    tmp_path,
):
    kept = {"database": {"url": f"sqlite:///{tmp_path}/turnstile.db"}}
    async with granted(scripts=(HELLO, WAITS), **kept) as people:
        mine = await people["alice"].ended()
        theirs = await people["carol"].goes_on(mine)
    async with used_by(MERE, GOES_ON, **kept) as people:
        refused, body = await gone(people["carol"], way("answer"), theirs)
        _, read = await gone(people["alice"], way("read"), mine)

    assert (refused.status, json.loads(body)["code"]) == (404, "turn_unknown")
    assert people["carol"].upstream.resumed == []
    assert len(json.loads(read)["turns"]) == 2


async def test_who_began_a_conversation_answers_in_it_after_a_restart(tmp_path):
    kept = {"database": {"url": f"sqlite:///{tmp_path}/turnstile.db"}}
    async with used_by(MERE, WAITS, **kept) as people:
        turn = await people["alice"].ended()
    async with used_by(MERE, GOES_ON, **kept) as people, people["alice"].answer(turn, **BOTH) as on:
        assert names(await on.body())[-1] == "end"
