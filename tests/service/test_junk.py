"""Whatever is sent, the answer is one of those that are documented, and never a crash."""

import json
import string

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.applications import QUERY, TURNS, application
from tests.support.asgi import Exchange
from tests.support.upstreams import Script, answer

pytestmark = pytest.mark.slow

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    [
        "query", "conversation_id", "provider", "model", "system_prompt", "attachments", "no_tools",
        "media_type", "shield_ids", "vector_store_ids", "on_disconnect", "request_id", "content",
    ]
)  # fmt: skip
OBJECTS = st.dictionaries(FIELDS | st.text(max_size=5), VALUES, max_size=5)
BODIES = (OBJECTS | OBJECTS.map(lambda each: QUERY | each) | VALUES).map(
    lambda each: json.dumps(each).encode()
) | st.binary(max_size=50)
LATIN = st.text(st.characters(max_codepoint=0xFF), max_size=30)
CURSORS = LATIN | st.integers(-5, 10**25).map(str)
ANSWER = Script(answer("Hi"))


def assert_documented(reply: Exchange, body: bytes) -> None:
    """A stream, an empty answer, or the one body that errors have."""
    assert reply.crash is None
    assert reply.status in {200, 204, 400, 403, 404, 405, 413, 422}
    assert b"Traceback" not in body
    if reply.status >= 400:
        refused = json.loads(body)
        assert set(refused) == {"detail", "code"}
        assert set(refused["detail"]) == {"response", "cause"}


def asking(*requests, **settings):
    """Send requests to a new application, one after another."""

    async def ask():
        async with application(ANSWER, **settings) as app:
            for method, target, body, headers in requests:
                assert_documented(*await app.ask(method, target, body, **headers))

    anyio.run(ask)


@given(BODIES)
def test_any_body_is_answered(body):
    asking(("POST", TURNS, body, {}), ("POST", f"{TURNS}/interrupt", body, {}))


@given(CURSORS, CURSORS, LATIN)
def test_any_cursor_is_answered(header, query, request_id):
    cursor = f"?last_event_id={_quoted(query)}"
    asking(
        ("GET", f"{TURNS}/{_quoted(request_id)}{cursor}", b"", {"Last-Event-ID": header}),
        ("HEAD", f"{TURNS}/{_quoted(request_id)}{cursor}", b"", {}),
    )


@given(CURSORS, CURSORS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_any_cursor_of_a_turn_is_answered(method, header, query):
    async def ask():
        async with application(ANSWER) as app, app.turn() as turn:
            await turn.body()
            target = f"{turn.headers['content-location']}?last_event_id={_quoted(query)}"
            reply, _ = await app.ask(method, target, b"", **{"Last-Event-ID": header})
        assert reply.crash is None
        assert reply.status in {200, 204, 400}

    anyio.run(ask)


@given(
    st.text(string.printable + "\0äé%", max_size=40), st.sampled_from(["GET", "POST", "PUT", "X"])
)
def test_any_address_is_answered(path, method):
    asking((method, f"/{_quoted(path)}", b"", {}))


@given(
    st.dictionaries(st.sampled_from(["Accept", "Content-Type", "Host", "Origin", "Range"]), LATIN)
)
def test_any_header_is_answered(headers):
    body = json.dumps(QUERY).encode()
    asking(("POST", TURNS, body, headers), ("GET", "/v1/info", b"", headers))


def _quoted(text: str) -> str:
    """Return a text as it may stand in a query or a path."""
    return "".join(f"%{byte:02x}" for byte in text.encode())
