"""Headers, addresses and bodies that nobody means well with, on every route: no crash, no hang."""

import json
import string
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from service.routes import ROUTES
from tests.support.hostile import targeted
from tests.support.people import ALICE

pytestmark = pytest.mark.slow

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X"]
HEADERS = [
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Connection",
    "Content-Encoding",
    "Content-Type",
    "Cookie",
    "Expect",
    "Idempotency-Key",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "Last-Event-ID",
    "MCP-HEADERS",
    "Origin",
    "Range",
    "Transfer-Encoding",
    "Upgrade",
    "X-Forwarded-For",
]
LATIN = st.text(st.characters(max_codepoint=0xFF), max_size=40)
LONG = st.sampled_from(["a", "[", '{"a":', "%", "\0", "9"]).flatmap(
    lambda each: st.integers(1, 50_000).map(each.__mul__)
)
NUMBERS = st.integers(-5, 10**25).map(str)
VALUES = LATIN | LONG | NUMBERS | LATIN.map("Bearer ".__add__) | LATIN.map('W/"{}"'.format)
ROUTE = st.sampled_from(ROUTES)
GOOD = json.dumps({"query": "What is a pod?"}).encode()
few = settings(max_examples=100, deadline=None)


@pytest.fixture(scope="module")
def target():
    """The same for all examples: what one leaves behind, another one may find."""
    with targeted() as running:
        yield running


@pytest.fixture(scope="module")
def alices():
    """Used by somebody who may do only what is usual."""
    with targeted(user=ALICE) as running:
        yield running


@few
@given(route=ROUTE, headers=st.dictionaries(st.sampled_from(HEADERS), VALUES, max_size=4))
def test_any_headers_are_answered(target, route, headers):
    target.send(route.method, target.address(route.path), GOOD, headers)


@pytest.mark.parametrize(
    "stated", ["", "bytes", "bytes=0-1", "bytes=-1", "bytes=9-1", "bytes=1-,0-"]
)
@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/diagram.svg", "/web/page.js"])
def test_a_part_of_a_page_is_answered_with_all_of_it(target, path, stated):
    _, whole = target.send("GET", path)

    told, body = target.send("GET", path, b"", {"Range": stated})

    assert told.status == 200
    assert body == whole


@few
@given(value=VALUES)
@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "MCP-HEADERS"])
def test_any_value_of_a_header_of_a_question_is_answered(target, name, value):
    target.send("POST", "/v1/streaming_query", GOOD, {name: value})


@few
@given(
    path=st.text(string.printable + "\0äé%€\U0001f9d1", max_size=60),
    method=st.sampled_from(METHODS),
)
@example(path="v1/conversations/%2e%2e", method="GET")
@example(path="web/..%2f..%2fpyproject.toml", method="GET")
@example(path="web/%00", method="GET")
@example(path="livez%0A", method="GET")
@example(path="web//etc/passwd", method="GET")
@example(path="a" * 100_000, method="GET")
@example(path="web/" + "a" * 100_000, method="GET")
def test_any_address_is_answered(target, path, method):
    told, body = target.send(method, f"/{quote(path, safe='%/')}")

    assert b"llama-turnstile" not in body
    assert told.status < 500


@few
@given(
    route=st.sampled_from([each for each in ROUTES if "{" in each.path]),
    given_id=st.text(max_size=60) | st.uuids().map(str) | LONG,
)
def test_any_id_is_answered(target, route, given_id):
    named = quote(given_id.encode("utf-8", "replace"), safe="")
    assume(named)

    told, _ = target.send(route.method, route.path.format(request_id=named, conversation_id=named))

    assert told.status in {400, 404, 405, 422}


@few
@given(route=ROUTE, query=st.binary(max_size=60) | LONG.map(str.encode))
def test_any_query_is_answered(target, route, query):
    target.send(route.method, f"{target.address(route.path)}?{query.decode('latin-1')}", GOOD)


@few
@given(
    names=st.lists(
        st.sampled_from(["limit", "cursor", "user", "last_event_id", "names", "states", "ticket"]),
        max_size=4,
    ),
    values=st.lists(st.text(max_size=20) | NUMBERS, min_size=4, max_size=4),
    route=st.sampled_from([each for each in ROUTES if each.method == "GET"]),
)
def test_any_value_of_a_parameter_is_answered(alices, names, values, route):
    pairs = zip(names, (quote(each.encode("utf-8", "replace")) for each in values), strict=False)
    query = "&".join(f"{name}={value}" for name, value in pairs)

    alices.send(route.method, f"{alices.address(route.path)}?{query}")


@few
@given(data=st.data())
def test_a_ticket_that_was_altered_opens_nothing(target, data):
    ticket = target.turn.headers["x-stream-ticket"]
    at = data.draw(st.integers(0, len(ticket) - 1))
    altered = ticket[:at] + data.draw(st.text(string.printable, max_size=3)) + ticket[at + 1 :]
    assume(altered != ticket)
    address = target.address("/v1/streaming_query/{request_id}")
    stranger = {"Authorization": ""}

    told, _ = target.send("GET", f"{address}?ticket={quote(altered)}", b"", stranger)

    assert told.status == 401
