"""Turns that nobody reads any more: they go on, or they are cancelled."""

import anyio
import pytest

from statemachine import Interrupter
from tests.support.applications import application, events, names
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says

pytestmark = pytest.mark.slow

ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
GRACE = {"disconnect_grace_s": 0.1}
CANCEL = {"on_disconnect": "cancel"}


async def left_alone(app, **fields):
    """Start a turn and leave it when it has said something."""
    async with app.turn(**fields) as turn:
        await turn.part()
        turn.disconnect()
    return turn


async def is_over(app):
    """Wait until no turn runs."""
    with anyio.fail_after(5):
        await app.services.live.ended()


async def test_a_turn_that_nobody_reads_goes_on_to_its_end():
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hel"), go_on, *answer("Hel", "lo")[2:]))
    async with application(script, **GRACE) as app:
        turn = await left_alone(app)
        await anyio.sleep(0.3)
        go_on.set()
        async with app.resume(turn) as resumed:
            assert names(await resumed.body())[-1] == "end"


async def test_a_turn_that_is_to_be_cancelled_is_stopped_when_nobody_comes_back():
    async with application(ENDLESS, **GRACE) as app:
        turn = await left_alone(app, **CANCEL)
        await is_over(app)
        assert app.upstream.turns[0].closed.is_set()
        async with app.resume(turn) as resumed:
            last = events(await resumed.body())[-1]

    assert (last["event"], last["data"]["by"]) == ("interrupted", "user")


async def test_what_was_said_until_then_is_part_of_the_conversation():
    async with application(ENDLESS, Script(answer("More")), **GRACE) as app:
        turn = await left_alone(app, **CANCEL)
        await is_over(app)
        await app.goes_on(turn)

    assert [each.answer for each in app.upstream.histories[1]] == ["Hi"]


async def test_the_setting_counts_when_the_question_does_not_say():
    async with application(ENDLESS, **GRACE, **CANCEL) as app:
        await left_alone(app)

        await is_over(app)


async def test_the_question_may_say_otherwise():
    async with application(ENDLESS, **GRACE, **CANCEL) as app:
        turn = await left_alone(app, on_disconnect="continue")
        await anyio.sleep(0.3)
        running = turn.headers["x-request-id"] in app.services.live
        await app.interrupt(turn)

    assert running


async def test_a_turn_stays_as_long_as_somebody_reads_it():
    async with application(ENDLESS, **GRACE) as app, app.turn(**CANCEL) as turn:
        await turn.part()
        async with app.resume(turn) as beside:
            await beside.part()
            turn.disconnect()
            await anyio.sleep(0.3)
            running = turn.headers["x-request-id"] in app.services.live
            await app.interrupt(turn)
            await beside.body()

    assert running


async def test_who_comes_back_within_the_time_of_grace_finds_the_turn_running():
    async with application(ENDLESS, disconnect_grace_s=1.0) as app:
        turn = await left_alone(app, **CANCEL)
        async with app.resume(turn) as resumed:
            await resumed.part()
            await app.interrupt(turn)
            last = events(await resumed.body())[-1]

    assert last["data"]["by"] == "user"


async def test_a_reader_of_another_process_counts(redis_server):
    store = {"redis": {"url": redis_server.url, "lease_s": 0.5}, **GRACE}
    async with (
        application(ENDLESS, **store) as one,
        application(**store) as other,
        one.turn(**CANCEL) as turn,
    ):
        await turn.part()
        async with other.resume(turn) as elsewhere:
            await elsewhere.part()
            turn.disconnect()
            await anyio.sleep(1.2)
            running = turn.headers["x-request-id"] in one.services.live
            elsewhere.disconnect()
        await is_over(one)

    assert running


@pytest.mark.parametrize("by", list(Interrupter))
async def test_a_turn_is_stopped_from_another_process(redis_server, by):
    store = {"redis": {"url": redis_server.url}}
    async with (
        application(ENDLESS, **store) as one,
        application(**store) as other,
        one.turn() as turn,
    ):
        await turn.part()
        await other.services.log.stop(turn.headers["x-request-id"], by)
        last = events(await turn.body())[-1]

    assert (last["event"], last["data"]["by"]) == ("interrupted", by)


async def test_an_interrupt_from_another_process_tells_how_the_turn_ended(redis_server):
    store = {"redis": {"url": redis_server.url}}
    scripts = (ENDLESS, Script(answer("Hi")))
    async with application(*scripts, **store) as one, application(**store) as other:
        async with one.turn() as running:
            await running.part()
            stopped = await other.interrupt(running)
            await running.body()
        over = await other.interrupt(await one.ended())

    assert (stopped["interrupted"], over["interrupted"]) == (True, False)
    assert one.upstream.turns[0].closed.is_set()


async def test_readers_that_come_and_go_keep_a_turn():
    """No look needs to find one of them."""
    async with application(ENDLESS, disconnect_grace_s=0.4) as app:
        turn = await left_alone(app, **CANCEL)
        for _ in range(6):
            await anyio.sleep(0.15)
            async with app.resume(turn) as resumed:
                await resumed.part()
                resumed.disconnect()
        running = turn.headers["x-request-id"] in app.services.live
        await is_over(app)

    assert running
