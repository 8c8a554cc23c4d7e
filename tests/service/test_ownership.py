"""What is not yours answers exactly as what is not there."""

import re
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

import anyio
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from service.routes import ROUTES
from tests.support.applications import application, events, names
from tests.support.people import PEOPLE, acting, keys, used_by
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says
from tests.support.waiting_turns import BOTH, GOES_ON, WAITS
from tests.support.ways import WAYS, told, way

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hello"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
SOON_S = 0.01


@asynccontextmanager
async def running(alice):
    async with alice.turn() as turn:
        await turn.part()
        yield turn
        await alice.interrupt(turn)


@asynccontextmanager
async def over(alice):
    yield await alice.ended()


@asynccontextmanager
async def too_late(alice):
    turn = await alice.ended()
    # Much longer than it waits.
    await anyio.sleep(10 * SOON_S)
    yield turn


@asynccontextmanager
async def answered(alice):
    turn = await alice.ended()
    async with alice.answer(turn, **BOTH) as again:
        await again.body()
    yield turn


class Situation(NamedTuple):
    """What alice's turn is in the middle of."""

    scripts: tuple[Script, ...]
    of: Callable[..., Any]
    settings: Mapping[str, Any] = MappingProxyType({})


SITUATIONS = {
    "running": Situation((ENDLESS,), running),
    "ended": Situation((HELLO,), over),
    "waiting": Situation((WAITS,), over),
    "too late": Situation((WAITS,), too_late, {"answer_timeout_s": SOON_S}),
    "answered": Situation((WAITS, GOES_ON), answered),
}

every_situation = pytest.mark.parametrize("name", list(SITUATIONS))


@asynccontextmanager
async def situated(name, **settings):
    """Run an application in which alice has a turn; yields it, as everybody uses it, and that."""
    scripts, of, own = SITUATIONS[name]
    chosen = {**own, **settings}
    async with used_by(PEOPLE, *scripts, **chosen) as people, of(people["alice"]) as turn:
        yield people, turn


def test_every_route_that_names_something_is_walked():
    named = {(each.method, each.path) for each in ROUTES if "{" in each.path}

    assert named <= {(each.method, each.target.partition("?")[0]) for each in WAYS}


@every_situation
async def test_a_stranger_is_told_what_everybody_is_told_of_what_is_not_there(name):
    async with situated(name) as (people, turn):
        for asked in WAYS:
            theirs = await told(people["bob"], asked, turn)

            assert theirs == await told(people["bob"], asked, None), asked.name
            assert theirs[0] == 404, asked.name


@every_situation
async def test_a_stranger_is_told_no_more_by_another_process(name, shared_store):
    async with (
        application(HELLO, **keys(), **shared_store) as other,
        situated(name, **shared_store) as (_, turn),
    ):
        bob = acting(other, "bob")
        for asked in WAYS:
            theirs = await told(bob, asked, turn)

            assert theirs == await told(bob, asked, None), asked.name
            assert theirs[0] == 404, asked.name
        mine = await told(acting(other, "alice"), way("look"), turn)

    assert mine[0] == 200


@pytest.mark.parametrize("name", ["running", "ended"])
@pytest.mark.parametrize("away", ["pause", "kill"])
async def test_a_stranger_is_told_no_more_while_redis_is_away(name, away, mortal_redis):
    """Its owner is served from the memory of this process, which tells nobody else that it is."""
    redis = {"url": mortal_redis.url, "timeout_s": 0.2, "lease_s": 0.5}
    async with situated(name, redis=redis) as (people, turn):
        getattr(mortal_redis, away)()
        gone = await told_as_of_nothing(people["bob"], turn)
        mine = await told(people["alice"], way("look"), turn)
        mortal_redis.resume() if away == "pause" else mortal_redis.start()
        back = await told_as_of_nothing(people["bob"], turn)

    assert (gone["follow"], gone["interrupt"]) == (200, 503)
    assert (back["follow"], back["interrupt"]) == (200, 503)
    assert mine[0] == 200


async def told_as_of_nothing(bob, turn):
    """Ask for a turn of somebody else in every way, and return the statuses."""
    statuses = {}
    for asked in WAYS:
        theirs, nobodys = [await told(bob, asked, each) for each in (turn, None)]
        assert without_time(theirs) == without_time(nobodys), asked.name
        statuses[asked.name] = theirs[0]
    return statuses


def without_time(answer):
    """Leave out when to come back, which is not the same for two readers."""
    status, headers, body = answer
    return status, headers, re.sub(rb"retry(_ms)?\W+\d+", b"retry", body)


@every_situation
async def test_a_stranger_waits_for_as_much_as_for_what_is_not_there(name):
    """What the database is asked is nearly all of the time that an answer takes."""
    async with situated(name, database={"checkpoint_s": 1_000, "lease_s": 3_600}) as (people, turn):
        for asked in WAYS:
            # Whoever claims something first sweeps what is over; that is not about the stranger.
            await told(people["bob"], asked, None)
            with statements() as theirs:
                await told(people["bob"], asked, turn)
            with statements() as nobodys:
                await told(people["bob"], asked, None)

            assert theirs == nobodys, asked.name


@contextmanager
def statements():
    """Note every statement that the database is asked, and how many rows it has answered."""
    asked = []

    def note(*executed):
        _, cursor, statement, *_ = executed
        asked.append((statement, len(cursor._rows)))

    event.listen(Engine, "after_cursor_execute", note)
    yield asked
    event.remove(Engine, "after_cursor_execute", note)


@every_situation
async def test_a_stranger_changes_nothing(name):
    async with situated(name) as (people, turn):
        before = await told(people["alice"], way("read"), turn)
        for asked in WAYS:
            await told(people["bob"], asked, turn)

        assert await told(people["alice"], way("read"), turn) == before
        assert (turn.headers["x-request-id"] in people["bob"].services.live) is (name == "running")


@every_situation
async def test_nothing_of_it_is_in_a_list_of_a_stranger(name):
    async with situated(name) as (people, _):
        _, listed = await people["bob"].ask("GET", "/v1/conversations")
        refused, _ = await people["bob"].ask("GET", "/v1/conversations?user=all")

    assert listed == b'{"conversations":[],"next_cursor":null}'
    assert refused.status == 403


async def test_a_stranger_does_not_answer_a_turn_that_waits():
    async with situated("waiting") as (people, turn):
        await told(people["bob"], way("answer"), turn)
        async with people["alice"].answer(turn, **BOTH) as again:
            await again.body()

    assert again.status == 200
    assert len(people["bob"].upstream.resumed) == 1


async def test_a_stranger_is_not_told_that_a_turn_has_as_many_readers_as_it_may():
    async with situated("running", streams={"per_turn_limit": 1}) as (people, turn):
        mine, busy = await people["alice"].ask("GET", turn.headers["content-location"])
        theirs = await told(people["bob"], way("follow"), turn)

        assert theirs == await told(people["bob"], way("follow"), None)
    assert (mine.status, busy.startswith(b": busy")) == (200, True)


async def test_visits_of_strangers_do_not_keep_a_turn_that_nobody_reads():
    settings = {"disconnect_grace_s": 0.2}
    async with used_by(PEOPLE, ENDLESS, **settings) as people:
        alice, bob = people["alice"], people["bob"]
        async with alice.turn(on_disconnect="cancel") as turn:
            await turn.part()
            turn.disconnect()
        with anyio.fail_after(5):
            while alice.services.live.turns:
                await told(bob, way("follow"), turn)
                await anyio.sleep(0.01)
        async with alice.resume(turn) as resumed:
            last = events(await resumed.body())[-1]

    assert (last["event"], last["data"]["by"]) == ("interrupted", "user")


async def test_a_stranger_is_no_reader_of_a_turn():
    async with situated("running") as (people, turn):
        for name in ("follow", "follow on", "look"):
            await told(people["bob"], way(name), turn)

        assert people["bob"].services.readers.count(turn.headers["x-request-id"]) == 1


async def test_a_key_of_an_idempotent_request_belongs_to_its_user():
    named = {"Idempotency-Key": "a-key"}
    async with used_by(PEOPLE, HELLO) as people:
        async with people["alice"].turn(headers=named) as mine:
            await mine.body()
        async with people["bob"].turn(headers=named) as theirs:
            await theirs.body()

    assert (mine.status, theirs.status) == (200, 200)
    assert "idempotent-replayed" not in theirs.headers
    assert mine.headers["x-request-id"] != theirs.headers["x-request-id"]


async def test_keys_of_one_user_open_the_same():
    two = keys({"alice": ()})
    two["api_keys"] += [{**keys({"laptop": ()})["api_keys"][0], "user": "alice"}]
    async with application(HELLO, **two) as app:
        turn = await acting(app, "alice").ended()
        async with acting(app, "laptop").resume(turn) as resumed:
            assert names(await resumed.body())[-1] == "end"
