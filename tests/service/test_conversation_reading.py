"""Conversations are read with their turns, by those whose they are."""

import json
import re

import pytest

from service.app import create_app
from service.settings import Settings
from service.wiring import open_services
from tests.support.applications import TURNS, application, events
from tests.support.asgi import ask, lifespan
from tests.support.kept_conversations import asked, begun, conversation_of
from tests.support.offers import OFFER
from tests.support.people import ADMIN, ALICE, keys
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def test_a_conversation_is_read_with_its_turns_the_oldest_first():
    script = Script(answer("Sure."), dialect="agents")
    async with application(HELLO, script, catalogues=(OFFER,)) as app:
        turn = await app.ended(attachments=[ATTACHMENT])
        following = await app.goes_on(turn, query="And a node?")
        status, read = await asked(app, "GET", conversation_of(turn))

    first, second = read["turns"]
    assert status == 200
    assert read["title"] == "What is a pod?"
    assert read["earlier_cursor"] is None
    assert [each["answer"] for each in read["turns"]] == ["Hello", "Sure."]
    assert second["request_id"] == following.headers["x-request-id"]
    assert MOMENT.fullmatch(first.pop("started_at"))
    assert MOMENT.fullmatch(first.pop("completed_at"))
    assert first == {
        "request_id": turn.headers["x-request-id"],
        "resumes": None,
        "question": "What is a pod?",
        "answer": "Hello",
        "outcome": "end",
        "code": None,
        "finish_reason": "stop",
        "truncated": False,
        "tool_calls": [],
        "tool_results": [],
        "shields": [],
        "referenced_documents": [],
        "rag_chunks": [],
        "input_tokens": 12,
        "output_tokens": 2,
        "usage": "estimated",
        "attachments": [{"attachment_type": "log", "content_type": "text/plain", "size_bytes": 2}],
        "model": "small-8b",
        "provider": "vllm",
    }


ATTACHMENT = {"attachment_type": "log", "content_type": "text/plain", "content": "ä"}


TOLD = {"tool_calls": "tool_call", "tool_results": "tool_result", "shields": "shield"}


@pytest.mark.parametrize("title", ["drain a node", "pods in the shop", "copies the service"])
async def test_what_tools_and_shields_said_is_read_as_it_was_streamed(title):
    app = create_app(open_services(Settings(speed=0)))
    async with lifespan(app):
        turn, stream = await ask(app, "POST", TURNS, {"query": title})
        _, data = await ask(app, "GET", conversation_of(turn))
    (read,), told = json.loads(data)["turns"], events(stream)

    for name, event in TOLD.items():
        assert read[name] == [_without_id(each) for each in told if each["event"] == event]
    last = told[-1]["data"]
    assert read["referenced_documents"] == last["referenced_documents"]
    assert read["rag_chunks"] == last["rag_chunks"]


def _without_id(event):
    return {name: value for name, value in event["data"].items() if name != "id"}


async def test_a_turn_that_runs_is_read_as_far_as_it_is_known():
    async with application(ENDLESS) as app, app.turn() as turn:
        await turn.part()
        _, read = await asked(app, "GET", conversation_of(turn))
        await app.interrupt(turn)
        await turn.body()

    (told,) = read["turns"]
    assert (told["outcome"], told["completed_at"]) == (None, None)
    assert told["question"] == "What is a pod?"


async def test_earlier_turns_come_in_pages():
    async with application(HELLO) as app:
        turn = await app.ended(query="question 0")
        for number in range(1, 5):
            await app.goes_on(turn, query=f"question {number}")
        _, last = await asked(app, "GET", f"{conversation_of(turn)}?limit=3")
        earlier = f"{conversation_of(turn)}?limit=3&cursor={last['earlier_cursor']}"
        _, first = await asked(app, "GET", earlier)

    questions = [[each["question"] for each in page["turns"]] for page in (first, last)]
    assert questions == [
        ["question 0", "question 1"],
        ["question 2", "question 3", "question 4"],
    ]
    assert first["earlier_cursor"] is None


async def test_who_has_the_grant_reads_conversations_of_others():
    async with application(HELLO, **keys()) as app:
        address = await begun(app, who=ALICE)
        status, read = await asked(app, "GET", address, who=ADMIN)
        _, own = await asked(app, "GET", address, who=ALICE)

    assert (status, read["user_id"]) == (200, ALICE)
    assert "user_id" not in own


async def test_half_a_surrogate_pair_can_be_read():
    async with application(Script(answer("\ud800"))) as app:
        turn = await app.ended()
        status, read = await asked(app, "GET", conversation_of(turn))

    assert status == 200
    assert read["turns"][0]["answer"] == "\ud800"
