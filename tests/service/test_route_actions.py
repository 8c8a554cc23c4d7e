"""Every route of the table asks who comes, and whether they may."""

import json
import uuid

import pytest

from service.domain import Action
from service.routes import ROUTES, starlette_routes
from tests.support.applications import application
from tests.support.people import acting, keys

OPEN = {
    "GET /livez",
    "GET /readyz",
    "GET /openapi.json",
    "GET /docs",
    "GET /",
    "GET /diagram.svg",
}
"""What everybody may have. Whoever adds a route says here that it is one of these, or guards it."""

GUARDED = [each for each in ROUTES if each.action is not None]
ID = str(uuid.UUID(int=7))


def name_of(route):
    return f"{route.method} {route.path}"


def target_of(route):
    return route.path.format(request_id=ID, conversation_id=ID)


async def answered(app, route, **headers):
    """Send a request without a body: nobody looks at one before it is known who comes."""
    made, body = await app.ask(route.method, target_of(route), **headers)
    return made, json.loads(body or b"null")


def a_role(*actions):
    """Return the settings in which the only key may do what is given, and nothing else."""
    roles = {"roles": {"some": [str(each) for each in actions]}, "default_roles": ()}
    return keys({"somebody": ("some",)}) | {"authorization": roles}


every_guarded_route = pytest.mark.parametrize("route", GUARDED, ids=map(name_of, GUARDED))


def test_only_what_everybody_may_have_has_no_action():
    assert {name_of(each) for each in ROUTES if each.action is None} == OPEN


def test_no_address_is_served_beside_the_table():
    served = {each.path for each in starlette_routes()}

    assert served - {each.path for each in ROUTES} == {"/web"}


def test_the_rows_of_the_table_are_not_the_same():
    assert len({name_of(each) for each in ROUTES}) == len(ROUTES)


def test_an_action_of_others_opens_no_route_by_itself():
    assert [each for each in GUARDED if "others" in each.action] == []


def test_a_ticket_opens_nothing_but_a_stream():
    assert [name_of(each) for each in ROUTES if each.by_ticket] == [
        "GET /v1/streaming_query/{request_id}"
    ]


async def test_who_says_nothing_is_asked_who_it_is():
    async with application(**keys()) as app:
        for route in GUARDED:
            made, body = await answered(app, route)

            assert (made.status, body["code"]) == (401, "credential_missing"), name_of(route)
            assert made.headers["www-authenticate"] == 'Bearer realm="turnstile"'


@pytest.mark.parametrize("token", ["Bearer nobody", "Bearer turnstile_eve", "Bearer \xe4"])
async def test_who_is_not_known_does_not_come_in(token):
    async with application(**keys()) as app:
        for route in GUARDED:
            made, body = await answered(app, route, Authorization=token)

            assert (made.status, body["code"]) == (401, "credential_invalid"), name_of(route)
            assert 'error="invalid_token"' in made.headers["www-authenticate"]


@pytest.mark.parametrize("scheme", ["Basic dXNlcjpwYXNz", "turnstile_alice", "Bearer", "Bearer "])
async def test_what_is_no_bearer_token_is_none(scheme):
    async with application(**keys()) as app:
        for route in GUARDED:
            made, body = await answered(app, route, Authorization=scheme)

            assert (made.status, body["code"]) == (401, "credential_missing"), name_of(route)


@every_guarded_route
async def test_who_may_do_everything_else_may_not_do_this(route):
    others = [each for each in Action if each is not route.action]
    async with application(**a_role(*others)) as app:
        made, body = await answered(acting(app, "somebody"), route)

    assert (made.status, body["code"]) == (403, "forbidden")
    assert route.action in body["detail"]["cause"]
    assert "www-authenticate" not in made.headers


@every_guarded_route
async def test_who_may_do_this_alone_is_let_in(route):
    async with application(**a_role(route.action)) as app:
        made, _ = await acting(app, "somebody").ask(route.method, target_of(route))

    # It has no body, and names nothing that is there.
    assert made.status in {200, 400, 404}


async def test_who_has_no_role_may_do_nothing():
    nothing = {"authorization": {"default_roles": ()}}
    async with application(**keys({"somebody": ()}), **nothing) as app:
        for route in GUARDED:
            made, _ = await answered(acting(app, "somebody"), route)

            assert made.status == 403, name_of(route)


@pytest.mark.parametrize("target", ["/livez", "/readyz", "/", "/diagram.svg", "/web/page.js"])
async def test_what_everybody_may_have_is_given_to_everybody(target):
    async with application(**keys()) as app:
        made, _ = await app.ask("GET", target)
        wrong, _ = await app.ask("GET", target, Authorization="Bearer nobody")

    assert (made.status, wrong.status) == (200, 200)


async def test_a_refusal_says_nothing_of_what_was_shown():
    async with application(**keys()) as app:
        made, body = await app.ask("GET", "/v1/info", Authorization="Bearer s3cr3t-of-mine")

    assert b"s3cr3t" not in body
    assert not [each for each in made.headers.values() if "s3cr3t" in each]
