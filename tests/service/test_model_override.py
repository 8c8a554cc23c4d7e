"""Who chooses the model of a turn needs to be allowed to."""

import json

import pytest

from tests.support.applications import QUERY, TURNS, application
from tests.support.offers import LARGE, OFFER, SMALL
from tests.support.people import acting, key, keys, used_by
from tests.support.queries import ENDLESS
from tests.support.upstreams import Script, answer

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hello"))
CHOSEN = {"provider": "vllm", "model": "large-70b"}
PEOPLE = {"alice": (), "dora": ("developer",), "erik": ("chooses",)}
ROLES = {"authorization": {"roles": {"chooses": ["model_override"]}}}


def used(*scripts):
    """Run an application in which dora and erik may choose, and alice may not."""
    return used_by(PEOPLE, *scripts, catalogues=(OFFER,), **ROLES)


@pytest.mark.parametrize("target", [TURNS, "/v1/query"])
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "a-key"}])
async def test_who_may_not_choose_is_refused(target, headers):
    async with used(HELLO) as people:
        alice = people["alice"]
        refused, body = await alice.ask("POST", target, QUERY | CHOSEN, **headers)
        taken, _ = await alice.ask("POST", target, QUERY, **headers)

    said = json.loads(body)
    assert (refused.status, said["code"]) == (403, "forbidden")
    assert "model_override" in said["detail"]["cause"]
    assert taken.status == 200
    assert [each.model for each in alice.upstream.plans] == [SMALL]


@pytest.mark.parametrize("name", ["dora", "erik"])
@pytest.mark.parametrize("target", [TURNS, "/v1/query"])
async def test_who_may_choose_gets_that_model(name, target):
    async with used(HELLO) as people:
        made, _ = await people[name].ask("POST", target, QUERY | CHOSEN)

    assert made.status == 200
    assert [each.model for each in people[name].upstream.plans] == [LARGE]


async def test_to_name_the_model_that_would_answer_anyway_is_to_choose():
    async with used(HELLO) as people:
        same = {"provider": "vllm", "model": "small-8b"}
        refused, _ = await people["alice"].ask("POST", TURNS, QUERY | same)

    assert refused.status == 403


async def test_a_conversation_goes_on_with_the_model_that_somebody_has_chosen():
    async with used(HELLO, HELLO) as people:
        turn = await people["dora"].ended(**CHOSEN)
        await people["dora"].goes_on(turn)

    assert [each.model for each in people["dora"].upstream.plans] == [LARGE, LARGE]


async def test_who_may_not_choose_does_not_join_what_was_chosen():
    """A key may be worth less than another one of the same user."""
    two = keys() | {"api_keys": [key("desk", ("developer",), "dora"), key("phone", (), "dora")]}
    once = {"Idempotency-Key": "a-key"}
    async with application(HELLO, catalogues=(OFFER,), **two) as app:
        asked, _ = await acting(app, "desk").ask("POST", TURNS, QUERY | CHOSEN, **once)
        joined, _ = await acting(app, "phone").ask("POST", TURNS, QUERY | CHOSEN, **once)

    assert (asked.status, joined.status) == (200, 403)


async def test_nothing_is_kept_of_a_question_that_was_refused():
    async with used(HELLO) as people:
        await people["alice"].ask("POST", TURNS, QUERY | CHOSEN)
        _, listed = await people["alice"].ask("GET", "/v1/conversations")

    assert json.loads(listed)["conversations"] == []


async def test_who_may_not_interrupt_does_not_do_so_by_asking():
    people = {"talker": ("talker",)}
    roles = {"default_roles": (), "roles": {"talker": ["streaming_query"]}}
    async with used_by(people, ENDLESS, authorization=roles) as by:
        async with by["talker"].turn() as turn:
            await turn.part()
            conversation_id = turn.headers["x-conversation-id"]
            asked = QUERY | {"conversation_id": conversation_id, "if_busy": "interrupt"}
            made, body = await by["talker"].ask("POST", TURNS, asked)
        assert not by["talker"].services.live.turns[0].interrupted

    assert made.status == 403
    assert b"interrupt" in body
