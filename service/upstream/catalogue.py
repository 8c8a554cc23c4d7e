"""What a server is and offers: asked for all at once, and kept for a short time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import structlog

from service.domain import Catalogue, Model
from service.errors import UpstreamError
from service.upstream.connection import Connection
from service.upstream.faults import fault

logger = structlog.get_logger()

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


@dataclass(slots=True, eq=False)
class CachedOffer:
    """Keeps the offer of a server for `ttl_s`; whoever needs a new one waits for the same one."""

    connection: Connection
    ttl_s: float
    _offer: Offer | None = None
    _expires_at: float = 0.0
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def get(self, *, renew: bool = False) -> Offer:
        """Return the offer; one that cannot be renewed is better than none.

        Raises:
            UpstreamError: the server cannot be asked, and never could.
        """
        asked_at = anyio.current_time()
        if self._offer and not renew and asked_at < self._expires_at:
            return self._offer
        async with self._lock:
            if self._offer and self._expires_at - self.ttl_s >= asked_at:
                return self._offer
            self._offer = await self._renewed()
            self._expires_at = anyio.current_time() + self.ttl_s
            return self._offer

    async def _renewed(self) -> Offer:
        try:
            return await fetch_offer(self.connection)
        except UpstreamError as failed:
            if self._offer is None:
                raise
            logger.warning("catalogue.not_renewed", code=failed.code, detail=failed.detail)
            return self._offer


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
    except* UpstreamError as refused:
        raise _first(refused) from None
    return _offer(answers)


def _first(group: BaseExceptionGroup[UpstreamError]) -> UpstreamError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


async def _vector_stores(connection: Connection) -> tuple[str, ...]:
    """Return the ids of all stores; servers before 0.3 may only have databases."""
    found: list[str] = []
    path = f"/v1/vector_stores?limit={_PAGE}"
    try:
        for _ in range(_PAGES_LIMIT):
            page = await connection.get(path)
            found += [store["id"] for store in _rows(page) if isinstance(store.get("id"), str)]
            if not (page.get("has_more") and found):
                break
            path = f"/v1/vector_stores?limit={_PAGE}&after={found[-1]}"
    except UpstreamError as refused:
        if refused.code != _NOT_FOUND:
            raise
        return ()
    return tuple(found)


def _offer(answers: Mapping[str, Any]) -> Offer:
    stated = str(_fields(answers["/v1/version"]).get("version", ""))
    version = tuple(int(number) for number in re.findall(r"\d+", stated)[:3])
    if not version:
        raise fault("upstream_unexpected", f"version {stated[:100]!r}")
    shields = _rows(answers.get("/v1/shields"))
    guards = {str(each.get("provider_resource_id")) for each in shields}
    catalogue = Catalogue(
        models=tuple(_model(each, guards) for each in _rows(answers["/v1/models"])),
        shields=tuple(str(each["identifier"]) for each in shields if "identifier" in each),
        vector_stores=answers["stores"],
    )
    return Offer(
        version,
        f"{'OGX' if version >= (1,) else 'Llama Stack'} {stated}",
        catalogue,
        {str(each.get("identifier")): _uri(each) for each in _rows(answers.get("/v1/toolgroups"))},
        has_shields="/v1/shields" in answers,
    )


def _model(fields: Mapping[str, Any], guards: set[str]) -> Model:
    """Read a model as Llama Stack lists it, or as OpenAI does; a shield's model is for it alone."""
    about = _fields(fields.get("custom_metadata")) or fields
    model_id = str(fields.get("identifier") or fields.get("id"))
    provider = str(about.get("provider_id") or model_id.partition("/")[0])
    name = str(about.get("provider_resource_id") or model_id)
    kind = about.get("model_type", "llm")
    return Model(model_id, provider, name, kind == "llm" and model_id not in guards)


def _uri(tool_group: Mapping[str, Any]) -> str | None:
    uri = _fields(tool_group.get("mcp_endpoint")).get("uri")
    return uri if isinstance(uri, str) else None


def _rows(answer: object) -> list[Mapping[str, Any]]:
    """Return the objects that an answer lists, whichever way."""
    listed = answer.get("data") if isinstance(answer, dict) else answer
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _fields(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
