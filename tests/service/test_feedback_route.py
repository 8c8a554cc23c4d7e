"""What a user thinks of a turn is kept, once for each turn, and only of own turns."""

import json
import uuid
from dataclasses import replace

import pytest

from service.domain import Feedback
from tests.support.applications import application
from tests.support.people import ADMIN, ALICE, BOB, credential, keys
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says

pytestmark = pytest.mark.slow

FEEDBACK = "/v1/feedback"
HELLO = Script(answer("Hi"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))


class Opinions:
    """Remembers what it has to keep, and keeps it."""

    def __init__(self, opinions):
        self.kept = []
        self._opinions = opinions

    async def keep(self, feedback):
        await self._opinions.keep(feedback)
        self.kept.append(feedback)


async def given(app, turn, who=None, **fields):
    """Give feedback and return status and body."""
    body = {"request_id": turn.headers["x-request-id"], **fields}
    made, data = await app.ask("POST", FEEDBACK, body, **(credential(who) if who else {}))
    return made.status, json.loads(data)


@pytest.fixture
def watched():
    """Return a function that puts a witness before the store of an application."""

    def watch(app):
        opinions = Opinions(app.services.opinions)
        app.app.state.services = replace(app.services, opinions=opinions)
        return opinions

    return watch


async def test_feedback_is_kept_with_all_that_was_said(watched):
    async with application(HELLO) as app:
        opinions = watched(app)
        turn = await app.ended()
        said = {"sentiment": -1, "text": " Wrong. ", "categories": ["incorrect", "unsafe"]}
        status, body = await given(app, turn, **said)

    request_id = turn.headers["x-request-id"]
    assert (status, body) == (200, {"response": "feedback received"})
    assert opinions.kept == [
        Feedback("developer", request_id, -1, "Wrong.", ("incorrect", "unsafe"))
    ]


@pytest.mark.parametrize(
    "said",
    [
        {"sentiment": 1},
        {"text": "Two\nlines.\t\0"},
        {"text": "x" * 4_096},
        {"categories": ["other", "other"]},
    ],
    ids=["sentiment", "text", "long-text", "categories"],
)
async def test_one_thing_is_enough(said):
    async with application(HELLO) as app:
        turn = await app.ended()

        assert (await given(app, turn, **said))[0] == 200


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"text": "  "},
        {"categories": []},
        {"sentiment": 0},
        {"sentiment": 2},
        {"sentiment": "1"},
        {"sentiment": True},
        {"text": 7},
        {"text": "x" * 4_097},
        {"categories": ["boring"]},
        {"categories": ["other"] * 7},
        {"sentiment": 1, "user": "somebody"},
        {"sentiment": 1, "request_id": "x"},
        {"sentiment": 1, "conversation_id": "x"},
    ],
    ids=repr,
)
async def test_what_says_nothing_or_something_else_is_refused(said):
    async with application(HELLO) as app:
        turn = await app.ended()
        status, body = await given(app, turn, **said)

    assert (status, body["code"]) == (422, "request_invalid")


async def test_a_turn_that_runs_can_be_judged():
    async with application(ENDLESS) as app, app.turn() as turn:
        await turn.part()
        status, _ = await given(app, turn, sentiment=1)
        await app.interrupt(turn)
        await turn.body()

    assert status == 200


async def test_who_has_changed_their_mind_says_so():
    async with application(HELLO) as app:
        turn = await app.ended()
        statuses = [(await given(app, turn, sentiment=each))[0] for each in (1, -1, 1)]

    assert statuses == [200] * 3


async def test_an_id_has_no_case():
    async with application(HELLO) as app:
        turn = await app.ended()
        request_id = turn.headers["x-request-id"].upper()

        assert (await given(app, turn, request_id=request_id, sentiment=1))[0] == 200


async def test_the_conversation_may_be_named_and_must_be_right_then():
    async with application(HELLO) as app:
        turn, other = await app.ended(), await app.ended()
        right, _ = await given(
            app, turn, sentiment=1, conversation_id=turn.headers["x-conversation-id"]
        )
        wrong, refused = await given(
            app, turn, sentiment=1, conversation_id=other.headers["x-conversation-id"]
        )

    assert (right, wrong, refused["code"]) == (200, 404, "turn_unknown")


@pytest.mark.parametrize("who", [BOB, ADMIN])
async def test_a_turn_of_somebody_else_is_as_if_it_were_not_there(who):
    """Nobody speaks for somebody else, whatever they may see."""
    async with application(HELLO, **keys()) as app:
        turn = await app.ended(headers=credential(ALICE))
        theirs = await given(app, turn, who, sentiment=1)
        conversation_id = turn.headers["x-conversation-id"]
        named = await given(app, turn, who, sentiment=1, conversation_id=conversation_id)
        nothing = await given(app, turn, who, sentiment=1, request_id=str(uuid.uuid4()))

    assert theirs == named == nothing
    assert (nothing[0], nothing[1]["code"]) == (404, "turn_unknown")


async def test_what_must_not_leave_is_not_kept(watched):
    async with application(HELLO, redaction={"kinds": ["emails"]}) as app:
        opinions = watched(app)
        turn = await app.ended()
        await given(app, turn, text="Write to ann@example.org about it.")

    assert "ann@example.org" not in opinions.kept[0].text
    assert opinions.kept[0].text.startswith("Write to ")


async def test_feedback_of_a_deleted_conversation_is_feedback_of_nothing():
    async with application(HELLO) as app:
        turn = await app.ended()
        await app.ask("DELETE", f"/v1/conversations/{turn.headers['x-conversation-id']}")

        assert (await given(app, turn, sentiment=1))[0] == 404
