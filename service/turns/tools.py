"""Which tools there are: the upstream's, those of MCP servers and those of clients. Pure rules."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from service.domain import Caller, McpServer, Tool, ToolGroup
from service.settings import Settings
from service.turns.selection import mcp_servers

_BUILTIN, _MCP, _CLIENT = "builtin", "mcp", "client"


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool and where it comes from; without a `tool` only its group is known."""

    source: str
    group_id: str | None = None
    tool: Tool | None = None


def offered_tools(settings: Settings, groups: Sequence[ToolGroup]) -> tuple[OfferedTool, ...]:
    """Return all tools, those of the upstream's groups first; nobody's addresses are told."""
    servers = mcp_servers(settings, Caller())
    known = [_server_of(group, servers) for group in groups]
    others = [each for each in servers if each not in known]
    return (
        *(each for group in groups for each in _members(group, servers)),
        *(OfferedTool(_named(each), each.tool_group) for each in others),
        *(
            OfferedTool(_CLIENT, tool=Tool(each.name, each.description, each.parameters))
            for each in settings.client_tools
        ),
    )


def _members(group: ToolGroup, servers: Iterable[McpServer]) -> Iterator[OfferedTool]:
    server = _server_of(group, servers)
    other = _BUILTIN if group.url is None else _MCP
    source, group_id = _named(server) if server else other, group.group_id or None
    if not group.tools:
        yield OfferedTool(source, group_id)
    for each in group.tools:
        yield OfferedTool(source, group_id, each)


def _server_of(group: ToolGroup, servers: Iterable[McpServer]) -> McpServer | None:
    """Return the configured server that a group stands for: of its address, else of its name."""
    address = (group.url or "").rstrip("/")
    for each in servers:
        if each.url.rstrip("/") == address or (not address and each.tool_group == group.group_id):
            return each
    return None


def _named(server: McpServer) -> str:
    return f"{_MCP}:{server.name}"
