"""What a question may look like, and how one that is not right is refused."""

import json
import uuid

import pytest

from service.domain import Attachment, Caller, ClientTool
from service.routes.bodies import TurnBody
from tests.support.applications import QUERY, TURNS, application
from tests.support.offers import OFFER, SMALL
from tests.support.upstreams import Script, answer

ANSWER = Script(answer("Hi"))
SECRET = "s3cr3t-v4lue"
LOG = {"attachment_type": "log", "content_type": "text/plain", "content": SECRET}
MODEL = {"provider": "vllm", "model": "small-8b"}
TOOL = {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}


async def refusal(body, **settings):
    """Send a body that must be refused; return status, code and cause."""
    async with application(ANSWER, **settings) as app:
        reply, data = await app.ask("POST", TURNS, body)
    assert app.upstream.plans == []
    refused = json.loads(data)
    assert set(refused) == {"detail", "code"}
    return reply.status, refused["code"], refused["detail"]["cause"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nonsense", b"\xff", b'{"query": "\xff"}', b"[" * 10_000, b'"\\ud800"']
)
async def test_a_body_that_is_not_json_is_a_400(body):
    assert (await refusal(body))[:2] == (400, "request_not_json")


@pytest.mark.parametrize("body", [b"null", b"7", b'"query"', b"[]", b'[{"query": "Hi"}]'])
async def test_a_body_that_is_no_object_is_a_422(body):
    assert (await refusal(body))[:2] == (422, "request_invalid")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"query": ""}, "query"),
        ({"query": None}, "query"),
        ({"query": [SECRET]}, "query"),
        ({"conversation_id": SECRET}, "conversation_id"),
        ({"conversation_id": 7}, "conversation_id"),
        ({"provider": "vllm"}, "provider and model"),
        ({"model": SECRET}, "provider and model"),
        ({"provider": "", "model": SECRET}, "provider"),
        ({"provider": SECRET * 50, "model": SECRET}, "provider"),
        ({"system_prompt": {SECRET: SECRET}}, "system_prompt"),
        ({"attachments": SECRET}, "attachments"),
        ({"attachments": [LOG | {"attachment_type": SECRET}]}, "attachments.0.attachment_type"),
        ({"attachments": [LOG, LOG | {"content_type": SECRET}]}, "attachments.1.content_type"),
        ({"attachments": [LOG | {"content": 7}]}, "attachments.0.content"),
        ({"attachments": [LOG | {"name": SECRET}]}, "attachments.0.name"),
        ({"attachments": [{"content": SECRET}]}, "attachments.0.attachment_type"),
        ({"no_tools": SECRET}, "no_tools"),
        ({"no_tools": "yes"}, "no_tools"),
        ({"no_tools": 1}, "no_tools"),
        ({"media_type": SECRET}, "media_type"),
        ({"shield_ids": SECRET}, "shield_ids"),
        ({"shield_ids": ["", SECRET]}, "shield_ids.0"),
        ({"vector_store_ids": [7]}, "vector_store_ids.0"),
        ({"generate_topic_summary": SECRET}, "generate_topic_summary"),
        ({"generate_topic_summary": 0}, "generate_topic_summary"),
        ({"client_tools": SECRET}, "client_tools"),
        ({"client_tools": [{"description": SECRET}]}, "client_tools.0.name"),
        ({"client_tools": [{"name": f"{SECRET} {SECRET}"}]}, "client_tools.0.name"),
        ({"client_tools": [{"name": "a" * 65}]}, "client_tools.0.name"),
        ({"client_tools": [TOOL | {"parameters": SECRET}]}, "client_tools.0.parameters"),
        ({"client_tools": [TOOL | {"description": SECRET * 400}]}, "client_tools.0.description"),
        ({"client_tools": [TOOL | {"strict": SECRET}]}, "client_tools.0.strict"),
        ({"client_tools": [TOOL, TOOL | {"description": SECRET}]}, "client_tools"),
        ({"on_disconnect": SECRET}, "on_disconnect"),
        ({"if_busy": SECRET}, "if_busy"),
        ({"colour": SECRET}, "colour"),
    ],
)
async def test_a_wrong_field_is_named_and_its_value_is_not_repeated(fields, named):
    status, code, cause = await refusal(QUERY | fields)

    assert (status, code) == (422, "request_invalid")
    assert named in cause
    assert SECRET not in cause


async def test_a_question_is_needed():
    assert await refusal({}) == (422, "request_invalid", "query: Field required")


async def test_many_mistakes_are_counted_and_not_all_listed():
    _, _, cause = await refusal({f"field_{number}": SECRET for number in range(9)})

    assert cause.count(";") == 5
    assert cause.endswith("; and 5 more")


async def test_the_name_of_an_unknown_field_is_not_repeated_at_length():
    _, _, cause = await refusal(QUERY | {"x" * 100_000: 1})

    assert len(cause) < 1_000


async def test_a_query_may_be_as_long_as_the_limit():
    """Characters count, not bytes."""
    async with application(ANSWER, query_limit_characters=3) as app:
        reply, _ = await app.ask("POST", TURNS, {"query": "äöü"})

    assert reply.status == 200


async def test_a_query_beyond_the_limit_is_refused():
    status, _, cause = await refusal({"query": "abcd"}, query_limit_characters=3)

    assert (status, cause) == (422, "query: must have at most 3 characters")


async def test_attachments_beyond_the_limit_are_refused():
    body = QUERY | {"attachments": [LOG] * 3}

    assert (await refusal(body, attachments_limit=2))[2] == "attachments: there may be at most 2"


async def test_a_body_of_just_the_limit_is_taken():
    body = json.dumps(QUERY).encode()
    async with application(ANSWER, body_limit_bytes=len(body)) as app:
        reply, _ = await app.ask("POST", TURNS, body)

    assert reply.status == 200


async def test_a_body_beyond_the_limit_is_refused_by_its_real_bytes():
    """What the client says of its length does not count."""
    async with application(ANSWER, body_limit_bytes=10) as app:
        reply, _ = await app.ask("POST", TURNS, b"x" * 11, **{"Content-Length": "1"})

    assert reply.status == 413


async def test_a_body_that_is_announced_too_large_is_not_waited_for():
    async with (
        application(ANSWER, body_limit_bytes=10) as app,
        app.exchange("POST", TURNS, body=None, headers={"Content-Length": "11"}) as upload,
    ):
        body = await upload.json()

    assert (upload.status, body["code"]) == (413, "body_too_large")


async def test_a_body_in_parts_is_refused_as_soon_as_it_exceeds_the_limit():
    async with (
        application(ANSWER, body_limit_bytes=10) as app,
        app.exchange("POST", TURNS, body=None) as upload,
    ):
        upload.upload(b"x" * 6, more=True)
        upload.upload(b"x" * 6, more=True)
        body = await upload.json()

    assert (upload.status, body["code"]) == (413, "body_too_large")


async def test_a_body_in_parts_is_put_together():
    async with application(ANSWER) as app, app.exchange("POST", TURNS, body=None) as upload:
        for letter in json.dumps(QUERY).encode():
            upload.upload(bytes([letter]), more=True)
        upload.upload(b"")
        await upload.begun()

    assert upload.status == 200
    assert app.upstream.plans[0].query == QUERY["query"]


async def test_a_body_that_does_not_come_is_a_408():
    async with (
        application(ANSWER, body_timeout_s=0.01) as app,
        app.exchange("POST", TURNS, body=None) as upload,
    ):
        upload.upload(b'{"query":', more=True)
        body = await upload.json()

    assert (upload.status, body["code"]) == (408, "body_too_slow")
    assert body["detail"]["cause"] == "It must come within 0.01 s."


async def test_a_client_that_leaves_while_it_sends_is_no_crash(log):
    async with application(ANSWER) as app, app.exchange("POST", TURNS, body=None) as upload:
        upload.upload(b'{"query":', more=True)

    assert upload.crash is None
    assert [each["event"] for each in log] == ["service.started", "service.stopped"]
    assert app.upstream.plans == []


@pytest.mark.parametrize("spell", [str.upper, lambda each: each.replace("-", ""), "{{{}}}".format])
async def test_the_id_of_a_conversation_is_normalised(spell):
    async with application(ANSWER) as app:
        conversation_id = (await app.ended()).headers["x-conversation-id"]
        turn = await app.ended(conversation_id=spell(conversation_id))
        other = await app.ended(conversation_id=f"urn:uuid:{conversation_id}")

    assert turn.headers["x-conversation-id"] == conversation_id
    assert other.headers["x-conversation-id"] == conversation_id


async def test_a_conversation_that_was_never_begun_is_a_404():
    """And the body that says so has no ids: there is no turn."""
    status, code, cause = await refusal(QUERY | {"conversation_id": str(uuid.UUID(int=7))})

    assert (status, code) == (404, "conversation_unknown")
    assert cause == "It was never begun, it is no longer kept, or it is not yours."


async def test_a_question_without_conversation_opens_a_new_one():
    async with application(ANSWER) as app, app.turn() as turn, app.turn() as other:
        ids = {(await each.begun()).headers["x-conversation-id"] for each in (turn, other)}

    assert len({uuid.UUID(each).version for each in ids}) == 1
    assert len(ids) == 2


def test_everything_that_was_asked_is_taken():
    fields = MODEL | {"system_prompt": "Be brief.", "no_tools": True, "shield_ids": ["a", "b"]}
    fields |= {"vector_store_ids": [], "generate_topic_summary": True, "attachments": [LOG]}
    asked = TurnBody(**QUERY, **fields, client_tools=[TOOL], on_disconnect="continue").to_domain()

    assert asked.query == QUERY["query"]
    assert (asked.provider, asked.model) == ("vllm", "small-8b")
    assert (asked.system_prompt, asked.no_tools) == ("Be brief.", True)
    assert (asked.shield_ids, asked.vector_store_ids) == (("a", "b"), ())
    assert asked.generate_topic_summary is True
    assert asked.attachments == (Attachment("log", "text/plain", SECRET),)
    assert asked.client_tools == (ClientTool("add", "Adds.", {"type": "object"}),)


def test_what_was_not_asked_is_left_open():
    asked = TurnBody(**QUERY, media_type="application/json").to_domain()

    assert (asked.conversation_id, asked.provider, asked.model) == (None, None, None)
    assert (asked.shield_ids, asked.vector_store_ids, asked.attachments) == (None, None, ())
    assert (asked.client_tools, asked.caller) == ((), Caller())


async def test_everything_that_was_asked_reaches_the_upstream():
    fields = MODEL | {"system_prompt": "Be brief.", "shield_ids": ["output_guard"]}
    fields |= {"vector_store_ids": ["vs_docs"], "client_tools": [TOOL], "attachments": [LOG]}
    async with application(ANSWER, catalogues=(OFFER,)) as app, app.turn(**fields) as turn:
        await turn.begun()

    (plan,) = app.upstream.plans
    assert plan.query == QUERY["query"]
    assert (plan.model, plan.system_prompt) == (SMALL, "Be brief.")
    assert (plan.input_shields, plan.output_shields) == ((), ("output_guard",))
    assert plan.vector_stores == ("vs_docs",)
    assert [each.name for each in plan.client_tools] == ["add"]
    assert plan.attachments == (Attachment("log", "text/plain", SECRET),)


@pytest.mark.parametrize(
    ("content", "limit", "status"), [("x" * 4, 4, 200), ("x" * 5, 4, 422), ("ää", 4, 200)]
)
async def test_an_attachment_may_have_as_many_bytes_as_the_limit(content, limit, status):
    body = QUERY | {"attachments": [LOG | {"content": "x"}, LOG | {"content": content}]}
    async with application(ANSWER, attachment_limit_bytes=limit) as app:
        reply, data = await app.ask("POST", TURNS, body)

    assert reply.status == status
    assert (b"attachments.1.content: may have at most 4 bytes" in data) is (status == 422)


@pytest.mark.parametrize("name", ["attachments", "shield_ids", "vector_store_ids", "client_tools"])
async def test_a_list_with_a_million_faults_is_refused_at_the_first(name):
    """Collecting them all would stop every other stream for seconds."""
    status, code, cause = await refusal(
        b'{"query": "Hi", "%b": [%b]}' % (name.encode(), b",".join([b"{}"] * 500_000))
    )

    assert (status, code) == (422, "request_invalid")
    assert cause.count(name) <= 5
    assert "and" not in cause.split(";")[-1].split(":")[0]
