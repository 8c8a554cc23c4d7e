"""Everybody sees what is left of own and of shared quotas."""

import json
import re

import pytest

from tests.support.applications import application, events
from tests.support.people import ALICE, BOB, credential, keys
from tests.support.upstreams import Script, answer

pytestmark = pytest.mark.slow

QUOTAS = "/v1/quotas"
HELLO = Script(answer("Hi"))
DAILY = {"name": "daily", "scope": "user", "initial_tokens": 10_000, "period_s": 86_400}
SHARED = {"name": "cluster", "scope": "cluster", "initial_tokens": 50_000}


async def quotas(app, who=None):
    """Return the quotas by name."""
    made, data = await app.ask("GET", QUOTAS, **(credential(who) if who else {}))
    assert made.status == 200
    return {each["name"]: each for each in json.loads(data)["quotas"]}


async def test_without_quotas_there_is_nothing_to_see():
    async with application(HELLO) as app:
        assert await quotas(app) == {}


async def test_a_quota_is_shown_before_anything_was_used():
    async with application(HELLO, token_quotas=[DAILY, SHARED]) as app:
        shown = await quotas(app)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*\.\d{3}Z", shown["daily"].pop("renews_at"))
    assert shown == {
        "daily": {"name": "daily", "scope": "user", "available": 10_000},
        "cluster": {
            "name": "cluster",
            "scope": "cluster",
            "available": 50_000,
            "renews_at": None,
        },
    }


async def test_what_is_left_is_what_the_last_turn_has_told():
    async with application(HELLO, token_quotas=[DAILY, SHARED]) as app:
        async with app.turn() as turn:
            told = events(await turn.body())[-1]["available_quotas"]
        shown = await quotas(app)

    assert {name: each["available"] for name, each in shown.items()} == told
    assert told["daily"] < 10_000


async def test_of_own_quotas_everybody_has_one_and_of_a_shared_one_all_have_the_same():
    async with application(HELLO, token_quotas=[DAILY, SHARED], **keys()) as app:
        await app.ended(headers=credential(ALICE))
        alice, bob = await quotas(app, ALICE), await quotas(app, BOB)

    assert alice["daily"]["available"] < bob["daily"]["available"] == 10_000
    assert alice["cluster"] == bob["cluster"]


async def test_what_comes_with_a_question_costs_as_well():
    """This upstream does not count, so four characters are a token."""
    log = {"attachment_type": "log", "content_type": "text/plain", "content": "x" * 4_000}
    instructions = "y" * 2_000
    async with application(HELLO, HELLO, token_quotas=[DAILY]) as app:
        await app.ended(system_prompt="z")
        before = (await quotas(app))["daily"]["available"]
        await app.ended(attachments=[log], system_prompt=instructions)
        after = (await quotas(app))["daily"]["available"]

    assert before - after == (10_000 - before) + 1_000 + 500


async def test_a_turn_that_may_cost_more_than_is_left_does_not_start():
    log = {"attachment_type": "log", "content_type": "text/plain", "content": "x" * 40_000}
    async with application(HELLO, token_quotas=[DAILY]) as app:
        made, data = await app.ask("POST", "/v1/query", {"query": "Hi", "attachments": [log]})

    assert (made.status, json.loads(data)["code"]) == (429, "quota_exceeded")
    assert "daily" in json.loads(data)["detail"]["cause"]
    assert not app.services.live.turns
