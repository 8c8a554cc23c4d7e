"""What can be chosen is listed as the upstream offers it, and nobody's secrets with it."""

import json

import pytest

from service.domain import Tool, ToolGroup
from tests.support.applications import application
from tests.support.live_applications import live_application
from tests.support.offers import OFFER
from tests.support.stack import FakeStack, says
from tests.support.upstreams import Script, answer

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hi"))


async def listed(app, what):
    made, data = await app.ask("GET", f"/v1/{what}")
    return made.status, json.loads(data)


async def test_models_are_listed_with_what_is_known_of_them():
    async with application(HELLO, catalogues=(OFFER,)) as app:
        status, body = await listed(app, "models")

    guard, embedding, small = body["models"][:3]
    assert status == 200
    assert small == {
        "identifier": "vllm/small-8b",
        "provider_id": "vllm",
        "provider_resource_id": "small-8b",
        "model_type": "llm",
        "guards": False,
    }
    assert guard["guards"]
    assert embedding["model_type"] == "embedding"


async def test_shields_are_listed_that_can_be_chosen():
    async with application(HELLO, catalogues=(OFFER,)) as app:
        status, body = await listed(app, "shields")

    assert status == 200
    assert body == {
        "shields": [
            {"identifier": "guard"},
            {"identifier": "output_guard"},
            {"identifier": "inout_guard"},
        ]
    }


async def test_a_model_that_is_listed_can_be_asked_for():
    async with application(HELLO, catalogues=(OFFER,)) as app:
        _, body = await listed(app, "models")
        chosen = body["models"][3]
        await app.ended(provider=chosen["provider_id"], model=chosen["provider_resource_id"])
        await app.ended(provider=chosen["provider_id"], model=chosen["identifier"])

    assert [each.model.model_id for each in app.upstream.plans] == [chosen["identifier"]] * 2


async def test_tools_are_listed_with_where_they_come_from():
    server = {"name": "cluster", "url": "https://mcp.test/mcp", "headers": {"X-Key": "s3cret"}}
    tool = {"name": "open_page", "description": "Opens a page."}
    async with application(HELLO, mcp_servers=[server], client_tools=[tool]) as app:
        search = Tool("knowledge_search", "Search.", {"type": "object"})
        app.upstream.tool_groups = (ToolGroup("builtin::rag", None, (search,)),)
        made, data = await app.ask("GET", "/v1/tools")

    assert made.status == 200
    assert json.loads(data) == {
        "tools": [
            {
                "identifier": "knowledge_search",
                "type": "tool",
                "description": "Search.",
                "parameters": {"type": "object"},
                "tool_group": "builtin::rag",
                "server_source": "builtin",
            },
            {
                "identifier": "mcp::cluster",
                "type": "tool_group",
                "description": "",
                "parameters": None,
                "tool_group": "mcp::cluster",
                "server_source": "mcp:cluster",
            },
            {
                "identifier": "open_page",
                "type": "tool",
                "description": "Opens a page.",
                "parameters": {"type": "object", "properties": {}},
                "tool_group": None,
                "server_source": "client",
            },
        ]
    }


async def test_nothing_tells_where_a_server_is_and_how_it_is_entered():
    server = {"name": "cluster", "url": "https://ann:s3cret@mcp.test/s3cret"}
    server |= {"headers": {"X-Key": "s3cret"}}
    async with application(HELLO, mcp_servers=[server]) as app:
        app.upstream.tool_groups = (ToolGroup("mcp::other", "https://s3cret.test", ()),)
        _, data = await app.ask("GET", "/v1/tools")

    assert b"cluster" in data
    assert b"s3cret" not in data
    assert b"mcp.test" not in data


@pytest.mark.parametrize("what", ["models", "shields", "tools"])
async def test_where_recordings_are_played_nothing_can_be_chosen(what):
    async with application(HELLO) as app:
        assert await listed(app, what) == (200, {what: []})


@pytest.mark.parametrize("what", ["models", "shields", "tools"])
async def test_what_a_live_server_offers_is_listed(what):
    stack = FakeStack("0.3.5").on("GET", "/v1/tools", says([{"name": "search"}]))
    async with live_application(stack) as app:
        made, data = await app.ask("GET", f"/v1/{what}")

    assert made.status == 200
    assert json.loads(data)[what]


@pytest.mark.parametrize("what", ["models", "shields", "tools"])
async def test_a_server_that_cannot_be_asked_is_an_error(what):
    stack = FakeStack("0.7.3")
    for path in ("/v1/models", "/v1/tools"):
        stack.on("GET", path, says({"detail": "broken at 10.0.0.7"}, 500))
    async with live_application(stack) as app:
        made, data = await app.ask("GET", f"/v1/{what}")

    assert (made.status, json.loads(data)["code"]) == (502, "upstream_error")
    assert b"10.0.0.7" not in data


@pytest.mark.parametrize("status", [400, 404, 409, 413, 418, 422])
@pytest.mark.parametrize("what", ["models", "shields", "tools"])
async def test_a_server_that_refuses_to_tell_is_no_fault_of_who_asks(what, status):
    stack = FakeStack("0.7.3").on("GET", "/v1/models", says({"detail": "No such list."}, status))
    async with live_application(stack) as app:
        made, data = await app.ask("GET", f"/v1/{what}")

    assert made.status == 502
    assert json.loads(data) == {
        "detail": {"response": "The upstream failed.", "cause": "No such list."},
        "code": "upstream_error",
    }


@pytest.mark.parametrize("what", ["models", "shields", "tools"])
async def test_a_server_that_is_rate_limited_can_be_asked_later(what):
    stack = FakeStack("0.7.3").on("GET", "/v1/models", says({"detail": "Later."}, 429))
    async with live_application(stack) as app:
        made, data = await app.ask("GET", f"/v1/{what}")

    assert (made.status, json.loads(data)["code"]) == (429, "upstream_rate_limited")
    assert "retry-after" in made.headers
