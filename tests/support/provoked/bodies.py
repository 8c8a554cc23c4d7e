"""Bodies that no route takes."""

from pathlib import Path

from tests.support.applications import application
from tests.support.described import Told, described
from tests.support.provoked.situation import (
    LIST,
    READ,
    ask,
    each_of,
    heard,
    situation,
    target_of,
)
from tests.support.upstreams import Script, answer

WITH_BODY = [
    f"{method.upper()} {path}"
    for path, operations in described()["paths"].items()
    for method, operation in operations.items()
    if "requestBody" in operation
]


@situation(*each_of(WITH_BODY, 400, "request_not_json"))
async def _half_a_body(_: Path) -> set[Told]:
    async with application() as app:
        return {await ask(app, route, body=b"{") for route in WITH_BODY}


@situation(*each_of(WITH_BODY, 422, "request_invalid"))
async def _a_list(_: Path) -> set[Told]:
    async with application() as app:
        return {await ask(app, route, body=b"[]") for route in WITH_BODY}


@situation(*each_of(WITH_BODY, 413, "body_too_large"))
async def _a_long_body(_: Path) -> set[Told]:
    async with application(body_limit_bytes=10) as app:
        return {await ask(app, route, body=b" " * 11) for route in WITH_BODY}


@situation(*each_of(WITH_BODY, 408, "body_too_slow"))
async def _a_body_that_does_not_come(_: Path) -> set[Told]:
    found: set[Told] = set()
    async with application(body_timeout_s=0.001) as app:
        for route in WITH_BODY:
            method, target = target_of(route)
            async with app.exchange(method, target, body=None) as upload:
                found.add(await heard(upload, method, target))
    return found


@situation(*each_of((LIST, READ), 422, "request_invalid"))
async def _a_page_without_end(_: Path) -> set[Told]:
    async with application() as app:
        return {await ask(app, route, query="limit=1000") for route in (LIST, READ)}


@situation(*each_of((LIST, READ), 400, "cursor_invalid"))
async def _a_page_that_never_was(_: Path) -> set[Told]:
    async with application(Script(answer("Hi"))) as app:
        turn = await app.ended()
        return {await ask(app, route, turn=turn, query="cursor=nowhere") for route in (LIST, READ)}


BODIES = (
    _half_a_body,
    _a_list,
    _a_long_body,
    _a_body_that_does_not_come,
    _a_page_without_end,
    _a_page_that_never_was,
)
