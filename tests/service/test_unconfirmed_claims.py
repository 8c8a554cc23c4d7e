"""What a turn has claimed stays its own while it runs, whatever fails just after its start."""

from contextlib import AsyncExitStack
from dataclasses import replace

import anyio
import pytest

from service.errors import LogUnavailable
from tests.support.applications import application, names
from tests.support.kept_turns import locked, on_file
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says
from tests.support.waiting_turns import BOTH, RETURNED, WAITS

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
KEY = {"Idempotency-Key": "a-key"}
START_S = 0.3

CONVERSATION = "x-conversation-id"


class Failing:
    """Claims that fail when a turn has started, so many times; `tried` is set with the last."""

    def __init__(self, claims, times):
        self._claims, self._times = claims, times
        self.tried = anyio.Event()

    def __getattr__(self, name):
        return getattr(self._claims, name)

    async def replace(self, key, holder, successor, ttl_s):
        if " started " in successor and self._times:
            self._times -= 1
            raise LogUnavailable("It takes too long.")
        replaced = await self._claims.replace(key, holder, successor, ttl_s)
        if " started " in successor:
            self.tried.set()
        return replaced


class Interrupted:
    """Turns of which something happens when the first was begun, or was `withdrawn`."""

    def __init__(self, turns, happens, withdrawn=None):
        self._turns, self._happens, self._withdrawn = turns, happens, withdrawn

    def __getattr__(self, name):
        return getattr(self._turns, name)

    async def begin(self, *stated, **named):
        await self._turns.begin(*stated, **named)
        await self._once("_happens")

    async def withdraw(self, *stated):
        await self._turns.withdraw(*stated)
        await self._once("_withdrawn")

    async def _once(self, name):
        happens = getattr(self, name)
        setattr(self, name, None)
        if happens is not None:
            await happens()


def starts_soon(app, times=0):
    """Let turns of an application start within a short time; its claims fail so many times."""
    claims = Failing(app.services.admission.claims, times)
    admission = replace(app.services.admission, start_s=START_S, claims=claims)
    app.app.state.services = replace(app.services, admission=admission)
    return claims


async def busy(app, turn):
    """Tell how another question of the conversation is answered."""
    async with app.turn(conversation_id=turn.headers["x-conversation-id"]) as other:
        await other.body()
    return other.status


async def test_a_key_stands_for_its_turn_although_the_database_goes_just_then(tmp_path):
    path = tmp_path / "turnstile.db"
    quick = on_file(path, timeout_s=0.2, checkpoint_s=1_000.0, lease_s=3_600.0)
    async with application(ENDLESS, HELLO, **quick) as app, AsyncExitStack() as outage:
        starts_soon(app)
        turns = Interrupted(app.services.turns, lambda: outage.enter_async_context(locked(path)))
        app.app.state.services = replace(app.app.state.services, turns=turns)
        async with app.turn(headers=KEY) as first:
            said = await first.part()
            await outage.aclose()
            await anyio.sleep(START_S)
            async with app.turn(headers=KEY) as again:
                joined = await again.part()
            await app.interrupt(first)
            await first.body()

    assert said == joined
    assert again.headers["x-request-id"] == first.headers["x-request-id"]
    assert len(app.upstream.plans) == 1


async def test_a_key_stands_for_its_turn_although_the_conversation_could_not_be_kept():
    async with application(ENDLESS, HELLO) as app:
        starts_soon(app, times=1_000)
        async with app.turn(headers=KEY) as first:
            await first.part()
            await anyio.sleep(START_S)
            async with app.turn(headers=KEY) as again:
                await again.part()
            await app.interrupt(first)
            await first.body()

    assert again.headers["idempotent-replayed"] == "true"
    assert len(app.upstream.plans) == 1


async def test_a_conversation_that_could_not_be_kept_is_kept_while_its_turn_runs(log):
    async with application(ENDLESS, HELLO) as app:
        claims = starts_soon(app, times=2)
        async with app.turn() as turn:
            await turn.part()
            with anyio.fail_after(10):
                await claims.tried.wait()
            # Somebody else could have had it by now.
            await anyio.sleep(START_S)
            during = await busy(app, turn)
            await app.interrupt(turn)
            await turn.body()
        after = await busy(app, turn)

    assert (during, after) == (409, 200)
    assert [each["event"] for each in log].count("claim.unconfirmed") == 1


async def test_answers_keep_their_conversation_in_the_same_way():
    endless = Script((RETURNED, opening_chunk(), says("Hi"), NEVER))
    async with application(WAITS, endless, HELLO) as app:
        turn = await app.ended()
        claims = starts_soon(app, times=1)
        async with app.answer(turn, **BOTH) as again:
            await again.part()
            with anyio.fail_after(10):
                await claims.tried.wait()
            await anyio.sleep(START_S)
            during = await busy(app, turn)
            await app.interrupt(again)
            assert names(await again.body())[-1] == "interrupted"

    assert during == 409


async def test_a_turn_that_ends_first_is_not_claimed_for_any_more():
    async with application(HELLO, HELLO) as app:
        starts_soon(app, times=1_000)
        turn = await app.ended()
        following = await busy(app, turn)

    assert following == 200


async def test_a_turn_that_was_kept_just_now_is_waited_for_until_it_can_be_followed():
    kept, go_on = anyio.Event(), anyio.Event()

    async def stands_still():
        kept.set()
        await go_on.wait()

    async with application(HELLO) as app:
        turns = Interrupted(app.services.turns, stands_still)
        app.app.state.services = replace(app.services, turns=turns)
        async with app.turn(headers=KEY) as first:
            await kept.wait()
            async with app.turn(headers=KEY) as again:
                await anyio.wait_all_tasks_blocked()
                go_on.set()
                assert await first.body() == await again.body()

    assert again.headers["idempotent-replayed"] == "true"
    assert len(app.upstream.plans) == 1


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("when", ["begun", "withdrawn"])
async def test_a_turn_that_was_kept_and_withdrawn_leaves_its_key_to_the_next(when, is_new):
    kept, go_on = anyio.Event(), anyio.Event()

    async def stands_still():
        kept.set()
        await go_on.wait()

    first = () if is_new else (HELLO,)
    async with (
        application(*first, ENDLESS, running_turns_limit=1) as app,
        AsyncExitStack() as running,
    ):
        asked = {} if is_new else {"conversation_id": (await app.ended()).headers[CONVERSATION]}
        other = await running.enter_async_context(app.turn())
        await other.part()
        stills = (stands_still, None) if when == "begun" else (None, stands_still)
        turns = Interrupted(app.services.turns, *stills)
        app.app.state.services = replace(app.services, turns=turns)
        async with app.turn(headers=KEY, **asked) as refused:
            await kept.wait()
            async with app.turn(headers=KEY, **asked) as again:
                await anyio.wait_all_tasks_blocked()
                go_on.set()
                codes = [(await each.json())["code"] for each in (refused, again)]
        await app.interrupt(other)
        await other.body()

    assert codes == ["too_many_turns", "too_many_turns"]


async def test_a_start_whose_key_has_gone_to_somebody_else_comes_to_nothing(tmp_path):
    path = tmp_path / "turnstile.db"
    renewed = anyio.Event()
    async with application(Script(at_prepare=(renewed,)), HELLO, **on_file(path)) as app:
        starts_soon(app)
        async with app.turn(headers=KEY) as late:
            # Longer than a start may take.
            await anyio.sleep(2 * START_S)
            async with app.turn(headers=KEY) as again:
                await anyio.wait_all_tasks_blocked()
                renewed.set()
                refused, _ = await late.json(), await again.body()

    assert (late.status, refused["code"]) == (503, "log_unavailable")
    assert again.status == 200
    assert [each.opened.is_set() for each in app.upstream.turns].count(True) == 1
