"""MCP servers on servers with agent turns: their tool groups are looked up, else registered."""

import anyio
import pytest

from service.errors import UpstreamError
from tests.support.agent_server import AgentServer
from tests.support.offered import GROUPS, listed, tool_group
from tests.support.plans import mcp_server, payloads_of, plan
from tests.support.stack import running, says

PATH = "/v1/toolgroups"
LAB = {
    "toolgroup_id": "mcp::lab",
    "provider_id": "model-context-protocol",
    "mcp_endpoint": {"uri": "http://lab.test/mcp"},
}


async def groups_of(server, *servers, turns=1):
    """Run turns with MCP servers, and return the tool groups of each."""
    async with running(server) as upstream, anyio.create_task_group() as tasks:
        for _ in range(turns):
            tasks.start_soon(payloads_of, upstream.prepare(plan(mcp_servers=servers)))
    return [each.body["toolgroups"] for each in server.to("POST") if "/turn" in each.target]


async def test_a_group_is_found_by_its_url_whatever_its_name():
    server = AgentServer()

    assert await groups_of(server, mcp_server(url="http://known.test/mcp")) == [["mcp::known"]]
    assert server.bodies(PATH) == []


async def test_a_group_that_is_missing_is_registered():
    server = AgentServer().on("POST", PATH, says(None))

    assert await groups_of(server, mcp_server()) == [["mcp::lab"]]
    assert server.bodies(PATH) == [LAB]


async def test_it_is_registered_once_for_many_turns_at_once():
    server = AgentServer().on("POST", PATH, says(None))

    assert await groups_of(server, mcp_server(), turns=5) == [["mcp::lab"]] * 5
    assert server.bodies(PATH) == [LAB]


async def test_a_new_list_has_what_was_registered():
    server = AgentServer().on("POST", PATH, says(None))
    renewed = listed(*GROUPS["data"], tool_group("mcp::lab", "http://lab.test/mcp"))
    server.on("GET", PATH, says(GROUPS), says(renewed))
    async with running(server) as upstream:
        await payloads_of(upstream.prepare(plan(mcp_servers=(mcp_server(),))))
        await upstream.catalogue(renew=True)
        await payloads_of(upstream.prepare(plan(mcp_servers=(mcp_server(),))))

    assert server.bodies(PATH) == [LAB]


@pytest.mark.parametrize("name", ["known", "builtin"])
async def test_a_name_that_stands_for_something_else_is_not_taken(name):
    groups = listed(tool_group("mcp::known", "http://known.test/mcp"), tool_group("mcp::builtin"))
    server = AgentServer()
    server.on("GET", PATH, says(groups))
    async with running(server) as upstream:
        with pytest.raises(UpstreamError) as refused:
            await payloads_of(upstream.prepare(plan(mcp_servers=(mcp_server(name),))))

    assert (refused.value.code, refused.value.status_code) == ("tool_group_taken", 502)
    assert server.to("POST") == []


async def test_a_registration_is_repeated_but_not_for_ever():
    later = says({"detail": "later"}, 503, **{"retry-after-ms": "1"})
    server = AgentServer().on("POST", PATH, later)
    async with running(server, retries_limit=2) as upstream:
        with pytest.raises(UpstreamError) as refused:
            await payloads_of(upstream.prepare(plan(mcp_servers=(mcp_server(),))))

    assert refused.value.code == "upstream_unavailable"
    assert server.bodies(PATH) == [LAB] * 3


async def test_after_a_failed_registration_the_next_turn_tries_again():
    server = AgentServer().on("POST", PATH, says({"detail": "no"}, 500), says(None))
    async with running(server) as upstream:
        with pytest.raises(UpstreamError):
            await payloads_of(upstream.prepare(plan(mcp_servers=(mcp_server(),))))
        await payloads_of(upstream.prepare(plan(mcp_servers=(mcp_server(),))))

    assert server.bodies(PATH) == [LAB] * 2
