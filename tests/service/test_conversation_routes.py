"""Conversations are listed, read, named and deleted, by those whose they are."""

import json
import re
import uuid

import anyio
import pytest

from tests.support.applications import application
from tests.support.offers import OFFER
from tests.support.people import ADMIN, ANN, BOB, key_of, people
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says, thread_of
from tests.support.waiting_turns import BOTH, WAITS

CONVERSATIONS = "/v1/conversations"
HELLO = Script(answer("Hel", "lo"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def asked(app, method, target, body=None, who=None):
    """Send a request and return status and body."""
    made, data = await app.ask(method, target, body, **(key_of(who) if who else {}))
    return made.status, json.loads(data)


def conversation_of(turn):
    return f"{CONVERSATIONS}/{turn.headers['x-conversation-id']}"


async def begun(app, query="What is a pod?", who=None):
    """Run a turn to its end and return the address of its conversation."""
    return conversation_of(await app.ended(query=query, headers=key_of(who) if who else None))


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
    async with application(HELLO, **people()) as app:
        await begun(app, "of Ann", ANN)
        await begun(app, "of Bob", BOB)
        _, listed = await asked(app, "GET", CONVERSATIONS, who=ANN)
        _, of_nobody = await asked(app, "GET", CONVERSATIONS, who=ADMIN)

    assert [each["title"] for each in listed["conversations"]] == ["of Ann"]
    assert "user_id" not in listed["conversations"][0]
    assert of_nobody["conversations"] == []


async def test_who_has_the_grant_may_list_all_and_is_told_whose_they_are():
    async with application(HELLO, **people()) as app:
        await begun(app, "of Ann", ANN)
        await begun(app, "of Bob", BOB)
        _, listed = await asked(app, "GET", f"{CONVERSATIONS}?user=all", who=ADMIN)
        status, refused = await asked(app, "GET", f"{CONVERSATIONS}?user=all", who=ANN)

    assert [(each["title"], each["user_id"]) for each in listed["conversations"]] == [
        ("of Bob", BOB),
        ("of Ann", ANN),
    ]
    assert (status, refused["code"]) == (403, "forbidden")


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


# Reading.


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
        "input_tokens": 4,
        "output_tokens": 2,
        "usage": "estimated",
        "attachments": [{"attachment_type": "log", "content_type": "text/plain", "size_bytes": 2}],
        "model": "small-8b",
        "provider": "vllm",
    }


ATTACHMENT = {"attachment_type": "log", "content_type": "text/plain", "content": "ä"}


async def test_what_was_said_of_tools_is_read_as_it_was_streamed():
    async with application(WAITS) as app:
        turn = await app.ended()
        _, read = await asked(app, "GET", conversation_of(turn))

    (told,) = read["turns"]
    assert told["outcome"] == "awaiting_input"
    assert told["answer"] == "Well"


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
    async with application(HELLO, **people()) as app:
        address = await begun(app, who=ANN)
        status, read = await asked(app, "GET", address, who=ADMIN)
        _, own = await asked(app, "GET", address, who=ANN)

    assert (status, read["user_id"]) == (200, ANN)
    assert "user_id" not in own


async def test_half_a_surrogate_pair_can_be_read():
    async with application(Script(answer("\ud800"))) as app:
        turn = await app.ended()
        status, read = await asked(app, "GET", conversation_of(turn))

    assert status == 200
    assert read["turns"][0]["answer"] == "\ud800"


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


async def test_who_has_the_grant_names_conversations_of_others():
    async with application(HELLO, **people()) as app:
        address = await begun(app, who=ANN)
        status, named = await asked(app, "PATCH", address, {"title": "Named"}, ADMIN)

    assert (status, named["title"], named["user_id"]) == (200, "Named", ANN)


# Deletion.


async def test_a_deleted_conversation_is_gone_here_and_upstream():
    async with application(HELLO) as app:
        turn = await app.ended()
        address = conversation_of(turn)
        status, deleted = await asked(app, "DELETE", address)
        forgotten = list(app.upstream.forgotten)
        after = [await asked(app, method, address) for method in ("GET", "DELETE")]
        _, listed = await asked(app, "GET", CONVERSATIONS)
        again = await app.goes_on(turn)

    conversation_id = turn.headers["x-conversation-id"]
    assert (status, deleted) == (200, {"conversation_id": conversation_id, "deleted": True})
    assert forgotten == [thread_of(1)]
    assert [(status, body["code"]) for status, body in after] == [(404, "conversation_unknown")] * 2
    assert listed["conversations"] == []
    assert again.status == 404


async def test_a_turn_that_waits_goes_with_its_conversation():
    async with application(WAITS) as app:
        turn = await app.ended()
        await asked(app, "DELETE", conversation_of(turn))
        forgotten = list(app.upstream.forgotten)
        async with app.answer(turn, **BOTH) as refused:
            body = await refused.json()

    assert forgotten == [thread_of(1)]
    assert (refused.status, body["code"]) == (409, "not_awaiting")


async def test_a_conversation_in_which_a_turn_runs_is_not_deleted():
    async with application(ENDLESS) as app, app.turn() as turn:
        await turn.part()
        status, refused = await asked(app, "DELETE", conversation_of(turn))
        await app.interrupt(turn)
        await turn.body()
        after, _ = await asked(app, "DELETE", conversation_of(turn))

    assert (status, refused["code"]) == (409, "conversation_busy")
    assert refused["request_id"] == turn.headers["x-request-id"]
    assert after == 200


async def test_a_turn_on_another_process_is_in_the_way_as_well(redis_server, tmp_path):
    shared = {
        "redis": {"url": redis_server.url},
        "database": {"url": f"sqlite:///{tmp_path}/turnstile.db"},
    }
    async with (
        application(ENDLESS, **shared) as one,
        application(HELLO, **shared) as other,
        one.turn() as turn,
    ):
        await turn.part()
        status, refused = await asked(other, "DELETE", conversation_of(turn))
        await one.interrupt(turn)
        await turn.body()

    assert (status, refused["code"]) == (409, "conversation_busy")


async def test_a_question_that_comes_while_a_conversation_is_deleted_is_refused():
    """Whoever comes second finds the conversation busy or gone, never half of it."""
    async with application(HELLO) as app:
        turn = await app.ended()
        told = []

        async def delete():
            told.append((await asked(app, "DELETE", conversation_of(turn)))[0])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(delete)
            tasks.start_soon(delete)
        after, _ = await asked(app, "GET", conversation_of(turn))

    assert sorted(told) in ([200, 404], [200, 409])
    assert after == 404


async def test_who_has_the_grant_deletes_conversations_of_others():
    async with application(HELLO, **people()) as app:
        address = await begun(app, who=ANN)
        status, _ = await asked(app, "DELETE", address, who=ADMIN)
        after, _ = await asked(app, "GET", address, who=ANN)

    assert (status, after) == (200, 404)


# What is not yours.


@pytest.mark.parametrize(
    ("method", "body"), [("GET", None), ("PATCH", {"title": "Mine"}), ("DELETE", None)]
)
async def test_what_is_not_yours_is_as_if_it_were_not_there(method, body):
    async with application(HELLO, ENDLESS, **people()) as app:
        address = await begun(app, who=ANN)
        nothing = f"{CONVERSATIONS}/{uuid.uuid4()}"
        theirs, said = await app.ask(method, address, body, **key_of(BOB))
        none, nothing_said = await app.ask(method, nothing, body, **key_of(BOB))
        still, _ = await asked(app, "GET", address, who=ANN)

    assert (theirs.status, said, theirs.headers) == (none.status, nothing_said, none.headers)
    assert (theirs.status, json.loads(said)["code"]) == (404, "conversation_unknown")
    assert still == 200


async def test_a_stranger_is_not_told_that_a_turn_runs():
    async with application(ENDLESS, **people()) as app, app.turn(headers=key_of(ANN)) as turn:
        await turn.part()
        status, refused = await asked(app, "DELETE", conversation_of(turn), who=BOB)
        await app.ask("POST", f"{turn.headers['content-location']}/interrupt", **key_of(ANN))
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
