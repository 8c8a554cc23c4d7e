"""MCP servers as tool groups of a server with agent turns: looked up by url, else registered."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from service.domain import McpServer
from service.upstream.connection import Connection
from service.upstream.faults import fault

_PROVIDER = "model-context-protocol"


@dataclass(slots=True, eq=False)
class ToolGroups:
    """The tool groups of one server, by what it lists and what we have registered."""

    connection: Connection
    listed: Mapping[str, str | None]
    _registered: dict[str, str] = field(default_factory=dict)
    _registering: anyio.Lock = field(default_factory=anyio.Lock)

    async def of(self, server: McpServer) -> str:
        """Return the tool group of an MCP server.

        Raises:
            UpstreamError: it cannot be registered.
        """
        known = self._known(server)
        if known is not None:
            return known
        async with self._registering:
            return self._known(server) or await self._register(server)

    def _known(self, server: McpServer) -> str | None:
        groups = {**self.listed, **self._registered}
        return next((name for name, url in groups.items() if url == server.url), None)

    async def _register(self, server: McpServer) -> str:
        groups = {**self.listed, **self._registered}
        if server.tool_group in groups:
            raise fault("tool_group_taken", f"{server.tool_group} is {groups[server.tool_group]}")
        body = {
            "toolgroup_id": server.tool_group,
            "provider_id": _PROVIDER,
            "mcp_endpoint": {"uri": server.url},
        }
        # The same registration again changes nothing, so it may be repeated.
        await self.connection.post("/v1/toolgroups", body, repeatable=True)
        self._registered[server.tool_group] = server.url
        return server.tool_group
