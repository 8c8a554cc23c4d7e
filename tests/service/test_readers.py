"""Who may read, for how long, and what readers are told that cannot be served now."""

import re

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from tests.support.applications import TURNS, application, events, names
from tests.support.people import PEOPLE, used_by
from tests.support.sse import SseReader
from tests.support.upstreams import NEVER, Script, answer, closing, opening_chunk, says

ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))


def sent_away(body):
    """Return why a reader was sent away, and for how long."""
    why, delay_ms = re.fullmatch(rb"(?s).*(?:^|\n): ([a-z]+)\nretry: (\d+)\n", body).groups()
    return why.decode(), int(delay_ms)


async def refused(turn):
    """Return what a request for a stream was answered instead."""
    body = await turn.json()
    return turn.status, body["code"], turn.headers.get("retry-after")


async def test_a_turn_beyond_the_streams_of_the_process_is_a_503():
    async with application(ENDLESS, streams={"limit": 1}) as app, app.turn() as turn:
        await turn.part()
        async with app.turn() as one_more:
            told = await refused(one_more)

    assert told == (503, "too_many_streams", "5")


async def test_a_turn_beyond_the_streams_of_its_caller_is_a_429():
    async with (
        used_by(PEOPLE, ENDLESS, streams={"per_user_limit": 1}) as people,
        people["alice"].turn() as turn,
    ):
        await turn.part()
        async with people["alice"].turn() as one_more, people["bob"].turn() as of_another:
            told = await refused(one_more)
            await of_another.begun()

    assert told == (429, "too_many_own_streams", "5")
    assert of_another.status == 200


async def test_where_nobody_is_asked_who_they_are_all_are_one_caller():
    async with application(ENDLESS, streams={"per_user_limit": 1}) as app, app.turn() as turn:
        await turn.part()
        async with app.turn(headers={"Authorization": "Bearer another"}) as one_more:
            told = await refused(one_more)

    assert told == (429, "too_many_own_streams", "5")


async def test_turns_that_are_asked_for_at_the_same_time_exceed_no_limit_together():
    go_on = anyio.Event()
    script = Script(answer("Hi"), at_prepare=(go_on,))
    async with (
        application(script, streams={"limit": 2}) as app,
        app.turn() as one,
        app.turn() as two,
        app.turn() as three,
    ):
        await wait_all_tasks_blocked()
        assert app.services.readers.open == 2
        go_on.set()
        bodies = [await each.body() for each in (one, two, three)]

    assert sorted(each.status for each in (one, two, three)) == [200, 200, 503]
    assert sum(b'"event":"end"' in each for each in bodies) == 2


@pytest.mark.parametrize("fails", [ValueError("a bug"), NEVER], ids=["crash", "no chunk"])
async def test_a_turn_that_begins_badly_keeps_no_place(fails):
    script = Script(at_open=(fails,))
    async with application(script, commit_wait_s=0.01, streams={"limit": 1}) as app:
        for _ in range(2):
            async with app.turn() as turn:
                await turn.begun()
            assert turn.status != 503


async def test_a_request_that_is_refused_keeps_no_place():
    async with application(ENDLESS, streams={"limit": 1}) as app:
        unknown = "00000000-0000-4000-8000-000000000000"
        for _ in range(2):
            async with app.turn(conversation_id=unknown) as turn:
                assert (await refused(turn))[0] == 404
            async with app.exchange("GET", f"{TURNS}/{unknown}") as reader:
                assert (await refused(reader))[0] == 404


async def test_a_reader_that_leaves_makes_room():
    async with application(ENDLESS, streams={"limit": 1}) as app:
        for _ in range(2):
            async with app.turn() as turn:
                await turn.part()

            assert turn.status == 200


@pytest.mark.parametrize("limit", ["limit", "per_user_limit", "per_turn_limit"])
async def test_a_resume_beyond_a_limit_is_told_to_come_back_later(limit):
    """An `EventSource` would never come back after a 429."""
    async with (
        application(ENDLESS, streams={limit: 1}, retry_ms=10) as app,
        app.turn() as turn,
    ):
        await turn.part()
        async with app.resume(turn) as again:
            why, delay_ms = sent_away(await again.body())

    assert (again.status, why) == (200, "busy")
    assert 1_000 <= delay_ms <= 3_000
    assert again.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert again.headers["x-request-id"] == turn.headers["x-request-id"]


async def test_readers_that_are_sent_away_do_not_all_come_back_at_once():
    async with application(ENDLESS, streams={"limit": 1}) as app, app.turn() as turn:
        await turn.part()
        delays = set()
        for _ in range(10):
            async with app.resume(turn) as again:
                delays.add(sent_away(await again.body())[1])

    assert len(delays) > 5


async def test_a_limit_of_one_turn_leaves_others_alone():
    async with (
        application(ENDLESS, streams={"per_turn_limit": 1}) as app,
        app.turn() as one,
        app.turn() as other,
    ):
        await one.begun()
        await other.begun()

    assert (one.status, other.status) == (200, 200)


async def test_a_repeated_request_beyond_the_readers_of_its_turn_is_a_429():
    headers = {"idempotency-key": "a"}
    async with (
        application(ENDLESS, streams={"per_turn_limit": 1}) as app,
        app.turn(headers=headers) as turn,
    ):
        await turn.part()
        async with app.turn(headers=headers) as again:
            told = await refused(again)

    assert told == (429, "too_many_readers", "5")


async def test_a_head_needs_no_place_and_leaves_no_reader():
    async with application(ENDLESS, streams={"limit": 1}) as app, app.turn() as turn:
        await turn.part()
        head, body = await app.ask("HEAD", turn.headers["content-location"])
        (kept,) = app.services.log._turns.kept

        assert (kept.readers, app.services.readers.open) == (1, 1)
    assert (head.status, body) == (200, b"")


async def test_a_stream_that_was_open_for_long_is_rotated():
    async with (
        application(ENDLESS, streams={"rotate_s": 0.05}, retry_ms=10) as app,
        app.turn() as turn,
    ):
        body = await turn.body()

    whole = body.rpartition(b"\n\n")[0] + b"\n\n"
    assert names(whole) == ["start", "token"]
    assert sent_away(body)[0] == "rotated"
    assert 10 <= sent_away(body)[1] <= 20


async def test_a_chain_of_rotated_streams_holds_every_byte_once():
    gates = [anyio.Event() for _ in range(4)]
    pieces = [step for gate in reversed(gates) for step in (gate, says("Hi"))]
    script = Script((opening_chunk(), *pieces, *closing("Hi" * 4)))
    async with application(script, streams={"rotate_s": 0.02}) as app, app.turn() as turn:
        reader = SseReader()
        messages = reader.feed(await turn.body())
        while names_of(messages)[-1] != "end":
            if gates:
                gates.pop().set()
            async with app.resume(turn, f"last_event_id={reader.last_id}") as again:
                messages += reader.feed(await again.body())
        async with app.resume(turn) as undisturbed:
            whole = SseReader().feed(await undisturbed.body())

    assert messages == whole
    assert names_of(whole) == ["start", *["token"] * 4, "turn_complete", "end"]


def names_of(messages):
    """Return the names of events that were read before."""
    return names(b"".join(b"id: %s\ndata: %s\n\n" % _raw(each) for each in messages))


def _raw(message):
    return message.last_id.encode(), message.data.encode()


async def test_text_is_not_rotated():
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hi"), go_on, *closing("Hi")))
    async with (
        application(script, streams={"rotate_s": 0.01}) as app,
        app.turn(media_type="text/plain") as turn,
        app.turn() as beside,
    ):
        await beside.body()
        go_on.set()

        assert await turn.body() == b"Hi"


async def test_a_reader_whose_log_is_lost_is_told_so_and_can_go_on_later():
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hel"), go_on, says("lo"), *closing("Hello")))
    async with application(script, retry_ms=10) as app, app.turn() as turn:
        await turn.part()
        (kept,) = app.services.log._turns.kept
        async with app.resume(turn, "last_event_id=2") as cut:
            await cut.begun()
            kept.unavailable = True
            kept.wake()
            body = await cut.body()
        kept.unavailable = False
        go_on.set()
        async with app.resume(turn, "last_event_id=2") as again:
            assert names(await again.body()) == ["token", "turn_complete", "end"]

    reader = SseReader()
    (message,) = reader.feed(body)
    (told,) = events(body)
    assert (told["event"], told["data"]["code"]) == ("unavailable", "log_unavailable")
    assert (message.last_id, reader.retry_ms) == ("", told["data"]["retry_ms"])
    assert 1_000 <= reader.retry_ms <= 3_000


async def test_a_text_whose_log_is_lost_says_so():
    async with application(ENDLESS) as app, app.turn(media_type="text/plain") as turn:
        assert await turn.part() == b"Hi"
        (kept,) = app.services.log._turns.kept
        kept.unavailable = True
        kept.wake()

        assert (await turn.body()).startswith(b"\n\n[error: log_unavailable] ")


async def test_a_resume_that_reaches_no_log_is_told_to_come_back(mortal_redis):
    """An `EventSource` would never come back after a 503."""
    shared = {"url": mortal_redis.url, "timeout_s": 0.2}
    async with application(ENDLESS, redis=shared) as app:
        mortal_redis.kill()
        async with app.exchange("GET", f"{TURNS}/00000000-0000-4000-8000-0000000000aA") as reader:
            (told,) = events(await reader.body())

    assert reader.status == 200
    assert told["data"]["code"] == "log_unavailable"
    assert reader.headers["x-request-id"] == "00000000-0000-4000-8000-0000000000aa"


async def test_an_id_that_nobody_knows_cannot_break_the_headers(mortal_redis):
    shared = {"url": mortal_redis.url, "timeout_s": 0.2}
    async with application(ENDLESS, redis=shared) as app:
        mortal_redis.kill()
        async with app.exchange("GET", f"{TURNS}/a%0D%0Ab%C3%A4") as reader:
            await reader.body()

    assert reader.headers["content-location"] == f"{TURNS}/a%0D%0Ab%C3%A4"
