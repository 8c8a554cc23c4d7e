"""What a server is and offers: asked for all at once, and kept for a short time."""

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import anyio
import structlog
from anyio.abc import TaskGroup

from service.domain import Catalogue, Model
from service.errors import UpstreamError
from service.upstream.connection import Connection
from service.upstream.faults import fault

logger = structlog.get_logger()

_STALE_TTLS = 9
"""For how many times its own life an old offer is used while a new one is asked for."""

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
    """Keeps the offer of a server for `ttl_s`, and renews it beside the turn that finds it old.

    Who needs a new one for certain, or finds one that is very old, waits for the same one.
    """

    connection: Connection
    ttl_s: float
    _offer: Offer | None = None
    _failed: UpstreamError | None = None
    _answers: int = 0
    _expires_at: float = 0.0
    _lock: anyio.Lock = field(default_factory=anyio.Lock)
    _tasks: TaskGroup | None = None
    _renewing: bool = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Renew offers until the context is left."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self._tasks = None
                tasks.cancel_scope.cancel()

    async def get(self, *, renew: bool = False) -> Offer:
        """Return the offer; one that cannot be renewed is better than none.

        Raises:
            UpstreamError: the server cannot be asked, and never could.
        """
        if self._offer and not renew and self._usable():
            return self._offer
        known = self._answers
        async with self._lock:
            # Who has waited for another caller gets what that one got, even a failure.
            if self._answers == known:
                await self._renew()
        if self._offer is not None:
            return self._offer
        raise self._failed or fault("upstream_unexpected", "no answer")

    def _usable(self) -> bool:
        """Tell whether the offer can be used now; an old one is, while a new one is asked for."""
        now = anyio.current_time()
        if now < self._expires_at:
            return True
        if self._tasks is None or now > self._expires_at + _STALE_TTLS * self.ttl_s:
            return False
        if not self._renewing:
            self._renewing = True
            self._tasks.start_soon(self._renew_beside)
        return True

    async def _renew_beside(self) -> None:
        try:
            async with self._lock:
                await self._renew()
        finally:
            self._renewing = False

    async def _renew(self) -> None:
        try:
            self._offer = await fetch_offer(self.connection)
        except UpstreamError as failed:
            self._failed = failed
            if self._offer is not None:
                logger.warning("catalogue.not_renewed", code=failed.code, detail=failed.detail)
        self._answers += 1
        self._expires_at = anyio.current_time() + self.ttl_s


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
        return _texts(_rows(await connection.get("/v1/vector-dbs")), "identifier")
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
        new = [each for each in _texts(_rows(page), "id") if each not in found]
        found |= dict.fromkeys(new)
        if not (new and _fields(page).get("has_more")):
            break
        after = f"&after={quote(new[-1], safe='')}"
    return tuple(found)


def _offer(answers: Mapping[str, Any]) -> Offer:
    stated = str(_fields(answers["/v1/version"]).get("version", ""))
    version = tuple(int(number) for number in re.findall(r"\d+", stated)[:3])
    if not version:
        raise fault("upstream_unexpected", f"version {stated[:100]!r}")
    shields = _rows(answers.get("/v1/shields"))
    guards = {str(each.get("provider_resource_id")) for each in shields}
    catalogue = Catalogue(
        models=tuple(
            _model(each, model_id, guards)
            for each in _rows(answers["/v1/models"])
            if (model_id := each.get("identifier") or each.get("id")) and isinstance(model_id, str)
        ),
        shields=_texts(shields, "identifier"),
        vector_stores=answers["stores"],
    )
    return Offer(
        version,
        f"{'OGX' if version >= (1,) else 'Llama Stack'} {stated}",
        catalogue,
        {str(each.get("identifier")): _uri(each) for each in _rows(answers.get("/v1/toolgroups"))},
        has_shields="/v1/shields" in answers,
    )


def _model(fields: Mapping[str, Any], model_id: str, guards: set[str]) -> Model:
    """Read a model as Llama Stack lists it, or as OpenAI does; a shield's model is for it alone."""
    about = _fields(fields.get("custom_metadata")) or fields
    provider = str(about.get("provider_id") or model_id.partition("/")[0])
    name = str(about.get("provider_resource_id") or model_id)
    kind = about.get("model_type", "llm")
    return Model(model_id, provider, name, kind == "llm", model_id in guards)


def _uri(tool_group: Mapping[str, Any]) -> str | None:
    uri = _fields(tool_group.get("mcp_endpoint")).get("uri")
    return uri if isinstance(uri, str) else None


def _rows(answer: object) -> list[Mapping[str, Any]]:
    """Return the objects that an answer lists, whichever way."""
    listed = answer.get("data") if isinstance(answer, dict) else answer
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _texts(rows: Iterable[Mapping[str, Any]], name: str) -> tuple[str, ...]:
    """Return what the objects have under a name, where it is a text."""
    values = (row.get(name) for row in rows)
    return tuple(value for value in values if isinstance(value, str) and value)


def _fields(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
