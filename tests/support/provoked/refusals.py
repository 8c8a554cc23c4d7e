"""Requests that are right in themselves, and cannot be served."""

from pathlib import Path

import anyio

from tests.support.applications import QUERY, application
from tests.support.described import Told
from tests.support.offers import OFFER
from tests.support.people import used_by
from tests.support.provoked.situation import (
    ANSWER,
    DELETE,
    FOLLOW,
    JUDGE,
    QUERIED,
    READ,
    RENAME,
    SOME_ID,
    START,
    STOP,
    STOP_BY_BODY,
    ask,
    each_of,
    situation,
)
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says
from tests.support.waiting_turns import BOTH, GOES_ON, THREE, WAITS

ASKED = (START, QUERIED)
OPENING = (START, QUERIED, ANSWER)
HELLO = Script(answer("Hel", "lo"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
KEY = {"Idempotency-Key": "a-key"}
OTHER = {"query": "Something else?"}


@situation(
    *each_of((FOLLOW, STOP, STOP_BY_BODY, ANSWER, JUDGE), 404, "turn_unknown"),
    *each_of((READ, RENAME, DELETE), 404, "conversation_unknown"),
)
async def _what_never_was(_: Path) -> set[Told]:
    routes = (FOLLOW, STOP, STOP_BY_BODY, ANSWER, JUDGE, READ, RENAME, DELETE)
    async with application() as app:
        return {await ask(app, route) for route in routes}


@situation(
    *each_of(ASKED, 404, "conversation_unknown"),
    *each_of(ASKED, 404, "model_unknown"),
    *each_of(ASKED, 404, "shield_unknown"),
    *each_of(ASKED, 404, "vector_store_unknown"),
)
async def _choices_that_there_are_not(_: Path) -> set[Told]:
    chosen: tuple[dict[str, object], ...] = (
        {"conversation_id": SOME_ID},
        {"provider": "vllm", "model": "none"},
        {"shield_ids": ["none"]},
        {"vector_store_ids": ["none"]},
    )
    async with application(HELLO, catalogues=(OFFER,)) as app:
        return {await ask(app, route, body=QUERY | each) for route in ASKED for each in chosen}


@situation(
    *each_of(OPENING, 400, "mcp_headers_invalid"),
    *each_of(ASKED, 400, "idempotency_key_invalid"),
    Told(FOLLOW, 400, "cursor_invalid"),
)
async def _headers_that_say_nothing(_: Path) -> set[Told]:
    async with application(WAITS) as app:
        turn = await app.ended()
        mcp, key = {"MCP-HEADERS": "no JSON"}, {"Idempotency-Key": "a key"}
        return {
            *{await ask(app, route, turn=turn, headers=mcp) for route in OPENING},
            *{await ask(app, route, headers=key) for route in ASKED},
            await ask(app, FOLLOW, turn=turn, headers={"Last-Event-ID": "x"}),
        }


@situation(
    *each_of((START, ANSWER), 400, "cursor_invalid"),
    *each_of(ASKED, 409, "idempotency_key_reused"),
)
async def _repetitions_that_are_none(_: Path) -> set[Told]:
    async with application(HELLO, WAITS, GOES_ON) as app:
        async with app.turn(headers=KEY) as turn:
            await turn.body()
        paused = await app.ended()
        await ask(app, ANSWER, turn=paused, body=BOTH)
        beyond = {"Last-Event-ID": "999"}
        return {
            await ask(app, START, headers=KEY | beyond),
            await ask(app, ANSWER, turn=paused, body=BOTH, headers=beyond),
            *{await ask(app, route, body=OTHER, headers=KEY) for route in ASKED},
        }


@situation(*each_of(ASKED, 409, "turn_over"))
async def _a_repetition_that_comes_too_late(_: Path) -> set[Told]:
    async with application(HELLO, log_limit_bytes=3_000) as app:
        async with app.turn(headers=KEY) as turn:
            await turn.body()
        await app.ended()
        return {await ask(app, route, headers=KEY) for route in ASKED}


@situation(*each_of((START, QUERIED, DELETE, ANSWER), 409, "conversation_busy"))
async def _another_turn_of_the_conversation(_: Path) -> set[Told]:
    async with application(WAITS, ENDLESS) as app:
        paused = await app.ended()
        here = paused.headers["x-conversation-id"]
        async with app.turn(conversation_id=here) as turn:
            await turn.part()
            body = QUERY | {"conversation_id": here}
            found = {await ask(app, route, body=body) for route in ASKED}
            found.add(await ask(app, DELETE, turn=paused))
            found.add(await ask(app, ANSWER, turn=paused, body=BOTH))
            await app.interrupt(turn)
    return found


@situation(
    *each_of((START, QUERIED, DELETE, ANSWER), 409, "conversation_busy"),
    Told(ANSWER, 409, "not_awaiting"),
)
async def _what_somebody_else_does_in_the_conversation(_: Path) -> set[Told]:
    people = {"alice": (), "carol": ("granted",)}
    roles = {"roles": {"granted": ["query_others_conversations"]}}
    async with used_by(people, WAITS, GOES_ON, WAITS, ENDLESS, authorization=roles) as app:
        alice, carol = app["alice"], app["carol"]
        answered = await alice.ended()
        await ask(carol, ANSWER, turn=answered, body=BOTH)
        found = {await ask(alice, ANSWER, turn=answered, body=BOTH)}
        paused = await alice.goes_on(answered)
        here = paused.headers["x-conversation-id"]
        async with carol.turn(conversation_id=here) as turn:
            await turn.part()
            body = QUERY | {"conversation_id": here}
            found |= {await ask(alice, route, body=body) for route in ASKED}
            found |= {await ask(alice, DELETE, turn=paused)}
            found |= {await ask(alice, ANSWER, turn=paused, body=BOTH)}
            await carol.interrupt(turn)
    return found


@situation(
    Told(ANSWER, 409, "not_awaiting"),
    Told(ANSWER, 409, "answers_differ"),
    Told(ANSWER, 422, "request_invalid"),
)
async def _answers_that_nobody_waits_for(_: Path) -> set[Told]:
    async with application(WAITS, GOES_ON) as app:
        paused = await app.ended()
        few = await ask(app, ANSWER, turn=paused, body={"tool_results": [THREE]})
        await ask(app, ANSWER, turn=paused, body=BOTH)
        others = {"tool_results": [THREE | {"content": "4"}, *BOTH["tool_results"][1:]]}
        return {
            few,
            await ask(app, ANSWER, turn=paused, body=others),
            await ask(app, ANSWER, turn=await app.ended(), body=BOTH),
        }


@situation(Told(ANSWER, 410, "answer_too_late"))
async def _answers_that_come_too_late(_: Path) -> set[Told]:
    async with application(WAITS, answer_timeout_s=0.001) as app:
        paused = await app.ended()
        await anyio.sleep(0.002)
        return {await ask(app, ANSWER, turn=paused, body=BOTH)}


@situation(*each_of((*OPENING, JUDGE, RENAME), 422, "redaction_failed"))
async def _a_search_that_takes_too_long(_: Path) -> set[Told]:
    endless = {"name": "endless", "pattern": "(a|aa)+$"}
    text = "a" * 40 + "b"
    results = [THREE | {"content": text}, *BOTH["tool_results"][1:]]
    limit = {"patterns": [endless], "timeout_s": 0.2}
    async with application(WAITS, redaction=limit) as app:
        paused = await app.ended()
        return {
            *{await ask(app, route, body={"query": text}) for route in ASKED},
            await ask(app, ANSWER, turn=paused, body={"tool_results": results}),
            await ask(app, JUDGE, body={"request_id": SOME_ID, "text": text}),
            await ask(app, RENAME, turn=paused, body={"title": text}),
        }


REFUSALS = (
    _what_never_was,
    _choices_that_there_are_not,
    _headers_that_say_nothing,
    _repetitions_that_are_none,
    _a_repetition_that_comes_too_late,
    _another_turn_of_the_conversation,
    _what_somebody_else_does_in_the_conversation,
    _answers_that_nobody_waits_for,
    _answers_that_come_too_late,
    _a_search_that_takes_too_long,
)
