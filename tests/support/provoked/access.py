"""Whoever may not come in."""

from datetime import UTC, datetime
from pathlib import Path

from service.access.authenticators.api_keys import KEY_PREFIX
from service.routes import ROUTES
from tests.support.applications import application
from tests.support.described import Told
from tests.support.issuer import AUDIENCE, ISSUER, claims, signed
from tests.support.people import credential, key, keys
from tests.support.provoked.situation import FOLLOW, START, ask, each_of, situation

GUARDED = [f"{each.method} {each.path}" for each in ROUTES if each.action is not None]
_NOWHERE = "http://127.0.0.1:1/keys"


@situation(*each_of(GUARDED, 401, "credential_missing"))
async def _nobody(_: Path) -> set[Told]:
    async with application(**keys()) as app:
        return {await ask(app, route) for route in GUARDED}


@situation(*each_of(GUARDED, 401, "credential_invalid"))
async def _a_stranger(_: Path) -> set[Told]:
    async with application(**keys()) as app:
        stranger = {"Authorization": f"Bearer {KEY_PREFIX}stranger"}
        return {await ask(app, route, headers=stranger) for route in GUARDED}


@situation(*each_of(GUARDED, 401, "credential_expired"))
async def _who_may_no_longer(_: Path) -> set[Told]:
    ended = key("late", expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    settings = keys() | {"api_keys": [ended]}
    async with application(**settings) as app:
        return {await ask(app, route, headers=credential("late")) for route in GUARDED}


@situation(*each_of(GUARDED, 403, "forbidden"))
async def _who_may_do_nothing(_: Path) -> set[Told]:
    settings = keys({"somebody": ()}) | {"authorization": {"default_roles": ()}}
    async with application(**settings) as app:
        return {await ask(app, route, headers=credential("somebody")) for route in GUARDED}


@situation(*each_of(GUARDED, 503, "authentication_unavailable"))
async def _an_issuer_that_does_not_answer(_: Path) -> set[Told]:
    issuer = {"jwks_url": _NOWHERE, "issuer": ISSUER, "audience": AUDIENCE}
    token = {"Authorization": f"Bearer {signed(claims())}"}
    async with application(authentication={"by": "jwt"}, jwt=issuer) as app:
        return {await ask(app, route, headers=token) for route in GUARDED}


@situation(Told(FOLLOW, 401, "credential_invalid"))
async def _a_ticket_of_another_stream(_: Path) -> set[Told]:
    async with application(**keys()) as app:
        return {await ask(app, FOLLOW, query="ticket=e30.AAAA")}


@situation(Told(START, 403, "forbidden"))
async def _who_may_not_choose_the_model(_: Path) -> set[Told]:
    chosen = {"query": "What is a pod?", "provider": "vllm", "model": "small-8b"}
    async with application(**keys({"somebody": ()})) as app:
        return {await ask(app, START, body=chosen, headers=credential("somebody"))}


ACCESS = (
    _nobody,
    _a_stranger,
    _who_may_no_longer,
    _who_may_do_nothing,
    _an_issuer_that_does_not_answer,
    _a_ticket_of_another_stream,
    _who_may_not_choose_the_model,
)
