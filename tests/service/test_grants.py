"""What may be done with what belongs to others: only what was granted, each by itself."""

import json
from functools import partial

import pytest

from service.domain import Action
from tests.support.applications import events
from tests.support.people import used_by
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says
from tests.support.waiting_turns import BOTH, GOES_ON, WAITS
from tests.support.ways import gone, way

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hello"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))

GRANTS = {
    Action.LIST_OTHERS_CONVERSATIONS: {"list"},
    Action.READ_OTHERS_CONVERSATIONS: {"read", "follow"},
    Action.QUERY_OTHERS_CONVERSATIONS: {"ask", "query", "answer"},
    Action.UPDATE_OTHERS_CONVERSATIONS: {"rename"},
    Action.DELETE_OTHERS_CONVERSATIONS: {"delete"},
    Action.INTERRUPT_OTHERS: {"interrupt", "interrupt by body"},
}
NAMES = sorted({name for each in GRANTS.values() for name in each} - {"list"})


def granted(*actions, scripts):
    """Run an application in which carol may do something with what is others'."""
    roles = {"roles": {"granted": [str(each) for each in actions]}}
    people = {"alice": (), "carol": ("granted",)}
    return used_by(people, *scripts, authorization=roles)


async def is_listed(carol, turn):
    made, body = await carol.ask("GET", "/v1/conversations?user=all")
    known = turn.headers["x-conversation-id"]
    return made.status == 200 and known in str(json.loads(body))


def test_every_action_on_what_belongs_to_others_is_tried():
    assert set(GRANTS) == {each for each in Action if "others" in each}


@pytest.mark.parametrize("grant", GRANTS)
async def test_a_grant_allows_one_thing_and_nothing_else(grant):
    async with granted(grant, scripts=(WAITS,)) as people:
        alice, carol = people["alice"], people["carol"]
        done = {"list"} if await is_listed(carol, await alice.ended()) else set()
        for name in NAMES:
            made, _ = await gone(carol, way(name), await alice.ended())
            done |= {name} if made.status == 200 else set()

    assert done == GRANTS[grant]


async def test_nothing_is_granted_by_a_role_that_has_everything_of_ones_own():
    async with granted("*", scripts=(WAITS,)) as people:
        turn = await people["alice"].ended()
        statuses = {(await gone(people["carol"], way(name), turn))[0].status for name in NAMES}

        assert statuses == {404}
        assert not await is_listed(people["carol"], turn)


async def test_an_administrator_may_do_all_of_it():
    people = {"alice": (), "root": ("admin",)}
    async with used_by(people, WAITS) as app:
        done = [
            name
            for name in NAMES
            if (await gone(app["root"], way(name), await app["alice"].ended()))[0].status == 200
        ]

    assert done == NAMES


async def test_who_stops_a_turn_of_others_is_an_operator():
    grant = partial(granted, Action.INTERRUPT_OTHERS)
    async with grant(scripts=(ENDLESS,)) as people, people["alice"].turn() as turn:
        await turn.part()
        await people["carol"].interrupt(turn)
        last = events(await turn.body())[-1]

    assert (last["event"], last["data"]["by"]) == ("interrupted", "operator")


async def test_a_turn_belongs_to_who_asked_it_wherever_that_was():
    grant = partial(granted, Action.QUERY_OTHERS_CONVERSATIONS)
    async with grant(scripts=(HELLO, HELLO)) as people:
        turn = await people["alice"].ended()
        theirs = await people["carol"].goes_on(turn)
        mine, _ = await gone(people["alice"], way("follow"), theirs)
        _, body = await gone(people["alice"], way("read"), turn)

    assert mine.status == 404
    assert [each["request_id"] for each in json.loads(body)["turns"]] == [
        turn.headers["x-request-id"],
        theirs.headers["x-request-id"],
    ]


async def test_who_may_ask_elsewhere_may_not_stop_what_runs_there():
    grant = partial(granted, Action.QUERY_OTHERS_CONVERSATIONS)
    async with grant(scripts=(ENDLESS,)) as people, people["alice"].turn() as turn:
        await turn.part()
        made, body = await gone(people["carol"], way("ask"), turn)
        still_runs = turn.headers["x-request-id"] in people["alice"].services.live
        await people["alice"].interrupt(turn)

    assert (made.status, json.loads(body)["code"]) == (409, "conversation_busy")
    assert still_runs


async def test_a_turn_of_others_goes_on_with_answers_that_were_granted():
    grant = partial(granted, Action.QUERY_OTHERS_CONVERSATIONS)
    async with grant(scripts=(WAITS, GOES_ON)) as people:
        turn = await people["alice"].ended()
        async with people["carol"].answer(turn, **BOTH) as again:
            last = events(await again.body())[-1]

    assert last["event"] == "end"


async def test_whose_a_conversation_is_is_told_to_who_sees_those_of_others_only():
    grant = partial(granted, Action.READ_OTHERS_CONVERSATIONS)
    async with grant(scripts=(HELLO,)) as people:
        turn = await people["alice"].ended()
        _, mine = await gone(people["alice"], way("read"), turn)
        _, theirs = await gone(people["carol"], way("read"), turn)

    assert "user_id" not in json.loads(mine)
    assert json.loads(theirs)["user_id"] == "alice"
