"""MCP servers of a turn: only configured ones, each with its own headers and no other's."""

import json

import pytest

from service.domain import Caller, Conversation, Principal, TurnRequest
from service.errors import McpHeadersInvalid
from service.settings import Settings
from service.turns.selection import select
from tests.support.applications import TURNS, application
from tests.support.upstreams import Script, answer

URL = "http://tools.test/mcp"
PODS = {"name": "pods", "url": URL}
ROOT = {"name": "nodes", "url": "http://nodes.test"}
CALLER = {"authorization": "caller"}


def servers(*configured, no_tools=False, token=None, headers=None):
    """Return the MCP servers of a turn."""
    request = TurnRequest(
        "Hi", no_tools=no_tools, caller=Caller(Principal("alice"), token, headers)
    )
    settings = Settings(mcp_servers=configured)
    return select(settings, None, Conversation("conversation"), request).mcp_servers


def headers_of(server, **request):
    """Return the headers that a server gets."""
    (chosen,) = servers(server, **request)
    return dict(chosen.headers)


def test_all_that_are_configured_may_be_used():
    pods, nodes = servers(PODS, ROOT | {"tool_group": "mcp::n", "approval": "always"})

    assert (pods.name, pods.url, pods.tool_group, pods.approval) == (
        "pods",
        URL,
        "mcp::pods",
        False,
    )
    assert (nodes.name, nodes.tool_group, nodes.approval) == ("nodes", "mcp::n", True)
    assert (pods.headers, nodes.headers) == ({}, {})


def test_without_tools_there_are_none():
    assert servers(PODS, no_tools=True, headers={"nobody": {"x": "1"}}) == ()


@pytest.mark.parametrize("key", ["nodes", "http://nodes.test", "http://nodes.test/"])
def test_a_server_is_meant_by_its_name_or_its_url(key):
    assert headers_of(ROOT, headers={key: {"x-a": "1"}}) == {"x-a": "1"}


def test_headers_by_name_and_by_url_are_put_together():
    given = {"pods": {"x-a": "name", "x-b": "name"}, URL: {"x-a": "url"}}

    assert headers_of(PODS, headers=given) == {"x-a": "url", "x-b": "name"}


def test_a_server_gets_its_own_headers_only():
    pods, nodes = servers(PODS, ROOT, headers={"pods": {"x-a": "1"}, "nodes": {"x-b": "2"}})

    assert (pods.headers, nodes.headers) == ({"x-a": "1"}, {"x-b": "2"})


@pytest.mark.parametrize("key", ["nobody", "PODS", "http://tools.test/mcp/", "http://evil.test"])
def test_a_server_that_is_not_configured_gets_nothing(key):
    with pytest.raises(McpHeadersInvalid) as raised:
        servers(PODS, headers={key: {"authorization": "Bearer s3cr3t"}})

    assert raised.value.cause == f"No MCP server {key!r} is configured."


@pytest.mark.parametrize(
    ("configured", "token", "given", "sent"),
    [
        ({}, None, {}, {}),
        ({}, "caller", {}, {}),
        (CALLER, "caller", {}, {"authorization": "Bearer caller"}),
        (CALLER, None, {}, {}),
        ({"headers": {"X-Key": "set"}}, None, {}, {"x-key": "set"}),
        ({"headers": {"X-Key": "set"}}, None, {"x-key": "given"}, {"x-key": "given"}),
        ({"headers": {"X-Key": "set"}}, None, {"x-a": "1"}, {"x-key": "set", "x-a": "1"}),
        (
            CALLER | {"headers": {"Authorization": "Bearer set"}},
            None,
            {},
            {"authorization": "Bearer set"},
        ),
        (
            CALLER | {"headers": {"Authorization": "Bearer set"}},
            "caller",
            {},
            {"authorization": "Bearer caller"},
        ),
        (CALLER, "caller", {"authorization": "Bearer given"}, {"authorization": "Bearer given"}),
    ],
)
def test_the_request_has_the_first_word_on_a_header_then_the_caller_s_token(
    configured, token, given, sent
):
    headers = {"pods": given} if given else None

    assert headers_of(PODS | configured, token=token, headers=headers) == sent


# The header MCP-HEADERS, and the token.


async def sent(app, **headers):
    """Ask a question with headers, and return what the servers of the plan get."""
    reply, body = await app.ask("POST", TURNS, {"query": "Hi"}, **headers)
    assert reply.status == 200, body
    return [dict(each.headers) for each in app.upstream.plans[-1].mcp_servers]


async def test_headers_for_mcp_servers_come_in_a_header_in_any_case():
    stated = json.dumps({"pods": {"X-Trace": "1", "AUTHORIZATION": "Bearer a"}})
    async with application(Script(answer("Hi")), mcp_servers=[PODS]) as app:
        assert await sent(app, **{"mcp-headers": stated}) == [
            {"x-trace": "1", "authorization": "Bearer a"}
        ]


@pytest.mark.parametrize(
    ("stated", "passed_on"),
    [
        ("Bearer abc", {"authorization": "Bearer abc"}),
        ("bearer  abc ", {"authorization": "Bearer abc"}),
        ("Bearer", {}),
        ("Bearer   ", {}),
        ("Basic abc", {}),
        ("abc", {}),
    ],
)
async def test_only_a_bearer_token_is_passed_on(stated, passed_on):
    async with application(Script(answer("Hi")), mcp_servers=[PODS | CALLER]) as app:
        assert await sent(app, Authorization=stated) == [passed_on]


@pytest.mark.parametrize("stated", ["{}", '{"pods": {}}'])
async def test_a_header_that_says_nothing_is_taken(stated):
    async with application(Script(answer("Hi")), mcp_servers=[PODS]) as app:
        assert await sent(app, **{"MCP-HEADERS": stated}) == [{}]


@pytest.mark.parametrize(
    "stated",
    [
        "",
        "nonsense",
        "{",
        "null",
        "7",
        "[]",
        '["pods"]',
        '{"pods": null}',
        '{"pods": "Bearer s3cr3t"}',
        '{"pods": ["s3cr3t"]}',
        '{"pods": {"x-a": 7}}',
        '{"pods": {"x-a": null}}',
        '{"pods": {"x-a": ["s3cr3t"]}}',
        '{"pods": {"": "s3cr3t"}}',
        '{"pods": {"x a": "s3cr3t"}}',
        '{"pods": {"x:a": "s3cr3t"}}',
        '{"pods": {"x-ä": "s3cr3t"}}',
        '{"pods": {"x-a": "s3cr3t\\r\\nx-b: 1"}}',
        '{"pods": {"x-a": "s3cr3t\\u0000"}}',
        '{"pods": {"x-a": "s3cr3t\\u00e4"}}',
        '{"pods": {"x-a\\n": "s3cr3t"}}',
        '{"pods": {"x-a": "s3cr3t\\n"}}',
        json.dumps({"pods": {"x-a": "s" * 8_193}}),
        json.dumps({"pods": {"x" * 129: "s3cr3t"}}),
        '{"nobody": {"x-a": "s3cr3t"}}',
        '{"pods": ' * 10_000,
        "\xff",
    ],
)
async def test_headers_that_are_none_are_refused_without_repeating_them(stated):
    async with application(Script(answer("Hi")), mcp_servers=[PODS]) as app:
        reply, body = await app.ask("POST", TURNS, {"query": "Hi"}, **{"MCP-HEADERS": stated})

    assert (reply.status, json.loads(body)["code"]) == (400, "mcp_headers_invalid")
    assert b"s3cr3t" not in body
    assert app.upstream.plans == []


@pytest.mark.parametrize("given", [{"a b": "1"}, {"x-a": "1"}])
async def test_a_server_of_a_long_name_is_not_repeated_at_length(given):
    stated = json.dumps({"x" * 5_000: given})
    async with application(mcp_servers=[PODS]) as app:
        _, body = await app.ask("POST", TURNS, {"query": "Hi"}, **{"MCP-HEADERS": stated})

    assert len(body) < 500
