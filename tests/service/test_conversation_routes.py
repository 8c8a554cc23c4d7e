"""Conversations are listed and named, by those whose they are."""

import json
import re
import uuid
from urllib.parse import quote

import pytest

from tests.support.applications import application
from tests.support.kept_conversations import CONVERSATIONS, asked, begun, conversation_of
from tests.support.offers import OFFER
from tests.support.people import ADMIN, ALICE, BOB, credential, keys
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


# Lists.


async def test_a_conversation_is_listed_with_what_is_known_of_it():
    async with application(HELLO, catalogues=(OFFER,)) as app:
        turn = await app.ended()
        await app.goes_on(turn)
        status, listed = await asked(app, "GET", CONVERSATIONS)

    (conversation,) = listed["conversations"]
    assert status == 200
    assert MOMENT.fullmatch(conversation.pop("created_at"))
    assert MOMENT.fullmatch(conversation.pop("last_message_at"))
    assert conversation == {
        "conversation_id": turn.headers["x-conversation-id"],
        "title": "What is a pod?",
        "model": "small-8b",
        "provider": "vllm",
        "message_count": 2,
    }
    assert listed["next_cursor"] is None


async def test_conversations_come_in_pages_the_newest_first():
    async with application(HELLO) as app:
        for number in range(5):
            await begun(app, query=f"question {number}")
        _, first = await asked(app, "GET", f"{CONVERSATIONS}?limit=3")
        _, second = await asked(
            app, "GET", f"{CONVERSATIONS}?limit=3&cursor={first['next_cursor']}"
        )

    titles = [[each["title"] for each in page["conversations"]] for page in (first, second)]
    assert titles == [["question 4", "question 3", "question 2"], ["question 1", "question 0"]]
    assert second["next_cursor"] is None


async def test_everybody_sees_own_conversations_only():
    async with application(HELLO, **keys()) as app:
        await begun(app, "of Alice", ALICE)
        await begun(app, "of Bob", BOB)
        _, listed = await asked(app, "GET", CONVERSATIONS, who=ALICE)
        _, of_nobody = await asked(app, "GET", CONVERSATIONS, who=ADMIN)

    assert [each["title"] for each in listed["conversations"]] == ["of Alice"]
    assert "user_id" not in listed["conversations"][0]
    assert of_nobody["conversations"] == []


async def test_who_has_the_grant_may_list_all_and_is_told_whose_they_are():
    async with application(HELLO, **keys()) as app:
        await begun(app, "of Alice", ALICE)
        await begun(app, "of Bob", BOB)
        _, listed = await asked(app, "GET", f"{CONVERSATIONS}?user=all", who=ADMIN)
        status, refused = await asked(app, "GET", f"{CONVERSATIONS}?user=all", who=ALICE)

    assert [(each["title"], each["user_id"]) for each in listed["conversations"]] == [
        ("of Bob", BOB),
        ("of Alice", ALICE),
    ]
    assert (status, refused["code"]) == (403, "forbidden")


@pytest.mark.parametrize("parameters", ["limit=0", "limit=101", "limit=x"])
async def test_parameters_of_what_is_read_are_checked(parameters):
    async with application(HELLO) as app:
        address = await begun(app)
        status, refused = await asked(app, "GET", f"{address}?{parameters}")

    assert (status, refused["code"]) == (422, "request_invalid")


async def test_a_cursor_is_good_for_its_own_list_only():
    async with application(HELLO) as app:
        turn, other = await app.ended(), await app.ended()
        await app.goes_on(turn)
        _, read = await asked(app, "GET", f"{conversation_of(turn)}?limit=1")
        cursor = read["earlier_cursor"]
        told = [
            await asked(app, "GET", f"{each}?cursor={cursor}")
            for each in (conversation_of(turn), conversation_of(other), CONVERSATIONS)
        ]

    assert [(status, body.get("code")) for status, body in told] == [
        (200, None),
        (400, "cursor_invalid"),
        (400, "cursor_invalid"),
    ]


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ("limit=0", 422, "request_invalid"),
        ("limit=101", 422, "request_invalid"),
        ("limit=many", 422, "request_invalid"),
        ("user=somebody", 422, "request_invalid"),
        ("cursor=made-up", 400, "cursor_invalid"),
        ("cursor=%ff%00", 400, "cursor_invalid"),
        ("limit=100&unknown=1", 200, None),
    ],
)
async def test_parameters_of_a_list_are_checked(parameters, status, code):
    async with application(HELLO) as app:
        told, body = await asked(app, "GET", f"{CONVERSATIONS}?{parameters}")

    assert (told, body.get("code")) == (status, code)


# Names.


async def test_a_conversation_gets_another_title():
    async with application(HELLO) as app:
        address = await begun(app)
        status, named = await asked(app, "PATCH", address, {"title": "  Pods and nodes \n"})
        _, listed = await asked(app, "GET", CONVERSATIONS)

    assert (status, named["title"]) == (200, "Pods and nodes")
    assert [each["title"] for each in listed["conversations"]] == ["Pods and nodes"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": ""},
        {"title": " \n "},
        {"title": "two\nlines"},
        {"title": "two\u2028lines"},
        {"title": "nul\0"},
        {"title": "x" * 201},
        {"title": 7},
        {"title": "x", "user": "y"},
    ],
    ids=repr,
)
async def test_a_title_is_one_line_of_a_certain_length(body):
    async with application(HELLO) as app:
        address = await begun(app)
        status, refused = await asked(app, "PATCH", address, body)

    assert (status, refused["code"]) == (422, "request_invalid")


async def test_a_title_in_which_something_is_replaced_grows_to_its_limit_at_most():
    async with application(HELLO) as app:
        address = await begun(app)
        _, named = await asked(app, "PATCH", address, {"title": "password=Abcdef1 " * 11})
        status, again = await asked(app, "PATCH", address, {"title": named["title"]})

    assert len(named["title"]) == 200
    assert named["title"].startswith("password=[redacted: password] password=[redacted")
    assert (status, again["title"]) == (200, named["title"])


async def test_who_has_the_grant_names_conversations_of_others():
    async with application(HELLO, **keys()) as app:
        address = await begun(app, who=ALICE)
        status, named = await asked(app, "PATCH", address, {"title": "Named"}, ADMIN)

    assert (status, named["title"], named["user_id"]) == (200, "Named", ALICE)


# What is not yours.


@pytest.mark.parametrize(
    ("method", "body"), [("GET", None), ("PATCH", {"title": "Mine"}), ("DELETE", None)]
)
async def test_what_is_not_yours_is_as_if_it_were_not_there(method, body):
    async with application(HELLO, ENDLESS, **keys()) as app:
        address = await begun(app, who=ALICE)
        nothing = f"{CONVERSATIONS}/{uuid.uuid4()}"
        theirs, said = await app.ask(method, address, body, **credential(BOB))
        none, nothing_said = await app.ask(method, nothing, body, **credential(BOB))
        still, _ = await asked(app, "GET", address, who=ALICE)

    assert (theirs.status, said, theirs.headers) == (none.status, nothing_said, none.headers)
    assert (theirs.status, json.loads(said)["code"]) == (404, "conversation_unknown")
    assert still == 200


async def test_a_stranger_is_not_told_that_a_turn_runs():
    async with application(ENDLESS, **keys()) as app, app.turn(headers=credential(ALICE)) as turn:
        await turn.part()
        status, refused = await asked(app, "DELETE", conversation_of(turn), who=BOB)
        await app.ask("POST", f"{turn.headers['content-location']}/interrupt", **credential(ALICE))
        await turn.body()

    assert (status, refused["code"]) == (404, "conversation_unknown")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "stated", ["x", "0", "%00", "%ff", "{00000000-0000-4000-8000-000000000000}"]
)
async def test_what_is_no_id_is_the_id_of_nothing(method, stated):
    async with application(HELLO) as app:
        status, body = await asked(app, method, f"{CONVERSATIONS}/{stated}", {"title": "x"})

    assert (status, body["code"]) == (404, "conversation_unknown")


@pytest.mark.parametrize("spelt", ["{{{}}}", "urn:uuid:{}", "{} "])
async def test_an_id_is_spelt_in_one_way(spelt):
    async with application(HELLO) as app:
        turn = await app.ended()
        stated = quote(spelt.format(turn.headers["x-conversation-id"]))
        status, _ = await asked(app, "GET", f"{CONVERSATIONS}/{stated}")

    assert status == 404


async def test_an_id_has_no_case():
    async with application(HELLO) as app:
        turn = await app.ended()
        upper = f"{CONVERSATIONS}/{turn.headers['x-conversation-id'].upper()}"
        read, _ = await asked(app, "GET", upper)
        named, _ = await asked(app, "PATCH", upper, {"title": "x"})
        deleted, _ = await asked(app, "DELETE", upper)

    assert (read, named, deleted) == (200, 200, 200)


async def test_nobody_else_may_keep_what_is_read():
    async with application(HELLO) as app:
        address = await begun(app)
        made, _ = await app.ask("GET", address)

    assert made.headers["cache-control"] == "no-store"
