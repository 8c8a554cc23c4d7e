"""A question with one JSON answer is the same turn as that of a stream."""

import json
from dataclasses import replace

import pytest

from service.app import create_app
from service.errors import LogUnavailable, UpstreamError
from service.ports import Page
from service.settings import Settings
from service.upstream.replayed import PACKAGED, load_recordings
from service.wiring import open_services
from tests.support.applications import TURNS, application, events
from tests.support.asgi import ask, lifespan
from tests.support.offers import OFFER
from tests.support.people import ALICE, BOB, credential, keys
from tests.support.queries import ASKED, BODY, ENDLESS, HELLO, QUERY, asked, running_turn, stop
from tests.support.upstreams import Script, answer, opening_chunk, says
from tests.support.waiting_turns import WAITS

KEY = {"Idempotency-Key": "a-key"}
TITLES = list(load_recordings(PACKAGED).sessions)


# What is answered.


def folded(told):
    """Return what an answer holds of the events of a stream."""

    def said(event):
        return [_without_id(each) for each in told if each["event"] == event]

    last = _without_id(told[-1])
    whole = [each["token"] for each in said("turn_complete")]
    return {
        "conversation_id": told[0]["data"]["conversation_id"],
        "request_id": told[0]["data"]["request_id"],
        "response": whole[0] if whole else "".join(each["token"] for each in said("token")),
        "tool_calls": said("tool_call"),
        "tool_results": said("tool_result"),
        "shields": said("shield"),
        "stored": last["stored"],
        "count": last["count"],
        "digest": last["digest"],
    } | ({**last, "outcome": "end"} if told[-1]["event"] == "end" else {})


def _without_id(event):
    return {name: value for name, value in event["data"].items() if name != "id"}


@pytest.mark.parametrize("title", TITLES)
async def test_an_answer_holds_all_that_its_stream_says(title):
    app = create_app(open_services(Settings(speed=0)))
    async with lifespan(app):
        made, data = await ask(app, "POST", QUERY, {"query": title})
        _, stream = await ask(app, "GET", made.headers["content-location"])
    body, told = json.loads(data), events(stream)

    if told[-1]["event"] == "error":
        assert made.status == told[-1]["data"]["status_code"]
        assert body["code"] == told[-1]["data"]["code"]
        assert body["response"] == folded(told)["response"]
    else:
        assert made.status == 200
        assert body["outcome"] == told[-1]["event"]
        assert {name: body[name] for name in folded(told)} == folded(told)


async def test_an_answer_has_all_its_fields_whatever_there_is_to_say():
    async with application(HELLO) as app:
        made, body = await asked(app)

    del body["count"], body["digest"]
    assert body == {
        "conversation_id": made.headers["x-conversation-id"],
        "request_id": made.headers["x-request-id"],
        "response": "Hello",
        "outcome": "end",
        "finish_reason": "stop",
        "truncated": False,
        "referenced_documents": [],
        "rag_chunks": [],
        "tool_calls": [],
        "tool_results": [],
        "shields": [],
        "calls": [],
        "answer_within_s": None,
        "by": None,
        "input_tokens": 11,
        "output_tokens": 2,
        "usage": "estimated",
        "stored": False,
        "available_quotas": {},
    }


async def test_it_is_known_by_the_headers_of_a_stream():
    async with application(Script(answer("Hi"), recording="A title")) as app:
        made, body = await asked(app)

    assert made.headers["x-request-id"] == body["request_id"]
    assert made.headers["x-conversation-id"] == body["conversation_id"]
    assert made.headers["content-location"] == f"{TURNS}/{body['request_id']}"
    assert made.headers["x-turnstile-recording"] == "A%20title"


async def test_a_conversation_goes_on_whichever_way_it_is_asked():
    async with application(HELLO) as app:
        _, first = await asked(app)
        turn = await app.ended(conversation_id=first["conversation_id"])
        _, third = await asked(app, conversation_id=first["conversation_id"])

    assert turn.status == 200
    assert third["conversation_id"] == first["conversation_id"]
    assert [len(each) for each in app.upstream.histories] == [0, 1, 2]


async def test_a_turn_that_waits_says_for_what_and_how_long():
    async with application(WAITS, answer_timeout_s=60) as app:
        made, body = await asked(app)

    assert (made.status, body["outcome"], body["response"]) == (200, "awaiting_input", "Well")
    assert [each["call_id"] for each in body["calls"]] == ["c1", "c2"]
    assert body["answer_within_s"] == 60


async def test_a_turn_that_was_stopped_tells_what_it_has_said_and_who_has_stopped_it():
    async with application(ENDLESS) as app, app.exchange("POST", QUERY, body=BODY) as made:
        await stop(app, await running_turn(app))
        body = await made.json()

    assert (made.status, body["outcome"], body["by"]) == (200, "interrupted", "user")
    assert body["response"] == "Hi"


async def test_an_answer_may_be_plain_text():
    async with application(HELLO) as app:
        made, text = await app.ask("POST", QUERY, {**ASKED, "media_type": "text/plain"})
        async with app.turn(media_type="text/plain") as turn:
            stream = await turn.body()

    assert made.headers["content-type"] == "text/plain; charset=utf-8"
    assert text == stream


# What goes wrong.


async def test_a_failure_has_its_status_whatever_was_said_before():
    failing = UpstreamError("upstream_rate_limited", "Later.", 429, cause="Too many.")
    async with application(Script((opening_chunk(), says("Hal"), failing))) as app:
        made, body = await asked(app)

    assert made.status == 429
    assert "retry-after" in made.headers
    assert body == {
        "detail": {"response": "Later.", "cause": "Too many."},
        "code": "upstream_rate_limited",
        "request_id": made.headers["x-request-id"],
        "conversation_id": made.headers["x-conversation-id"],
        "response": "Hal",
    }


async def test_a_failure_may_have_said_what_utf_8_cannot():
    failing = UpstreamError("upstream_error", "No.")
    async with application(Script((opening_chunk(), says("\ud800"), failing))) as app:
        made, body = await asked(app)

    assert (made.status, body["response"]) == (502, "\ud800")


async def test_what_is_refused_is_refused_as_for_a_stream():
    async with application(HELLO, catalogues=(OFFER,)) as app:
        no_query = await asked(app, query="")
        no_model = await asked(app, provider="vllm", model="unknown")
        no_key = await asked(app, {"Idempotency-Key": "a b"})

    refusals = [(made.status, body["code"]) for made, body in (no_query, no_model, no_key)]
    assert refusals == [
        (422, "request_invalid"),
        (404, "model_unknown"),
        (400, "idempotency_key_invalid"),
    ]


async def test_a_conversation_of_somebody_else_is_unknown():
    async with application(HELLO, **keys()) as app:
        _, first = await asked(app, credential(ALICE))
        made, body = await asked(app, credential(BOB), conversation_id=first["conversation_id"])

    assert (made.status, body["code"]) == (404, "conversation_unknown")


class LostLog:
    """A log whose readers cannot read, or find that what they want is no longer kept."""

    def __init__(self, log, *, forgets):
        self._log, self._forgets = log, forgets

    def __getattr__(self, name):
        return getattr(self._log, name)

    async def reader(self, *stated):
        self._reader = await self._log.reader(*stated)
        return LostReader(self._reader, forgets=self._forgets)


class LostReader:
    def __init__(self, reader, *, forgets):
        self.ids, self.close, self._forgets = reader.ids, reader.close, forgets

    def at_end(self):
        return True

    async def read(self, _):
        if not self._forgets:
            raise LogUnavailable("Redis is gone.")
        return Page((), 1)


@pytest.mark.parametrize("forgets", [True, False])
async def test_a_turn_that_cannot_be_read_here_can_be_followed_later(forgets):
    async with application(HELLO) as app:
        lost = replace(app.services, log=LostLog(app.services.log, forgets=forgets))
        app.app.state.services = lost
        made, body = await asked(app)
        app.app.state.services = app.services
        _, stream = await app.ask("GET", f"{TURNS}/{body['request_id']}")

    assert (made.status, body["code"]) == (503, "log_unavailable")
    assert body["conversation_id"] == made.headers["x-conversation-id"]
    assert events(stream)[-1]["event"] == "end"
