"""The native stream, part by part, as it is sent (protocol, section 4)."""

import anyio
from anyio import wait_all_tasks_blocked

from tests.support.applications import application, events, names
from tests.support.asgi import exchange
from tests.support.sse import SseReader
from tests.support.upstreams import NEVER, Script, answer, closing, opening_chunk, says

LONG = Script((opening_chunk(), *[says("x" * 100)] * 500, *closing("")))
"""Its answer fits into a piece, and its tokens do not."""


async def test_the_headers_are_those_of_the_protocol():
    async with (
        application(Script(answer("Hi"), recording="A title, “quoted”")) as app,
        app.turn() as turn,
    ):
        await turn.begun()

    request_id = app.services.log._turns.kept[-1].ids.request_id
    assert turn.status == 200
    assert turn.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert turn.headers["cache-control"] == "no-cache, no-transform"
    assert turn.headers["x-accel-buffering"] == "no"
    assert turn.headers["content-location"] == f"/v1/streaming_query/{request_id}"
    assert turn.headers["x-request-id"] == request_id
    assert len(turn.headers["x-conversation-id"]) == 36
    assert turn.headers["x-turnstile-recording"] == "A%20title%2C%20%E2%80%9Cquoted%E2%80%9D"


async def test_a_turn_that_is_not_recorded_names_no_recording():
    async with application(Script(answer("Hi"))) as app, app.turn() as turn:
        await turn.begun()

        assert "x-turnstile-recording" not in turn.headers


async def test_the_first_frame_is_sent_before_the_second_chunk_and_carries_retry():
    second = anyio.Event()
    script = Script((opening_chunk(), second, says("Hi"), *closing("Hi")))
    async with application(script, retry_ms=1_234) as app, app.turn() as turn:
        first = await turn.part()
        waiting = turn.waiting_parts()
        second.set()
        rest = await turn.body()

    assert first.startswith(b'retry: 1234\nid: 1\ndata: {"event":"start","data":{"id":1,')
    assert first.count(b"\n\n") == 1
    assert waiting == 0
    assert b"retry:" not in rest
    assert rest.startswith(b"id: 2\ndata: ")


async def test_every_token_is_sent_when_it_comes():
    gates = [anyio.Event() for _ in range(3)]
    pieces = [step for gate in gates for step in (gate, says("Hi"))]
    script = Script((opening_chunk(), *pieces, *closing("HiHiHi")))
    async with application(script) as app, app.turn() as turn:
        assert names(await turn.part()) == ["start"]
        for gate in gates:
            gate.set()

            assert names(await turn.part())[0] == "token"


async def test_frames_are_strict_sse_with_numbers_without_gaps():
    async with application(Script(answer("Hel", "lo"))) as app, app.turn() as turn:
        body = await turn.body()

    reader = SseReader()
    messages = reader.feed(body)
    assert b"\r" not in body
    assert body.endswith(b"\n\n")
    assert not reader.partial
    assert reader.ignored == []
    assert reader.comments == []
    assert [each.last_id for each in messages] == ["1", "2", "3", "4", "5"]
    assert names(body) == ["start", "token", "token", "turn_complete", "end"]


async def test_the_start_event_says_what_the_headers_say():
    async with application(Script(answer("Hi"))) as app, app.turn() as turn:
        start = events(await turn.body())[0]["data"]

    assert start["request_id"] == turn.headers["x-request-id"]
    assert start["conversation_id"] == turn.headers["x-conversation-id"]


async def test_names_are_sent_when_they_are_asked_for():
    async with application(Script(answer("Hi"))) as app, app.turn("names=1") as turn:
        messages = SseReader().feed(await turn.body())

    assert [each.event for each in messages] == ["start", "token", "turn_complete", "end"]


async def test_states_are_sent_when_they_are_asked_for():
    async with application(Script(answer("Hi"))) as app, app.turn("states=1") as turn:
        reader = SseReader()
        messages = reader.feed(await turn.body())

    assert [each.event for each in messages] == ["message"] * 4
    assert ("state", "turn_started") in reader.ignored
    assert ("state", "turn_started turn_complete") in reader.ignored


async def test_a_silent_upstream_is_bridged_by_heartbeats_without_ids():
    script = Script((opening_chunk(), NEVER))
    async with application(script, heartbeat_s=0.01) as app, app.turn() as turn:
        first, *beats = [await turn.part() for _ in range(3)]

    assert names(first) == ["start"]
    assert beats == [b":\n", b":\n"]


async def test_a_heartbeat_is_no_content():
    go_on = anyio.Event()
    script = Script((opening_chunk(), go_on, says("Hi"), *closing("Hi")))
    async with application(script, heartbeat_s=0.01) as app, app.turn() as turn:
        body = await turn.part() + await turn.part()
        go_on.set()
        body += await turn.body()

    assert b"\n:\nid: 2\n" in body.replace(b":\n:\n", b":\n")
    assert names(body) == ["start", "token", "turn_complete", "end"]


async def test_the_answer_as_text_has_no_framing():
    script = Script(answer("Hel", "lo"))
    async with application(script) as app, app.turn(media_type="text/plain") as turn:
        body = await turn.body()

    assert body == b"Hello"
    assert turn.headers["content-type"] == "text/plain; charset=utf-8"
    assert turn.headers["x-request-id"]
    assert turn.headers["x-conversation-id"]


async def test_text_gets_no_heartbeats():
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hi"), go_on, *closing("Hi")))
    async with (
        application(script, heartbeat_s=0.001) as app,
        app.turn(media_type="text/plain") as turn,
        app.turn() as beside,
    ):
        while await beside.part() != b":\n":
            pass
        go_on.set()

        assert await turn.body() == b"Hi"


async def test_a_slow_reader_holds_up_nobody():
    async with application(Script(answer("Hel", "lo"))) as app, app.turn() as quick:
        await quick.begun()
        async with app.resume(quick, window=0) as slow:
            await slow.begun()
            body = await quick.body()

            assert await slow.body() == body


async def parts_of(reader):
    """Take a body part by part."""
    parts = []
    while part := await reader.part():
        parts.append(part)
    return parts


async def test_a_long_past_goes_out_in_parts_of_whole_events():
    """A reader on a slow line must not have to take all of it in the time for one write."""
    async with application(LONG) as app:
        turn = await app.ended()
        async with app.resume(turn) as again:
            parts = await parts_of(again)

    assert [each.endswith(b"\n\n") for each in parts] == [True] * len(parts)
    assert len(parts) > 2
    assert names(b"".join(parts)) == ["start", *["token"] * 500, "turn_complete", "end"]


async def test_an_event_that_is_very_large_goes_out_in_pieces():
    script = Script((opening_chunk(), says("x" * 300_000), *closing("")))
    async with application(script) as app, app.turn() as turn:
        parts = await parts_of(turn)

    assert max(map(len, parts)) == 65_536
    assert names(b"".join(parts)) == ["start", "token", "turn_complete", "end"]


async def test_a_reader_that_is_sent_away_within_a_long_past_gets_whole_events():
    async with application(LONG) as app:
        turn = await app.ended()
        async with app.resume(turn, window=0) as again:
            body = await again.part()
            app.services.readers.dismiss(0)
            await wait_all_tasks_blocked()
            body += await again.body()

    whole, _, rest = body.rpartition(b"\n\n")
    assert set(names(whole + b"\n\n")) == {"start", "token"}
    assert rest.startswith(b": draining\nretry: ")


async def test_a_server_may_refuse_to_send_to_who_has_left(log):
    """Those of ASGI 2.4 do; uvicorn says nothing."""
    async with application(Script(answer("Hel", "lo"))) as app:
        turn = await app.ended()

        async def without_listener(scope, receive, send):
            async def refuse(message):
                if message["type"] == "http.response.body":
                    raise BrokenPipeError
                await send(message)

            await app.app(scope, receive, refuse)

        async with exchange(without_listener, "GET", turn.headers["content-location"]) as again:
            assert await again.body() == b""

    assert again.crash is None
    assert [each for each in log if each["event"] == "request.crashed"] == []
