"""What is answered when nothing is wrong."""

from pathlib import Path

from tests.support.applications import QUERY, application, events
from tests.support.described import Told, told_everywhere
from tests.support.offers import OFFER
from tests.support.people import ADMIN, ALICE, PEOPLE, used_by
from tests.support.provoked.refusals import ENDLESS, HELLO, KEY
from tests.support.provoked.situation import (
    ANSWER,
    DELETE,
    FOLLOW,
    JUDGE,
    LEFT,
    LIST,
    QUERIED,
    READ,
    RENAME,
    START,
    STOP,
    STOP_BY_BODY,
    ask,
    each_of,
    situation,
)
from tests.support.waiting_turns import BOTH, GOES_ON, WAITS

PLAIN = {"media_type": "text/plain"}
WITHOUT_MORE = [
    each
    for each in told_everywhere()
    if each.status == 200 and each.route.startswith("GET ") and "{" not in each.route
]
"""What anybody can have who has asked for nothing before."""


@situation(*WITHOUT_MORE, Told("POST /v1/authorized", 200))
async def _what_needs_nothing(_: Path) -> set[Told]:
    quota = {"name": "daily", "initial_tokens": 50_000, "period_s": 86_400}
    async with application(HELLO, catalogues=(OFFER,), token_quotas=[quota]) as app:
        await app.ended()
        found = {await ask(app, each.route) for each in WITHOUT_MORE}
        return found | {await ask(app, "POST /v1/authorized")}


@situation(Told("GET /openapi.json", 200), Told("GET /openapi.json", 304))
async def _the_document_twice(_: Path) -> set[Told]:
    async with application() as app:
        made, _body = await app.ask("GET", "/openapi.json")
        again = {"If-None-Match": made.headers["etag"]}
        first = await ask(app, "GET /openapi.json")
        return {first, await ask(app, "GET /openapi.json", headers=again)}


@situation(*each_of((START, QUERIED), 200))
async def _a_question_in_either_dialect(_: Path) -> set[Told]:
    async with application(HELLO) as app:
        asked = [(route, body) for route in (START, QUERIED) for body in (QUERY, QUERY | PLAIN)]
        return {await ask(app, route, body=body) for route, body in asked}


@situation(*each_of((START, ANSWER), 200), *each_of((START, ANSWER), 204))
async def _a_stream_that_is_asked_for_twice(_: Path) -> set[Told]:
    async with application(WAITS, GOES_ON) as app:
        async with app.turn(headers=KEY) as turn:
            asked = await turn.body()
        async with app.answer(turn, **BOTH) as again:
            answered = await again.body()
        return {
            await ask(app, START, headers=KEY),
            await ask(app, START, headers=KEY | _having(asked)),
            await ask(app, ANSWER, turn=turn, body=BOTH),
            await ask(app, ANSWER, turn=turn, body=BOTH, headers=_having(answered)),
        }


def _having(body: bytes) -> dict[str, str]:
    """Return the header of who has all of a stream."""
    return {"Last-Event-ID": str(events(body)[-1]["data"]["id"])}


@situation(Told(READ, 200), Told(LIST, 200))
async def _a_conversation_in_which_a_turn_runs(_: Path) -> set[Told]:
    async with application(HELLO, ENDLESS) as app:
        first = await app.ended()
        async with app.turn(conversation_id=first.headers["x-conversation-id"]) as turn:
            await turn.part()
            found = {await ask(app, READ, turn=turn), await ask(app, LIST)}
            await app.interrupt(turn)
    return found


@situation(Told(LIST, 200), Told(READ, 200), Told(RENAME, 200), Told(DELETE, 200))
async def _a_conversation_of_somebody_else(_: Path) -> set[Told]:
    async with used_by(PEOPLE, HELLO) as apps:
        turn, admin = await apps[ALICE].ended(), apps[ADMIN]
        return {
            await ask(admin, LIST, query="user=all"),
            *[await ask(admin, route, turn=turn) for route in (READ, RENAME, DELETE)],
        }


@situation(Told(FOLLOW, 200), Told(FOLLOW, 204))
async def _a_turn_that_is_followed(_: Path) -> set[Told]:
    async with application(HELLO) as app:
        turn = await app.ended()
        return {
            await ask(app, FOLLOW, turn=turn, query="names=1&states=1"),
            await ask(app, FOLLOW, turn=turn, query=f"ticket={turn.headers['x-stream-ticket']}"),
            await ask(app, FOLLOW, turn=turn, headers={"Last-Event-ID": "5"}),
        }


@situation(Told(FOLLOW, 200))
async def _a_reader_that_is_sent_away(_: Path) -> set[Told]:
    async with application(ENDLESS, streams={"limit": 1}) as app, app.turn() as turn:
        await turn.part()
        found = await ask(app, FOLLOW, turn=turn)
        await app.interrupt(turn)
    return {found}


@situation(*each_of((STOP, STOP_BY_BODY), 200))
async def _a_turn_that_is_stopped(_: Path) -> set[Told]:
    async with application(ENDLESS) as app, app.turn() as turn:
        await turn.part()
        named = {"request_id": turn.headers["x-request-id"]}
        return {await ask(app, STOP, turn=turn), await ask(app, STOP_BY_BODY, body=named)}


@situation(*each_of((LIST, READ, RENAME, JUDGE, DELETE, LEFT), 200))
async def _a_conversation(_: Path) -> set[Told]:
    async with application(HELLO) as app:
        turn = await app.ended()
        judged = {"request_id": turn.headers["x-request-id"], "text": "Good."}
        return {
            await ask(app, LIST, query="limit=1"),
            await ask(app, READ, turn=turn),
            await ask(app, RENAME, turn=turn),
            await ask(app, JUDGE, body=judged),
            await ask(app, LEFT),
            await ask(app, DELETE, turn=turn),
        }


ANSWERS = (
    _what_needs_nothing,
    _the_document_twice,
    _a_question_in_either_dialect,
    _a_stream_that_is_asked_for_twice,
    _a_turn_that_is_followed,
    _a_reader_that_is_sent_away,
    _a_turn_that_is_stopped,
    _a_conversation,
    _a_conversation_in_which_a_turn_runs,
    _a_conversation_of_somebody_else,
)
