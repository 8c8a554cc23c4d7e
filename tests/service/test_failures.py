"""However the upstream fails, the client is told in the documented way, and only once."""

import json

import anyio
import pytest

from service.errors import UpstreamError, UpstreamReset
from tests.support import agents_chunks as agents
from tests.support.applications import TURNS, application, events, names
from tests.support.upstreams import NEVER, Script, answer, closing, opening_chunk, says

pytestmark = pytest.mark.slow

REFUSED = UpstreamError(
    "upstream_unavailable", "The upstream is not available.", 503, detail="secret"
)
BUG = ZeroDivisionError("division by a secret")


def terminal(body):
    """Return the data of the one terminal event, which must be the last."""
    *before, last = events(body)
    assert not {each["event"] for each in before} & {"end", "error", "interrupted"}
    assert last["event"] == "error"
    assert last["data"]["count"] == len(before) + 1
    return last["data"]


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (Script((agents.error("400: no such thing"),)), 400, "upstream_bad_request"),
        (Script((agents.error("500: it broke"),)), 502, "upstream_error"),
        (Script(at_prepare=(REFUSED,)), 503, "upstream_unavailable"),
        (Script(at_open=(REFUSED,)), 503, "upstream_unavailable"),
        (Script((REFUSED,)), 503, "upstream_unavailable"),
        (Script((b"{garbage",)), 502, "upstream_not_json"),
        (Script((says("too early"),)), 502, "illegal_transition"),
        (Script((agents.payload("step_start"),)), 502, "malformed_chunk"),
        (Script(()), 502, "upstream_truncated"),
        (Script(at_open=(BUG,)), 500, "internal_error"),
        (Script((BUG,)), 500, "internal_error"),
    ],
)
async def test_a_failure_before_anything_was_said_is_a_status(script, status, code):
    async with application(script) as app, app.turn() as turn:
        body = await turn.json()

    assert turn.status == status
    assert turn.headers["content-type"] == "application/json"
    assert body["code"] == code
    assert set(body) == {"detail", "code"}
    assert set(body["detail"]) == {"response", "cause"}
    assert "secret" not in json.dumps(body)


async def test_a_refused_turn_still_says_its_ids():
    async with application(Script(at_open=(REFUSED,))) as app, app.turn() as turn:
        await turn.begun()

    assert len(turn.headers["x-request-id"]) == 36
    assert len(turn.headers["x-conversation-id"]) == 36


async def test_a_refused_turn_can_be_read_like_any_other():
    async with application(Script(at_open=(REFUSED,))) as app, app.turn() as turn:
        await turn.begun()
        async with app.resume(turn) as again:
            assert terminal(await again.body())["code"] == "upstream_unavailable"


async def test_a_late_refusal_is_an_event():
    """The answer does not wait for the upstream longer than `commit_wait_s`."""
    late = anyio.Event()
    script = Script(at_open=(late, REFUSED))
    async with application(script, commit_wait_s=0.01) as app, app.turn() as turn:
        await turn.begun()
        late.set()
        error = terminal(await turn.body())

    assert turn.status == 200
    assert (error["code"], error["status_code"]) == ("upstream_unavailable", 503)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (REFUSED, "upstream_unavailable"),
        (UpstreamReset(), "upstream_reset"),
        (agents.error("503: try later"), "upstream_unavailable"),
        (b"{garbage", "upstream_not_json"),
        (b"\xff\xfe", "upstream_not_json"),
        (b"[" * 100_000, "upstream_not_json"),
        (b"7", "malformed_chunk"),
        (agents.step_start("s2"), "illegal_transition"),
        (BUG, "internal_error"),
    ],
)
async def test_a_failure_in_the_middle_is_an_event(failure, code):
    script = Script((opening_chunk(), says("Hi"), failure))
    async with application(script) as app, app.turn() as turn:
        body = await turn.body()

    assert turn.status == 200
    assert names(body) == ["start", "token", "error"]
    assert terminal(body)["code"] == code
    assert b"secret" not in body


async def test_a_body_that_just_stops_is_an_error():
    async with application(Script((opening_chunk(), says("Hi")))) as app, app.turn() as turn:
        assert terminal(await turn.body())["code"] == "upstream_truncated"


async def test_a_bug_is_logged_with_its_traceback(log):
    async with application(Script((opening_chunk(), BUG))) as app, app.turn() as turn:
        await turn.body()

    (crash,) = [each for each in log if each["event"] == "turn.crashed"]
    assert crash["exc_info"] is True
    assert crash["request_id"] == turn.headers["x-request-id"]
    assert "ZeroDivisionError" in log[-2]["detail"]


async def test_a_bug_before_the_turn_is_a_500_with_nothing_of_it(log):
    async with application(Script(at_prepare=(BUG,))) as app, app.turn() as turn:
        body = await turn.body()

    assert turn.status == 500
    assert json.loads(body)["code"] == "internal_error"
    assert b"secret" not in body
    assert turn.crash is BUG
    assert [each["exc_info"] for each in log if each["event"] == "request.crashed"] == [BUG]


LONG = answer(*["x" * 250] * 5)
LONG_BYTES = sum(len(json.dumps(each)) for each in LONG)


async def test_a_turn_may_send_as_much_as_it_may_hold():
    limits = {"turn_limit_bytes": LONG_BYTES}
    async with application(Script(LONG), upstream=limits) as app, app.turn() as turn:
        assert names(await turn.body())[-1] == "end"


async def test_a_turn_that_sends_more_is_ended():
    limits = {"turn_limit_bytes": LONG_BYTES - 1}
    async with application(Script(LONG), upstream=limits) as app, app.turn() as turn:
        error = terminal(await turn.body())

    assert (error["code"], error["status_code"]) == ("upstream_too_much", 502)
    assert app.upstream.turns[0].closed.is_set()


async def test_a_turn_whose_first_chunk_is_too_much_is_a_status():
    script = Script((opening_chunk() | {"padding": "x" * 2_000},))
    async with application(script, upstream={"turn_limit_bytes": 1_024}) as app, app.turn() as turn:
        body = await turn.json()

    assert (turn.status, body["code"]) == (502, "upstream_too_much")


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"idle_timeout_s": 0.01}, "upstream_timeout"),
        ({"turn_timeout_s": 0.01}, "turn_timeout"),
        ({"turn_timeout_s": 0.01, "idle_timeout_s": 0.02}, "turn_timeout"),
    ],
)
async def test_a_silence_in_the_middle_ends_the_turn(settings, code):
    script = Script((opening_chunk(), says("Hi"), NEVER))
    async with application(script, **settings) as app, app.turn() as turn:
        error = terminal(await turn.body())

    assert (error["code"], error["status_code"]) == (code, 504)
    assert app.upstream.turns[0].closed.is_set()


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"first_chunk_timeout_s": 0.01}, "upstream_timeout"),
        ({"first_chunk_timeout_s": 0.02, "turn_timeout_s": 0.01}, "turn_timeout"),
    ],
)
@pytest.mark.parametrize("script", [Script((NEVER,)), Script(at_open=(NEVER,))])
async def test_a_silence_from_the_start_is_a_status(script, settings, code):
    async with application(script, **settings) as app, app.turn() as turn:
        body = await turn.json()

    assert (turn.status, body["code"]) == (504, code)


async def test_the_time_of_a_whole_turn_is_told_from_that_of_a_silence():
    """The clock of the event loop and the system's do not tick together."""
    script = Script((opening_chunk(), NEVER))
    async with application(script, turn_timeout_s=0.005, idle_timeout_s=0.5) as app:
        for _ in range(20):
            async with app.turn() as turn:
                assert terminal(await turn.body())["code"] == "turn_timeout"


async def test_a_chunk_gives_the_upstream_its_time_again():
    """The first chunk comes in time, the second after the limit for the first one."""
    second = anyio.Event()
    script = Script((opening_chunk(), second, says("Hi"), *closing("Hi")))
    async with (
        application(script, first_chunk_timeout_s=0.2, heartbeat_s=0.3) as app,
        app.turn() as turn,
    ):
        assert names(await turn.part()) == ["start"]
        assert await turn.part() == b":\n"
        second.set()

        assert names(await turn.body())[-1] == "end"


async def test_what_an_upstream_does_after_the_end_changes_nothing():
    script = Script((*answer("Hi"), BUG), at_close=(REFUSED,))
    async with application(script) as app, app.turn() as turn:
        assert names(await turn.body()) == ["start", "token", "turn_complete", "end"]


async def test_the_failure_of_one_turn_is_not_that_of_another():
    go_on = anyio.Event()
    lasting = Script((opening_chunk(), go_on, says("Hi"), *closing("Hi")))
    async with application(lasting, Script((BUG,))) as app, app.turn() as turn:
        await turn.begun()
        async with app.turn() as failing:
            await failing.body()
        go_on.set()

        assert names(await turn.body())[-1] == "end"


@pytest.mark.parametrize("status", [429, 503])
async def test_an_upstream_that_is_busy_says_when_to_come_back(status):
    async with application(Script((agents.error(f"{status}: busy"),))) as app:
        head, _ = await app.ask("POST", TURNS, {"query": "Hi"})

    assert (head.status, head.headers["retry-after"]) == (status, "5")
