"""Which tools servers list, and what becomes of lists that they cannot give."""

import json

import anyio
import pytest

from service.domain import Tool, ToolGroup
from service.errors import UpstreamError
from tests.support.offered import listed
from tests.support.stack import Answer, FakeStack, running, says

TOOLS = "/v1/tools"
SCHEMA = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
SEARCH = {"name": "knowledge_search", "description": "Search.", "toolgroup_id": "builtin::rag"}
POD = {"name": "get_pod", "toolgroup_id": "mcp::known", "input_schema": SCHEMA}
KNOWN = "http://known.test/mcp"


def nested_json(levels):
    return b'{"a":' * levels + b"{}" + b"}" * levels


def can_be_read(text):
    try:
        json.loads(text)
    except RecursionError:
        return False
    return True


def deepest_json():
    """Return an object that is nested nearly as deep as can be read."""
    levels, too_many = 0, 100_000
    while too_many - levels > 1:
        middle = (levels + too_many) // 2
        if can_be_read(nested_json(middle)):
            levels = middle
        else:
            too_many = middle
    return nested_json(levels - 50)


async def tools_of(stack):
    async with running(stack) as upstream:
        return await upstream.tools()


async def test_tools_are_listed_in_their_groups():
    stack = FakeStack("0.3.5").on("GET", TOOLS, says(listed(SEARCH, POD)))

    assert await tools_of(stack) == (
        ToolGroup("builtin::rag", None, (Tool("knowledge_search", "Search."),)),
        ToolGroup("mcp::known", KNOWN, (Tool("get_pod", "", SCHEMA),)),
    )


async def test_a_group_without_tools_is_listed_all_the_same():
    stack = FakeStack("0.3.5").on("GET", TOOLS, says(listed(SEARCH)))

    assert (await tools_of(stack))[1] == ToolGroup("mcp::known", KNOWN)


async def test_a_server_that_lists_no_groups_tells_them_with_its_tools():
    """0.7 has tools, but no list of groups."""
    remote = POD | {"metadata": {"endpoint": KNOWN}}
    stack = FakeStack("0.7.3").on("GET", TOOLS, says(listed(remote, POD, {"name": "lonely"})))

    assert await tools_of(stack) == (
        ToolGroup("mcp::known", KNOWN, (Tool("get_pod", "", SCHEMA),) * 2),
        ToolGroup("", None, (Tool("lonely"),)),
    )


async def test_a_server_without_the_list_has_its_groups_or_nothing():
    groups = (ToolGroup("builtin::rag"), ToolGroup("mcp::known", KNOWN))

    assert await tools_of(FakeStack("0.3.5")) == groups
    assert await tools_of(FakeStack("1.5.0")) == ()


async def test_the_parameters_of_old_servers_become_a_schema():
    count = {
        "name": "count",
        "parameter_type": "integer",
        "description": "How many.",
        "required": 1,
    }
    old = {"identifier": "search", "toolgroup_id": "builtin::rag", "parameters": [count, {}, 7]}
    stack = FakeStack("0.2.22").on("GET", TOOLS, says([old]))

    tools = (await tools_of(stack))[0].tools

    assert tools[0].parameters == {
        "type": "object",
        "properties": {"count": {"type": "integer", "description": "How many."}},
        "required": ["count"],
    }


@pytest.mark.parametrize("odd", [None, 7, {}, {"data": None}, [{}], [{"name": 7}], "x"], ids=repr)
async def test_an_odd_list_is_an_empty_one(odd):
    assert await tools_of(FakeStack("0.7.3").on("GET", TOOLS, says(odd))) == ()


async def test_what_is_odd_about_a_tool_is_left_out():
    odd = {"name": "odd", "description": 7, "input_schema": [], "metadata": 7, "toolgroup_id": None}
    odd |= {"parameters": "none"}

    assert await tools_of(FakeStack("0.7.3").on("GET", TOOLS, says([odd]))) == (
        ToolGroup("", None, (Tool("odd"),)),
    )


async def test_a_schema_that_is_too_deep_to_be_told_is_left_out():
    deep = deepest_json()
    answer = Answer(200, (b'[{"name": "deep", "input_schema": ' + deep + b"}]",))
    (group,) = await tools_of(FakeStack("0.7.3").on("GET", TOOLS, answer))

    assert group.tools == (Tool("deep"),)


async def test_a_group_that_wants_a_credential_of_its_own_hides_no_other():
    denied = says({"detail": "who are you"}, 401)
    stack = FakeStack("0.3.5").on("GET", TOOLS, denied)
    stack.on("GET", f"{TOOLS}?toolgroup_id=builtin%3A%3Arag", says(listed(SEARCH)))
    stack.on("GET", f"{TOOLS}?toolgroup_id=mcp%3A%3Aknown", denied)

    assert await tools_of(stack) == (
        ToolGroup("builtin::rag", None, (Tool("knowledge_search", "Search."),)),
        ToolGroup("mcp::known", KNOWN),
    )


@pytest.mark.parametrize("failing", [TOOLS, f"{TOOLS}?toolgroup_id=mcp%3A%3Aknown"])
async def test_a_server_that_fails_is_an_error(failing):
    stack = FakeStack("0.3.5").on("GET", TOOLS, says({"detail": "who are you"}, 401))
    stack.on("GET", failing, says({"detail": "broken"}, 500))

    with pytest.raises(UpstreamError) as failed:
        await tools_of(stack)

    assert (failed.value.code, failed.value.status_code) == ("upstream_error", 502)


async def test_tools_are_only_asked_for_by_who_wants_to_see_them():
    stack = FakeStack("0.3.5").on("GET", TOOLS, says(listed(SEARCH)))
    async with running(stack) as upstream:
        asked_before = len(stack.to("GET", TOOLS))
        await upstream.tools()
        await upstream.tools()

    assert (asked_before, len(stack.to("GET", TOOLS))) == (0, 1)


async def test_many_who_ask_at_once_wait_for_the_same_list():
    stack = FakeStack("0.3.5").on("GET", TOOLS, says(listed(SEARCH)))
    async with running(stack) as upstream, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(upstream.tools)

    assert len(stack.to("GET", TOOLS)) == 1
