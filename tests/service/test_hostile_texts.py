"""Bodies of any depth and size, and texts of any characters: refused, or kept as they are."""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.routes import ROUTES
from tests.support.described import described
from tests.support.hostile import targeted

pytestmark = pytest.mark.slow

CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXT = st.text(CHARACTERS, min_size=1, max_size=60)
DEEP = {
    "lists": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a field": b'{"query": "a", "client_tools": [{"name": "a", "parameters": {"a": %b1%b}}]}'
    % (b"[" * 900, b"]" * 900),
    "a result": b'{"tool_results": [{"call_id": "c1", "content": %b1%b}]}'
    % (b"[" * 900, b"]" * 900),
}
LARGE = {
    "fields": json.dumps({f"field {each}": each for each in range(50_000)}).encode(),
    "the same field": b"{%b}" % b",".join([b'"query": "a"'] * 50_000),
    "a name": b'{"%b": 1}' % (b"a" * 1_000_000),
    "a number": b'{"query": %b}' % (b"9" * 100_000),
    "an exponent": b'{"query": 1e999999999}',
    "attachments": json.dumps({"query": "a", "attachments": [{}] * 100_000}).encode(),
    "not a number": b'{"query": NaN}',
    "a lone half": b'{"query": "\\ud800"}',
    "a mark": b'\xef\xbb\xbf{"query": "a"}',
    "UTF-16": '{"query": "a"}'.encode("utf-16"),
    "two values": b'{"query": "a"}{"query": "b"}',
}
WITH_BODY = [
    each for each in ROUTES if "requestBody" in described()["paths"][each.path][each.method.lower()]
]
every_body = pytest.mark.parametrize("body", [*DEEP.values(), *LARGE.values()], ids=[*DEEP, *LARGE])


@pytest.fixture(scope="module")
def target():
    with targeted() as running:
        yield running


@every_body
def test_a_body_of_any_kind_is_answered(target, body):
    for route in WITH_BODY:
        told, _ = target.send(route.method, target.address(route.path), body)

        assert told.status < 500


def test_texts_of_any_characters_are_kept_as_they_are(database_url):
    with targeted(database_url) as target:

        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        @given(question=TEXT, judgement=TEXT, title=TEXT)
        @example(question="\0", judgement="\0", title="\ud7ff\ue000")
        @example(question="\ufdd0", judgement="\\u0000", title="'; DROP TABLE turns; --")
        def keep(question, judgement, title):
            asked, answered = target.post("/v1/query", {"query": question})
            ids = {name: answered[name] for name in ("request_id", "conversation_id")}
            place = f"/v1/conversations/{ids['conversation_id']}"
            judged, _ = target.post("/v1/feedback", ids | {"text": judgement, "sentiment": 1})
            named, _ = target.send("PATCH", place, json.dumps({"title": title}).encode())
            _, read = target.send("GET", place)

            kept = json.loads(read)
            assert (asked.status, judged.status) == (200, 200)
            assert kept["turns"][0]["question"] == question
            assert named.status == 422 or kept["title"] == title.strip()

        keep()
