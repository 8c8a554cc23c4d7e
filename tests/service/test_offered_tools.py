"""Which tools there are, and where each comes from."""

from service.domain import Tool, ToolGroup
from service.settings import Settings
from service.turns.tools import OfferedTool, offered_tools

SEARCH, POD = Tool("knowledge_search", "Search."), Tool("get_pod")
CLUSTER = {"name": "cluster", "url": "https://mcp.test/mcp"}


def offered(*groups, **settings):
    return offered_tools(Settings(**settings), groups)


def test_tools_of_the_upstream_itself_are_builtin():
    group = ToolGroup("builtin::rag", None, (SEARCH,))

    assert offered(group) == (OfferedTool("builtin", "builtin::rag", SEARCH),)


def test_tools_of_a_configured_server_are_its_own_whatever_their_group_is_called():
    group = ToolGroup("someone::else", "https://mcp.test/mcp/", (POD,))

    assert offered(group, mcp_servers=[CLUSTER]) == (
        OfferedTool("mcp:cluster", "someone::else", POD),
    )


def test_a_group_without_an_address_belongs_to_the_server_of_its_name():
    assert offered(ToolGroup("mcp::cluster", None, (POD,)), mcp_servers=[CLUSTER]) == (
        OfferedTool("mcp:cluster", "mcp::cluster", POD),
    )


def test_a_group_of_another_address_does_not():
    group = ToolGroup("mcp::cluster", "https://other.test/mcp", (POD,))

    assert offered(group, mcp_servers=[CLUSTER]) == (
        OfferedTool("mcp", "mcp::cluster", POD),
        OfferedTool("mcp:cluster", "mcp::cluster"),
    )


def test_a_server_whose_tools_nobody_lists_is_there_with_its_group():
    servers = [CLUSTER, CLUSTER | {"name": "wiki", "url": "https://wiki.test", "tool_group": "w"}]

    assert offered(mcp_servers=servers) == (
        OfferedTool("mcp:cluster", "mcp::cluster"),
        OfferedTool("mcp:wiki", "w"),
    )


def test_a_group_whose_tools_are_not_told_is_there_by_itself():
    assert offered(ToolGroup("builtin::rag")) == (OfferedTool("builtin", "builtin::rag"),)


def test_tools_of_clients_are_there_with_what_the_model_knows_of_them():
    schema = {"type": "object"}
    tools = [{"name": "open_page", "description": "Opens.", "parameters": schema}]

    assert offered(client_tools=tools) == (
        OfferedTool("client", None, Tool("open_page", "Opens.", schema)),
    )
