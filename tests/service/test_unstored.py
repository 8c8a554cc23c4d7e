"""A turn that cannot be stored says so, and is stored as soon as that is possible."""

from contextlib import AsyncExitStack

import anyio
import pytest

from tests.support.applications import application, events, names
from tests.support.kept_turns import agrees, kept_turns, locked, on_file, told
from tests.support.logs import until
from tests.support.upstreams import Script, answer, closing, opening_chunk, says, thread_of
from tests.support.waiting_turns import BOTH, GOES_ON, WAITS

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
QUICK = {"timeout_s": 0.3, "checkpoint_s": 1_000.0, "lease_s": 3_600.0}
"""What is done beside the turns would be in the way."""


@pytest.fixture
def path(tmp_path):
    """Return where the database is."""
    return tmp_path / "turnstile.db"


def waiting(go_on, *rest):
    """Return a script that has said something when it waits."""
    return Script((opening_chunk(), says("Hel"), go_on, *(rest or (says("lo"), *closing("Hello")))))


async def logged(log, event):
    """Wait for a line of the log, and return it."""
    await until(lambda: [each for each in log if each["event"] == event])
    return next(each for each in log if each["event"] == event)


async def unstored(app, path, go_on, **fields):
    """Run a turn that cannot be stored when it ends; return it and its body."""
    async with app.turn(**fields) as turn:
        body = await turn.part()
        async with locked(path):
            go_on.set()
            body += await turn.body()
    return turn, body


async def unstored_turns(app):
    """Return how many turns wait, as the metrics say."""
    _, text = await app.ask("GET", "/metrics")
    (line,) = [each for each in text.decode().splitlines() if each.startswith(WAITING)]
    return float(line.split()[1])


WAITING = "turnstile_turns_unstored "


async def test_a_turn_says_that_it_is_stored(path):
    async with application(HELLO, **on_file(path)) as app, app.turn() as turn:
        body = await turn.body()

    assert events(body)[-1]["data"]["stored"] is True
    assert agrees(kept_turns(path)[0], told(body))


async def test_what_ends_with_the_process_is_not_called_stored():
    async with application(HELLO) as app, app.turn() as turn:
        last = events(await turn.body())[-1]

        assert await app.services.turns.known(turn.headers["x-request-id"], None)
    assert (last["event"], last["data"]["stored"]) == ("end", False)


async def test_a_turn_that_cannot_be_stored_ends_in_order_and_says_so(path, log):
    go_on = anyio.Event()
    async with application(waiting(go_on), **on_file(path, **QUICK)) as app:
        turn, body = await unstored(app, path, go_on)
        waits = await unstored_turns(app)
        line = await logged(log, "turn.not_stored")

    last = events(body)[-1]
    assert (last["event"], last["data"]["stored"]) == ("end", False)
    assert line["request_id"] == turn.headers["x-request-id"]
    assert line["cause"] == "The database takes too long."
    assert waits == 1


async def test_it_is_stored_later_as_it_was_said(path, log):
    go_on = anyio.Event()
    async with application(waiting(go_on), **on_file(path, **QUICK)) as app:
        turn, body = await unstored(app, path, go_on)
        before = kept_turns(path)[0]["outcome"]
        line = await logged(log, "turn.stored_late")

        assert await unstored_turns(app) == 0
    assert before is None
    assert line["request_id"] == turn.headers["x-request-id"]
    assert agrees(kept_turns(path)[0], told(body))


async def test_the_next_question_knows_of_it(path, log):
    go_on = anyio.Event()
    async with application(waiting(go_on), HELLO, **on_file(path, **QUICK)) as app:
        turn, _ = await unstored(app, path, go_on)
        await logged(log, "turn.stored_late")
        await app.goes_on(turn)

    assert [each.answer for each in app.upstream.histories[1]] == ["Hello"]


async def test_the_next_question_does_not_wait_until_it_is_tried_again(path, monkeypatch):
    """Its caller has read the answer, and the database may be back for a moment only."""
    monkeypatch.setattr("service.turns.unstored._FIRST_PAUSE_S", 3_600.0)
    go_on = anyio.Event()
    async with application(waiting(go_on), HELLO, **on_file(path, **QUICK)) as app:
        turn, body = await unstored(app, path, go_on)
        await app.goes_on(turn)
        waits = await unstored_turns(app)

    assert [each.answer for each in app.upstream.histories[1]] == ["Hello"]
    assert agrees(kept_turns(path)[0], told(body))
    assert waits == 0


async def test_a_conversation_is_deleted_with_what_only_such_a_turn_knows(path, monkeypatch):
    monkeypatch.setattr("service.turns.unstored._FIRST_PAUSE_S", 3_600.0)
    go_on = anyio.Event()
    async with application(waiting(go_on), **on_file(path, **QUICK)) as app:
        turn, _ = await unstored(app, path, go_on)
        await app.ask("DELETE", f"/v1/conversations/{turn.headers['x-conversation-id']}")
        forgotten = list(app.upstream.forgotten)

    assert forgotten == [thread_of(1)]


async def test_no_question_is_asked_while_the_one_before_cannot_be_stored(path):
    go_on = anyio.Event()
    async with application(waiting(go_on), HELLO, **on_file(path, **QUICK)) as app:
        turn, _ = await unstored(app, path, go_on)
        async with locked(path):
            refused = await app.goes_on(turn)
        await app.goes_on(turn)

    assert refused.status == 503
    assert [each.answer for each in app.upstream.histories[1]] == ["Hello"]


@pytest.mark.parametrize("sign", ["another turn", "a checkpoint"])
async def test_it_is_stored_as_soon_as_something_else_is(path, log, monkeypatch, sign):
    monkeypatch.setattr("service.turns.unstored._FIRST_PAUSE_S", 3_600.0)
    go_on = anyio.Event()
    async with application(waiting(go_on), HELLO, **on_file(path, **QUICK)) as app:
        turn, _ = await unstored(app, path, go_on)
        if sign == "another turn":
            await app.ended()
        else:
            await app.services.checkpoints._keep()
        line = await logged(log, "turn.stored_late")

    assert line["request_id"] == turn.headers["x-request-id"]


async def test_a_turn_that_waits_can_be_answered_when_that_is_stored(path, log):
    go_on = anyio.Event()
    scripts = waiting(go_on, *WAITS.body[2:]), GOES_ON
    async with application(*scripts, **on_file(path, **QUICK)) as app, app.turn() as turn:
        body = await turn.part()
        async with locked(path):
            go_on.set()
            body += await turn.body()
            async with app.answer(turn, **BOTH) as too_early:
                refused = await too_early.json()
        await logged(log, "turn.stored_late")
        async with app.answer(turn, **BOTH) as again:
            assert names(await again.body())[-1] == "end"

    last = events(body)[-1]
    assert last["event"] == "awaiting_input"
    assert "answer_within_s" not in last["data"]
    assert (too_early.status, refused["code"]) == (409, "not_awaiting")


async def test_a_process_that_stops_stores_what_is_left(path, log):
    go_on = anyio.Event()
    async with application(waiting(go_on), **on_file(path, **QUICK)) as app:
        _, body = await unstored(app, path, go_on)

    assert agrees(kept_turns(path)[0], told(body))
    assert not [each for each in log if each["event"] == "turn.given_up"]


async def test_what_is_lost_with_the_process_is_an_error_in_the_log(path, log):
    go_on, lock = anyio.Event(), AsyncExitStack()
    async with application(waiting(go_on), **on_file(path, **QUICK)) as app, app.turn() as turn:
        await turn.part()
        await lock.enter_async_context(locked(path))
        go_on.set()
        await turn.body()
    await lock.aclose()

    (line,) = [each for each in log if each["event"] == "turn.given_up"]
    assert (line["reason"], line["log_level"]) == ("stopping", "error")
    assert line["request_id"] == turn.headers["x-request-id"]


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "a-key"}])
async def test_readers_do_not_wait_for_more_than_one_try(path, headers):
    """Not for each thing that the database would be asked besides."""
    go_on = anyio.Event()
    slower = on_file(path, **QUICK | {"timeout_s": 1.0})
    async with application(waiting(go_on), **slower) as app, app.turn(headers=headers) as turn:
        await turn.part()
        async with locked(path):
            go_on.set()
            began_at = anyio.current_time()
            await turn.body()
            took_s = anyio.current_time() - began_at

    assert 1.0 <= took_s < 1.9


async def test_one_that_was_taken_for_abandoned_is_stored_as_it_was_said(path, log):
    """The database comes back after so long that the turn counts as dead."""
    go_on = anyio.Event()
    async with application(waiting(go_on), HELLO, **on_file(path, **QUICK)) as app:
        turn, body = await unstored(app, path, go_on)
        clock = app.services.turns._clock
        app.services.turns._clock = lambda: clock() + 7_200
        await app.services.checkpoints._keep()
        await logged(log, "turn.stored_late")
        app.services.turns._clock = clock
        await app.goes_on(turn)

    assert agrees(kept_turns(path)[0], told(body))
    assert not [each for each in log if each["event"] == "turn.abandoned"]
    assert [each.answer for each in app.upstream.histories[1]] == ["Hello"]
