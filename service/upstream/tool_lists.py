"""Which tools a server knows, by group; asked for when somebody wants to see them.

Servers before 0.3 list the parameters of a tool, later ones have the JSON schema of its arguments.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import anyio
import msgspec

from service.domain import Tool, ToolGroup
from service.errors import UpstreamError
from service.upstream.connection import Connection
from service.upstream.lists import fields_of, rows_of

_PATH = "/v1/tools"
_NOT_FOUND, _DENIED = "upstream_not_found", "upstream_denied"

_LEVELS = 100
"""How much deeper than it is a schema must be able to be, to be told."""

type Row = Mapping[str, Any]


async def fetch_tools(
    connection: Connection, groups: Mapping[str, str | None]
) -> tuple[ToolGroup, ...]:
    """Ask a server for its tools; of `groups`, the urls by id, all are there, also empty ones.

    Raises:
        UpstreamError: it cannot be asked.
    """
    try:
        listed = rows_of(await connection.get(_PATH))
    except UpstreamError as refused:
        if refused.code not in (_NOT_FOUND, _DENIED):
            raise
        # A group whose MCP server wants a credential spoils the list of all.
        listed = await _one_by_one(connection, groups) if refused.code == _DENIED else []
    return _grouped(groups, listed)


async def _one_by_one(connection: Connection, groups: Mapping[str, str | None]) -> list[Row]:
    """Ask for the tools of each group, all at the same time; some may be refused."""
    found: dict[str, list[Row]] = {}

    async def ask(group: str) -> None:
        try:
            answer = await connection.get(f"{_PATH}?toolgroup_id={quote(group, safe='')}")
        except UpstreamError as refused:
            if refused.code not in (_NOT_FOUND, _DENIED):
                raise
        else:
            found[group] = rows_of(answer)

    try:
        async with anyio.create_task_group() as tasks:
            for group in groups:
                tasks.start_soon(ask, group)
    except ExceptionGroup as failed:
        # The first failure has cancelled the other requests.
        raise failed.exceptions[0] from None
    return [row for group in groups for row in found.get(group, [])]


def _grouped(groups: Mapping[str, str | None], rows: list[Row]) -> tuple[ToolGroup, ...]:
    found = {group: ToolGroup(group, url) for group, url in groups.items()}
    for row in rows:
        tool, group_id = _tool(row), str(row.get("toolgroup_id") or "")
        if tool is None:
            continue
        group = found.get(group_id, ToolGroup(group_id))
        url = group.url or _endpoint(row)
        found[group_id] = replace(group, url=url, tools=(*group.tools, tool))
    return tuple(found.values())


def _tool(row: Row) -> Tool | None:
    name, description = row.get("name") or row.get("identifier"), row.get("description")
    if not isinstance(name, str):
        return None
    said = description if isinstance(description, str) else ""
    return Tool(name, said, _schema(row.get("input_schema"), row.get("parameters")))


def _endpoint(row: Row) -> str | None:
    """Return the address of the MCP server that a tool comes from."""
    endpoint = fields_of(row.get("metadata")).get("endpoint")
    return endpoint if isinstance(endpoint, str) else None


def _schema(schema: object, parameters: object) -> Mapping[str, object] | None:
    if isinstance(schema, dict):
        return schema if _can_be_told(schema) else None
    if not isinstance(parameters, list):
        return None
    named = [each for each in rows_of(parameters) if isinstance(each.get("name"), str)]
    properties = {
        each["name"]: {
            "type": str(each.get("parameter_type") or "string"),
            "description": str(each.get("description") or ""),
        }
        for each in named
    }
    required = [each["name"] for each in named if each.get("required")]
    return {"type": "object", "properties": properties, "required": required}


def _can_be_told(schema: object) -> bool:
    """Nested as deep as can be read, it could not be written inside of an answer."""
    nested = schema
    for _ in range(_LEVELS):
        nested = [nested]
    try:
        msgspec.json.encode(nested)
    except RecursionError:
        return False
    return True
