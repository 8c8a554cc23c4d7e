"""Everybody can see as whom they are recognised, and what they may do."""

import json

from service.access.policy import ROLES
from tests.support.applications import application
from tests.support.people import ADMIN, ALICE, credential, keys
from tests.support.upstreams import Script, answer

AUTHORIZED = "/v1/authorized"
HELLO = Script(answer("Hi"))


async def authorized(app, who=None, body=None):
    made, data = await app.ask("POST", AUTHORIZED, body, **(credential(who) if who else {}))
    return made.status, json.loads(data)


async def test_without_authentication_everybody_is_the_developer():
    async with application(HELLO) as app:
        status, body = await authorized(app)

    assert status == 200
    assert body == {
        "user_id": "developer",
        "username": "Developer",
        "roles": ["developer", "user"],
        "actions": sorted(ROLES["developer"]),
    }


async def test_everybody_is_told_own_roles_and_actions():
    async with application(HELLO, **keys()) as app:
        (_, alice), (_, admin) = await authorized(app, ALICE), await authorized(app, ADMIN)

    assert (alice["user_id"], alice["roles"]) == (ALICE, ["user"])
    assert admin["roles"] == ["admin", "user"]
    assert set(admin["actions"]) > set(alice["actions"]) == set(ROLES["user"])


async def test_what_a_body_says_is_not_looked_at():
    async with application(HELLO) as app:
        answers = [await authorized(app, body=each) for each in (None, {}, b"no json", [1])]

    assert [status for status, _ in answers] == [200] * 4


async def test_who_may_not_even_ask_that_is_told_so():
    nothing = {"authorization": {"default_roles": ()}}
    async with application(HELLO, **keys(), **nothing) as app:
        status, body = await authorized(app, ALICE)

    assert (status, body["code"]) == (403, "forbidden")


async def test_a_stranger_is_told_nothing():
    async with application(HELLO, **keys()) as app:
        status, body = await authorized(app)

    assert (status, body["code"]) == (401, "credential_missing")
