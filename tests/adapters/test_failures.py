"""Requests that fail: each failure has its code and its status, and nothing else gets out."""

import json

import httpx
import pytest

from service.errors import UpstreamError
from tests.support.agent_server import AgentServer
from tests.support.plans import payloads_of, plan
from tests.support.stack import Answer, FakeStack, held, live, mocked, running, says

PATH = "/v1/responses"
VALIDATION = {"error": {"detail": {"errors": [{"loc": ["body"], "msg": "too odd", "type": "x"}]}}}

STATUSES = {
    301: ("upstream_error", 502),
    307: ("upstream_error", 502),
    400: ("upstream_bad_request", 400),
    401: ("upstream_denied", 502),
    403: ("upstream_denied", 502),
    404: ("upstream_not_found", 404),
    405: ("upstream_bad_request", 400),
    408: ("upstream_timeout", 504),
    409: ("upstream_conflict", 409),
    413: ("upstream_too_large", 413),
    422: ("upstream_unprocessable", 422),
    426: ("upstream_version", 502),
    429: ("upstream_rate_limited", 429),
    500: ("upstream_error", 502),
    501: ("upstream_error", 502),
    502: ("upstream_error", 502),
    503: ("upstream_unavailable", 503),
    504: ("upstream_timeout", 504),
}
BODIES = {
    b'{"detail": "too odd"}': "too odd",
    b'{"error": {"message": "too odd"}}': "too odd",
    b'{"error": "too odd"}': "too odd",
    b'{"message": "too odd"}': "too odd",
    json.dumps(VALIDATION).encode(): "too odd",
    b'{"detail": [{"loc": ["body"], "msg": "too odd"}, {"msg": "and"}]}': "too odd; and",
    b'["too odd"]': "too odd",
    b"too odd": "too odd",
    b"": None,
    b"<html><h1>Bad Gateway</h1></html>": None,
    b"{}": None,
    b"[]": None,
    b"null": None,
    b"7": None,
    b'{"detail": {"loc": []}}': None,
    b"\xff": "\ufffd",
    b"[" * 50_000: "[" * 500,
    b"[" * 900 + b"]" * 900: None,
}
TRANSPORT = {
    "upstream_unreachable": (503, httpx.ConnectError("refused")),
    "upstream_connect_timeout": (504, httpx.ConnectTimeout("slow")),
    "upstream_timeout": (504, httpx.ReadTimeout("slow")),
    "upstream_busy": (503, httpx.PoolTimeout("busy")),
    "upstream_reset": (502, httpx.RemoteProtocolError("Server disconnected")),
}


async def failure_of(reply, *, by="stream", **settings):
    """Return what a turn, or a list, that is answered so fails with."""
    upstream, stack = live(**settings), FakeStack().on("POST", PATH, reply)
    if by == "list":
        stack.on("GET", "/v1/models", reply)

    async def ask():
        await upstream.catalogue()
        await payloads_of(upstream.prepare(plan()))

    async with mocked(stack), held(upstream):
        with pytest.raises(UpstreamError) as failed:
            await ask()
    return failed.value


@pytest.mark.parametrize("by", ["stream", "list"])
@pytest.mark.parametrize(("status", "expected"), STATUSES.items())
async def test_a_status_has_its_code(status, expected, by):
    failed = await failure_of(says({"detail": "too odd"}, status), by=by)

    assert (failed.code, failed.status_code) == expected


@pytest.mark.parametrize(("body", "sentence"), BODIES.items(), ids=lambda each: repr(each)[:40])
async def test_a_body_of_any_shape_is_understood_or_left_out(body, sentence):
    failed = await failure_of(Answer(400, (body,)))

    assert failed.cause == (sentence or "The upstream reported status 400.")
    assert failed.response == "The upstream refused the request."


async def test_the_words_of_a_failing_server_are_for_the_log():
    failed = await failure_of(says({"detail": "Internal server error: secret"}, 500))

    assert "secret" not in f"{failed.cause} {failed.response}"
    assert "secret" in failed.detail


@pytest.mark.parametrize("by", ["stream", "list"])
@pytest.mark.parametrize(("code", "failure"), TRANSPORT.items())
async def test_a_connection_that_fails_has_its_code(code, failure, by):
    status_code, raised = failure
    failed = await failure_of(raised, by=by)

    assert (failed.code, failed.status_code) == (code, status_code)
    assert type(raised).__name__ in failed.detail


@pytest.mark.parametrize("by", ["stream", "list"])
@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (httpx.UnsupportedProtocol("gopher"), "upstream_unreachable"),
        (httpx.WriteTimeout("slow"), "upstream_timeout"),
        (httpx.WriteError("pipe"), "upstream_reset"),
        (httpx.ReadError("reset"), "upstream_reset"),
        (OSError("odd"), "upstream_unreachable"),
    ],
    ids=repr,
)
async def test_a_rarer_failure_has_its_code_too(raised, code, by):
    assert (await failure_of(raised, by=by)).code == code


@pytest.mark.parametrize("by", ["stream", "list"])
@pytest.mark.parametrize("broken", [httpx.ReadError("reset"), httpx.RemoteProtocolError("cut")])
async def test_the_body_of_an_error_may_be_cut(broken, by):
    failed = await failure_of(Answer(500, (b'{"det', broken)), by=by)

    assert (failed.code, failed.status_code) == ("upstream_reset", 502)


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/html", "text/plain", None, "", "x" * 5_000]
)
async def test_what_is_no_stream_of_events_is_refused(content_type):
    failed = await failure_of(Answer(200, (b"{}",), content_type))

    assert (failed.code, failed.status_code) == ("upstream_not_a_stream", 502)
    assert len(failed.detail) < 200


@pytest.mark.parametrize("content_type", ["text/event-stream", "Text/Event-Stream; charset=utf-8"])
async def test_a_stream_may_be_spelt_in_its_own_way(content_type):
    stack = FakeStack().on("POST", PATH, Answer(200, (b"data: {}\n\n",), content_type))
    async with running(stack) as upstream:
        assert await payloads_of(upstream.prepare(plan())) == [b"{}"]


async def test_a_body_that_cannot_be_unpacked_was_lost():
    packed = Answer(200, (b"not gzip",), headers={"content-encoding": "gzip"})

    assert (await failure_of(packed, by="list")).code == "upstream_reset"


LATER = {"retry-after-ms": "1"}


def repeatable(status):
    return says({"detail": "later"}, status, **LATER)


@pytest.mark.parametrize("status", [408, 409, 429, 502, 503, 504])
async def test_a_list_is_asked_for_again(status):
    stack = FakeStack().on("GET", "/v1/shields", repeatable(status), repeatable(status), says([]))
    async with running(stack, retries_limit=2):
        pass

    assert len(stack.to("GET", "/v1/shields")) == 3


async def test_but_not_for_ever():
    stack, upstream = FakeStack().on("GET", "/v1/models", repeatable(503)), live(retries_limit=3)
    async with mocked(stack), held(upstream):
        with pytest.raises(UpstreamError) as failed:
            await upstream.catalogue()

    assert failed.value.code == "upstream_unavailable"
    assert len(stack.to("GET", "/v1/models")) == 4


async def test_and_not_longer_than_a_request_may_take():
    slow = says({"detail": "later"}, 503, **{"retry-after": "60"})
    stack = FakeStack().on("GET", "/v1/models", slow)
    upstream = live(retries_limit=3, request_timeout_s=0.1)
    async with mocked(stack), held(upstream):
        with pytest.raises(UpstreamError) as failed:
            await upstream.catalogue()

    assert failed.value.code == "upstream_timeout"
    assert len(stack.to("GET", "/v1/models")) == 1


async def test_a_lost_connection_is_repeated_for_a_list():
    stack = FakeStack().on("GET", "/v1/shields", httpx.ConnectError("refused"), says([]))
    async with running(stack, retries_limit=1):
        pass

    assert len(stack.to("GET", "/v1/shields")) == 2


@pytest.mark.parametrize("reply", [repeatable(503), repeatable(429), httpx.ReadError("reset")])
@pytest.mark.parametrize("path", ["", "/a1/session", "/a1/session/s1/turn"])
async def test_what_makes_something_is_sent_once(path, reply):
    server = AgentServer()
    server.on("POST", f"{server.root}{path}", reply)
    async with running(server, retries_limit=5) as upstream:
        with pytest.raises(UpstreamError):
            await payloads_of(upstream.prepare(plan()))

    assert len(server.bodies(f"{server.root}{path}")) == 1


@pytest.mark.parametrize("reply", [repeatable(503), httpx.ReadError("reset")])
async def test_a_response_is_asked_for_once(reply):
    stack = FakeStack().on("POST", PATH, reply)
    async with running(stack, retries_limit=5) as upstream:
        with pytest.raises(UpstreamError):
            await payloads_of(upstream.prepare(plan()))

    assert len(stack.bodies(PATH)) == 1


async def test_a_redirect_is_not_followed():
    """It would take the key to wherever somebody says."""
    moved = says({}, 307, location="http://elsewhere.test/")
    failed = await failure_of(moved)

    assert failed.code == "upstream_error"


@pytest.mark.parametrize("by", ["stream", "list"])
@pytest.mark.parametrize("status", sorted({*STATUSES}))
async def test_a_status_tells_whether_anything_was_begun(status, by):
    failed = await failure_of(says({"detail": "no"}, status), by=by)

    assert failed.untaken == (status == 503 or (status // 100 == 4 and status != 408))


UNTAKEN = {"upstream_unreachable", "upstream_connect_timeout", "upstream_busy"}


@pytest.mark.parametrize(("code", "failure"), TRANSPORT.items())
async def test_what_was_lost_on_its_way_may_have_arrived(code, failure):
    failed = await failure_of(failure[1])

    assert failed.untaken == (code in UNTAKEN)
