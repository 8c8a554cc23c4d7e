"""A turn lasts longer than a connection, and every reader gets the same bytes."""

import anyio
import pytest

from tests.support.applications import TURNS, application, events, names
from tests.support.asgi import PATIENCE_S
from tests.support.upstreams import Script, answer, closing, opening_chunk, says


def without_retry(body):
    """Return a body without the line that only the first frame of a response carries."""
    return body.removeprefix(b"retry: 1000\n")


async def ended(app, turn):
    """Wait until a turn has ended, as its reader sees it."""
    async with app.resume(turn) as reader:
        return await reader.body()


async def test_a_turn_goes_on_when_its_reader_has_left():
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hel"), go_on, says("lo"), *closing("Hello")))
    async with application(script) as app:
        async with app.turn() as turn:
            await turn.part()
        go_on.set()
        body = await ended(app, turn)

    assert names(body) == ["start", "token", "token", "turn_complete", "end"]


async def test_a_reader_that_leaves_while_it_waits_leaves_nothing_behind():
    go_on = anyio.Event()
    async with application(Script((opening_chunk(), go_on, *closing("")))) as app:
        async with app.turn() as turn:
            await turn.part()
            (entry,) = app.services.log._turns.kept
            assert len(entry.waiters) == 1

        assert not entry.waiters
        go_on.set()
        await ended(app, turn)


async def test_two_readers_at_once_get_the_same_bytes():
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hel"), go_on, says("lo"), *closing("Hello")))
    async with application(script) as app, app.turn() as turn:
        first = await turn.part()
        async with app.resume(turn) as beside:
            second = await beside.part()
            go_on.set()

            assert first + await turn.body() == second + await beside.body()


@pytest.mark.parametrize("cursor", range(5))
async def test_a_resume_gives_what_follows_the_cursor(cursor):
    async with application(Script(answer("Hel", "lo"))) as app, app.turn() as turn:
        whole = without_retry(await turn.body())
        async with app.resume(turn, headers={"Last-Event-ID": str(cursor)}) as again:
            rest = without_retry(await again.body())

    assert [each["data"]["id"] for each in events(rest)] == list(range(cursor + 1, 6))
    assert whole.endswith(rest)


async def test_a_resume_may_state_its_cursor_in_the_query():
    async with application(Script(answer("Hi"))) as app, app.turn() as turn:
        await turn.body()
        async with app.resume(turn, "last_event_id=3") as again:
            assert names(await again.body()) == ["end"]


async def test_the_header_has_the_first_word():
    """A browser adds it to the address that it was given first."""
    async with application(Script(answer("Hi"))) as app, app.turn() as turn:
        await turn.body()
        async with app.resume(turn, "last_event_id=0", headers={"Last-Event-ID": "3"}) as again:
            assert names(await again.body()) == ["end"]


async def test_an_empty_cursor_is_none():
    async with application(Script(answer("Hi"))) as app, app.turn() as turn:
        await turn.body()
        async with app.resume(turn, "last_event_id=", headers={"Last-Event-ID": ""}) as again:
            assert names(await again.body())[0] == "start"


async def test_a_resumed_stream_has_the_same_headers_and_dialect_options():
    async with application(Script(answer("Hi"))) as app, app.turn() as turn:
        await turn.body()
        async with app.resume(turn, "names=1&states=1") as again:
            body = await again.body()

    assert again.headers == {name: turn.headers[name] for name in again.headers}
    assert turn.headers.keys() - again.headers.keys() == {"x-stream-ticket"}
    assert b"\nevent: start\nstate: turn_started\n" in body
    assert body.startswith(b"retry: 1000\n")


async def test_a_resume_at_the_head_of_a_running_turn_waits_for_more():
    go_on = anyio.Event()
    script = Script((opening_chunk(), go_on, says("Hi"), *closing("Hi")))
    async with application(script) as app, app.turn() as turn:
        await turn.part()
        async with app.resume(turn, "last_event_id=1") as again:
            await again.begun()
            go_on.set()

            assert names(await again.body()) == ["token", "turn_complete", "end"]


async def test_there_is_nothing_after_the_end():
    async with application(Script(answer("Hi"))) as app, app.turn() as turn:
        await turn.body()
        async with app.resume(turn, "last_event_id=4") as again:
            assert await again.body() == b""

    assert again.status == 204
    assert again.headers["x-request-id"] == turn.headers["x-request-id"]


@pytest.mark.parametrize(
    "cursor", ["x", "-1", "1.0", "0x1", "%2B1", "%201", "٣", "5", "1" * 18, "1" * 19, "1" * 5_000]
)
async def test_a_cursor_that_is_no_event_of_the_stream_is_refused(cursor):
    async with application(Script(answer("Hi"))) as app, app.turn() as turn:
        await turn.body()
        async with app.resume(turn, f"last_event_id={cursor}") as again:
            body = await again.json()

    assert (again.status, body["code"]) == (400, "cursor_invalid")


@pytest.mark.parametrize("name", ["nobody", "00000000-0000-4000-8000-000000000000", "%00", "a%0Ab"])
async def test_an_unknown_turn_is_a_404(name):
    async with application() as app, app.exchange("GET", f"{TURNS}/{name}") as reader:
        body = await reader.json()

    assert (reader.status, body["code"]) == (404, "turn_unknown")


async def test_an_id_may_be_in_upper_case():
    async with application(Script(answer("Hi"))) as app, app.turn() as turn:
        await turn.body()
        target = f"{TURNS}/{turn.headers['x-request-id'].upper()}"
        async with app.exchange("GET", target) as again:
            assert names(await again.body())[-1] == "end"


async def test_head_ends_at_once_even_when_the_turn_runs():
    go_on = anyio.Event()
    script = Script((opening_chunk(), go_on, *closing("")))
    async with application(script) as app, app.turn() as turn:
        await turn.part()
        with anyio.fail_after(PATIENCE_S):
            head, body = await app.ask("HEAD", turn.headers["content-location"])
        go_on.set()

    assert (head.status, body) == (200, b"")
    assert head.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "content-length" not in head.headers


async def test_a_turn_that_was_evicted_is_unknown():
    async with application(Script(answer("Hi")), log_limit_bytes=1_024) as app, app.turn() as turn:
        await turn.body()
        async with app.resume(turn) as again:
            assert (await again.json())["code"] == "turn_unknown"


async def test_a_turn_too_large_to_be_kept_is_still_read_by_who_started_it():
    async with (
        application(Script(answer("x" * 2_000)), log_limit_bytes=1_024) as app,
        app.turn() as turn,
    ):
        body = await turn.body()

    assert turn.status == 200
    assert names(body) == ["start", "token", "turn_complete", "end"]


async def test_a_resume_after_the_bound_of_a_turn_begins_with_a_gap():
    pieces = ["x" * 200] * 20
    async with application(Script(answer(*pieces)), log_turn_limit_bytes=2_048) as app:
        async with app.turn() as turn:
            await turn.body()
        async with app.resume(turn, "last_event_id=2") as again:
            gap, *rest = events(await again.body())

    first = rest[0]["data"]["id"]
    assert gap == {"event": "gap", "data": {"from": 3, "to": first}}
    assert [each["data"]["id"] for each in rest] == list(range(first, 24))


async def test_a_gap_has_no_id_and_a_name_when_names_are_asked_for():
    pieces = ["x" * 200] * 20
    async with application(Script(answer(*pieces)), log_turn_limit_bytes=2_048) as app:
        async with app.turn() as turn:
            await turn.body()
        async with app.resume(turn, "names=1") as again:
            first = (await again.body()).split(b"\n\n")[0]

    assert first.startswith(b'retry: 1000\nevent: gap\ndata: {"event":"gap","data":{"from":1,')


async def test_who_has_had_the_end_before_another_process_knew_of_it_is_not_kept(redis_server):
    """An `EventSource` comes back after every end, perhaps faster than that reaches Redis."""
    ends = anyio.Event()
    script = Script((opening_chunk(), says("Hi"), ends, *closing("Hi")))
    store = {"redis": {"url": redis_server.url}}
    async with (
        application(script, **store) as one,
        application(**store) as other,
        one.turn() as turn,
    ):
        said = await turn.part()
        last = {"Last-Event-ID": "4"}
        async with other.resume(turn, headers=last) as early:
            await early.begun()
            ends.set()
            rest = await early.body()
        said += await turn.body()
        async with other.resume(turn, headers=last) as late:
            await late.body()

    assert (early.status, rest, late.status) == (200, b"", 204)
    assert said.count(b"id: ") == 4
