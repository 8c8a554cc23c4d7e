"""What a server is and offers: asked for all at once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import anyio

from service.domain import Catalogue, Model
from service.errors import UpstreamError
from service.upstream.connection import Connection
from service.upstream.faults import fault
from service.upstream.lists import fields_of, rows_of, texts_of

_PAGE = 100
_PAGES_LIMIT = 50
_NOT_FOUND = "upstream_not_found"
_FIRST_WITHOUT_AGENTS = (0, 4)


@dataclass(frozen=True, slots=True)
class Offer:
    """One server at one time. `tool_groups` are urls of MCP servers by id, None for others."""

    version: tuple[int, ...]
    name: str
    catalogue: Catalogue
    tool_groups: Mapping[str, str | None]
    has_shields: bool

    @property
    def has_agents(self) -> bool:
        """Tell whether the server drives agent turns."""
        return self.version < _FIRST_WITHOUT_AGENTS


async def fetch_offer(connection: Connection) -> Offer:
    """Ask a server what it is and what it has; all at the same time.

    Raises:
        UpstreamError: it cannot be asked.
    """
    answers: dict[str, Any] = {}

    async def ask(path: str, *, optional: bool = True) -> None:
        try:
            answers[path] = await connection.get(path)
        except UpstreamError as refused:
            if not (optional and refused.code == _NOT_FOUND):
                raise

    async def ask_stores() -> None:
        answers["stores"] = await _vector_stores(connection)

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask_stores)
            for path in ("/v1/shields", "/v1/toolgroups"):
                tasks.start_soon(ask, path)
            for path in ("/v1/version", "/v1/models"):
                tasks.start_soon(lambda path: ask(path, optional=False), path)
    except ExceptionGroup as failed:
        # The first failure has cancelled the other requests.
        raise failed.exceptions[0] from None
    return _offer(answers)


async def _vector_stores(connection: Connection) -> tuple[str, ...]:
    """Return the ids of all stores; servers before 0.3 list them as databases."""
    try:
        return await _paged(connection, f"/v1/vector_stores?limit={_PAGE}")
    except UpstreamError as refused:
        if refused.code != _NOT_FOUND:
            raise
    try:
        return texts_of(rows_of(await connection.get("/v1/vector-dbs")), "identifier")
    except UpstreamError as refused:
        if refused.code != _NOT_FOUND:
            raise
    return ()


async def _paged(connection: Connection, path: str) -> tuple[str, ...]:
    """Return the ids on all pages; one that brings nothing new is the first one again."""
    found: dict[str, None] = {}
    after = ""
    for _ in range(_PAGES_LIMIT):
        page = await connection.get(f"{path}{after}")
        new = [each for each in texts_of(rows_of(page), "id") if each not in found]
        found |= dict.fromkeys(new)
        if not (new and fields_of(page).get("has_more")):
            break
        after = f"&after={quote(new[-1], safe='')}"
    return tuple(found)


def _offer(answers: Mapping[str, Any]) -> Offer:
    stated = str(fields_of(answers["/v1/version"]).get("version", ""))
    version = tuple(int(number) for number in re.findall(r"\d+", stated)[:3])
    if not version:
        raise fault("upstream_unexpected", f"version {stated[:100]!r}")
    shields = rows_of(answers.get("/v1/shields"))
    guards = {str(each.get("provider_resource_id")) for each in shields}
    catalogue = Catalogue(
        models=tuple(
            _model(each, model_id, guards)
            for each in rows_of(answers["/v1/models"])
            if (model_id := each.get("identifier") or each.get("id")) and isinstance(model_id, str)
        ),
        shields=texts_of(shields, "identifier"),
        vector_stores=answers["stores"],
    )
    return Offer(
        version,
        f"{'OGX' if version >= (1,) else 'Llama Stack'} {stated}",
        catalogue,
        {
            str(each.get("identifier")): _uri(each)
            for each in rows_of(answers.get("/v1/toolgroups"))
        },
        has_shields="/v1/shields" in answers,
    )


def _model(fields: Mapping[str, Any], model_id: str, guards: set[str]) -> Model:
    """Read a model as Llama Stack lists it, or as OpenAI does; a shield's model is for it alone."""
    about = fields_of(fields.get("custom_metadata")) or fields
    provider = str(about.get("provider_id") or model_id.partition("/")[0])
    name = str(about.get("provider_resource_id") or model_id)
    kind = str(about.get("model_type", "llm"))
    return Model(model_id, provider, name, kind == "llm", model_id in guards, kind)


def _uri(tool_group: Mapping[str, Any]) -> str | None:
    uri = fields_of(tool_group.get("mcp_endpoint")).get("uri")
    return uri if isinstance(uri, str) else None
