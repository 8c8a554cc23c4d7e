"""The requests of a turn on servers with the Responses API."""

import json

import pytest

from service.domain import Attachment, ClientTool
from service.errors import UpstreamError
from service.settings.groups import ModerationSettings
from statemachine import OutputModeration, Release, TurnStarted
from tests.support import responses_chunks as responses
from tests.support.plans import PAST, history_of, mcp_server, payloads_of, plan, ran
from tests.support.stack import VERSION_HEADER, FakeStack, running, streams

PATH = "/v1/responses"
ANSWER = (
    responses.created(),
    responses.item_added("m1"),
    responses.part_added("m1"),
    responses.text("m1", "Hi"),
    responses.completed(responses.message(responses.said("Hi"))),
)
PLAIN = {
    "model": "vllm/small",
    "stream": True,
    "max_infer_iters": 10,
    "instructions": "Be brief.",
    "input": "What is a pod?",
}
HISTORY = [
    {"role": "user", "content": "Who are you?"},
    {"role": "assistant", "content": "A pod."},
    {"role": "user", "content": "Sure?"},
    {"role": "assistant", "content": "Yes."},
]
UPSTREAM = ModerationSettings(by="upstream")


def server(version="0.7.3"):
    return FakeStack(version).on("POST", PATH, streams(*ANSWER))


async def sent(planned, version="0.7.3", moderation=None, past=(), **settings):
    """Return the body of the one request of a turn."""
    stack = server(version)
    async with running(stack, moderation, **{"dialect": "responses"} | settings) as upstream:
        await payloads_of(upstream.prepare(planned, history_of(past)))
    (asked,) = stack.to("POST")
    assert asked.target == PATH
    return asked.body


@pytest.mark.parametrize("version", ["0.3.5", "0.7.3", "1.5.0"])
async def test_a_first_question_is_plain_text(version):
    assert await sent(plan(), version) == PLAIN


async def test_a_server_without_agents_is_asked_by_responses():
    assert await sent(plan(), dialect="auto") == PLAIN


async def test_headers_are_those_of_a_stream_with_the_key_and_without_our_version():
    stack = server()
    async with running(stack, api_key="secret") as upstream:
        await payloads_of(upstream.prepare(plan(mcp_servers=(mcp_server(**{"x-key": "1"}),))))

    (asked,) = stack.to("POST")
    assert asked.headers["accept"] == "text/event-stream"
    assert asked.headers["authorization"] == "Bearer secret"
    assert VERSION_HEADER not in asked.headers
    assert "x-llamastack-provider-data" not in asked.headers


async def test_the_payloads_come_as_they_are_on_the_wire():
    async with running(server("1.5.0")) as upstream:
        turn = upstream.prepare(plan())
        payloads = await payloads_of(turn)
        async with turn.open() as body:
            assert body.opening == TurnStarted()
        summary = await ran(upstream.prepare(plan()))

    assert payloads == [json.dumps(each).encode() for each in ANSWER]
    assert (turn.server, turn.decoder.dialect, turn.recording) == ("OGX 1.5.0", "responses", None)
    assert (summary.outcome, summary.answer) == ("end", "Hi")


async def test_what_a_plan_leaves_out_is_left_out():
    body = await sent(plan(model=None, system_prompt=""), iterations_limit=3)

    assert body == {"model": "", "stream": True, "max_infer_iters": 3, "input": "What is a pod?"}


async def test_attachments_follow_the_question_under_their_labels():
    attached = (Attachment("log", "application/json", "{}"),)
    body = await sent(plan(attachments=attached))

    assert body["input"] == "What is a pod?\n\n[Attachment: log, application/json]\n{}\n"


async def test_a_history_is_sent_as_messages():
    body = await sent(plan(), past=PAST)

    assert body == PLAIN | {"input": [*HISTORY, {"role": "user", "content": "What is a pod?"}]}


async def test_half_a_surrogate_pair_does_not_break_a_request():
    assert (await sent(plan("\ud83d!")))["input"] == "?!"


async def test_tools_are_given_with_every_request():
    schema = {"type": "object", "properties": {}}
    tools = (ClientTool("get_pods", "Lists pods.", schema),)
    body = await sent(plan(vector_stores=("docs", "more"), client_tools=tools))

    assert body["tools"] == [
        {"type": "file_search", "vector_store_ids": ["docs", "more"]},
        {
            "type": "function",
            "name": "get_pods",
            "description": "Lists pods.",
            "parameters": schema,
            "strict": False,
        },
    ]


MCP = {"type": "mcp", "server_label": "lab", "server_url": "http://lab.test/mcp"}
TOKEN = {"authorization": "bearer  secret", "x-key": "1"}


@pytest.mark.parametrize(
    ("version", "headers", "fields"),
    [
        ("0.3.5", {}, {}),
        ("0.3.5", TOKEN, {"headers": TOKEN}),
        ("0.3.5", {"authorization": "Basic x"}, {"headers": {"authorization": "Basic x"}}),
        ("0.7.3", {}, {}),
        ("0.7.3", TOKEN, {"authorization": "secret", "headers": {"x-key": "1"}}),
        ("0.7.3", {"authorization": "Bearer t"}, {"authorization": "t"}),
        ("1.5.0", TOKEN, {"authorization": "secret", "headers": {"x-key": "1"}}),
    ],
)
async def test_headers_for_mcp_servers_are_where_the_version_takes_them(version, headers, fields):
    body = await sent(plan(mcp_servers=(mcp_server(**headers),)), version)

    assert body["tools"] == [MCP | {"require_approval": "never"} | fields]


async def test_a_server_may_need_approval():
    body = await sent(plan(mcp_servers=(mcp_server(approval=True),)))

    assert body["tools"] == [MCP | {"require_approval": "always"}]


async def test_what_is_no_bearer_token_is_refused_by_name():
    stack = server()
    planned = plan(mcp_servers=(mcp_server(authorization="Basic c2VjcmV0"),))
    async with running(stack) as upstream:
        with pytest.raises(UpstreamError) as refused:
            await payloads_of(upstream.prepare(planned))

    assert refused.value.code == "mcp_authorization_unsupported"
    assert refused.value.status_code == 400
    assert "c2VjcmV0" not in f"{refused.value} {refused.value.detail}"
    assert stack.to("POST") == []


SHIELDS = {"input_shields": ("a", "b"), "output_shields": ("b", "c")}


@pytest.mark.parametrize(
    ("version", "by", "shields", "guardrails"),
    [
        ("0.7.3", "upstream", SHIELDS, ["a", "b", "c"]),
        ("0.7.3", "upstream", {}, None),
        ("0.7.3", "turnstile", SHIELDS, None),
        ("0.7.3", "nobody", {}, None),
        ("1.5.0", "upstream", SHIELDS, True),
        ("1.5.0", "upstream", {}, None),
        ("1.5.0", "turnstile", {}, None),
    ],
)
async def test_guardrails_are_what_the_server_understands(version, by, shields, guardrails):
    body = await sent(plan(**shields), version, ModerationSettings(by=by))

    assert body.get("guardrails") == guardrails


@pytest.mark.parametrize(
    ("moderation", "shields", "expected"),
    [
        ({}, SHIELDS, OutputModeration(400, Release.AFTER_VERDICT)),
        ({"hold_back": False}, SHIELDS, OutputModeration(400, Release.AT_ONCE)),
        ({"checkpoint_characters": 9}, SHIELDS, OutputModeration(9, Release.AFTER_VERDICT)),
        ({}, {"input_shields": ("a",)}, None),
        ({}, {}, None),
        ({"by": "upstream"}, SHIELDS, None),
    ],
    ids=str,
)
async def test_the_answer_is_judged_by_us_when_there_are_shields_for_it(
    moderation, shields, expected
):
    async with running(server(), ModerationSettings(**moderation)) as upstream:
        assert upstream.prepare(plan(**shields)).moderation == expected


async def test_the_question_is_judged_when_there_are_shields_for_it():
    attached = (Attachment("log", "text/plain", "Boom"),)
    async with running(server()) as upstream:
        both = upstream.prepare(plan(attachments=attached, **SHIELDS)).moderator
        answers = upstream.prepare(plan(output_shields=("a",))).moderator
        nobody = upstream.prepare(plan()).moderator

    assert both.question == "What is a pod?\n\n[Attachment: log, text/plain]\nBoom\n"
    assert (answers.question, nobody) == (None, None)
