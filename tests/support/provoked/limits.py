"""Limits that are reached: of turns, streams, readers, rates and quotas."""

from pathlib import Path
from typing import Any

from tests.support.applications import application
from tests.support.described import Told
from tests.support.provoked.refusals import ASKED, ENDLESS, HELLO, KEY, OPENING
from tests.support.provoked.situation import ANSWER, ask, each_of, situation
from tests.support.upstreams import Script
from tests.support.waiting_turns import BOTH, RETURNED, WAITS


async def _beside_a_turn(**settings: Any) -> set[Told]:
    """Ask in every way while another turn runs and is read."""
    async with application(WAITS, ENDLESS, **settings) as app:
        paused = await app.ended()
        async with app.turn() as turn:
            await turn.part()
            found = {await ask(app, route, turn=paused, body=_body(route)) for route in OPENING}
            await app.interrupt(turn)
    return found


def _body(route: str) -> object:
    return BOTH if route == ANSWER else None


@situation(*each_of(OPENING, 503, "too_many_turns"))
async def _one_turn_at_a_time(_: Path) -> set[Told]:
    return await _beside_a_turn(running_turns_limit=1)


@situation(*each_of(OPENING, 503, "too_many_streams"))
async def _one_stream_at_a_time(_: Path) -> set[Told]:
    return await _beside_a_turn(streams={"limit": 1})


@situation(*each_of(OPENING, 429, "too_many_own_streams"))
async def _one_stream_for_each_at_a_time(_: Path) -> set[Told]:
    return await _beside_a_turn(streams={"per_user_limit": 1})


@situation(*each_of(ASKED, 429, "too_many_readers"))
async def _one_reader_of_a_question(_: Path) -> set[Told]:
    async with (
        application(ENDLESS, streams={"per_turn_limit": 1}) as app,
        app.turn(headers=KEY) as turn,
    ):
        await turn.part()
        found = {await ask(app, route, headers=KEY) for route in ASKED}
        await app.interrupt(turn)
    return found


@situation(Told(ANSWER, 429, "too_many_readers"))
async def _one_reader_of_an_answer(_: Path) -> set[Told]:
    endless = Script((RETURNED, *ENDLESS.body))
    async with application(WAITS, endless, streams={"per_turn_limit": 1}) as app:
        paused = await app.ended()
        async with app.answer(paused, **BOTH) as turn:
            await turn.part()
            found = await ask(app, ANSWER, turn=paused, body=BOTH)
            await app.interrupt(turn)
    return {found}


@situation(*each_of(ASKED, 429, "rate_exceeded"))
async def _one_turn_a_minute(_: Path) -> set[Told]:
    async with application(HELLO, turns_per_minute_limit=1) as app:
        await app.ended()
        return {await ask(app, route) for route in ASKED}


@situation(*each_of(ASKED, 429, "quota_exceeded"))
async def _hardly_a_token(_: Path) -> set[Told]:
    quota = {"name": "daily", "initial_tokens": 1}
    async with application(HELLO, token_quotas=[quota]) as app:
        return {await ask(app, route) for route in ASKED}


@situation(Told(ANSWER, 429, "quota_exceeded"))
async def _too_few_tokens_to_go_on(_: Path) -> set[Told]:
    quota, reserved = {"name": "daily", "initial_tokens": 25}, {"reserve_tokens": 10}
    async with application(WAITS, token_quotas=[quota], quotas=reserved) as app:
        return {await ask(app, ANSWER, turn=await app.ended(), body=BOTH)}


LIMITS = (
    _one_turn_at_a_time,
    _one_stream_at_a_time,
    _one_stream_for_each_at_a_time,
    _one_reader_of_a_question,
    _one_reader_of_an_answer,
    _one_turn_a_minute,
    _hardly_a_token,
    _too_few_tokens_to_go_on,
)
