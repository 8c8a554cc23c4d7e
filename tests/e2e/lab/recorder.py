"""One demonstration, asked of a real server through Turnstile, which records it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from service.domain import Thread
from service.settings import Settings
from service.turns.services import Services
from service.upstream.live import LiveUpstream
from service.wiring import services_on
from tests.e2e.lab.broken_line import broken_line
from tests.e2e.lab.demonstrations import Continuation, Demonstration
from tests.e2e.lab.laboratory import Laboratory
from tests.e2e.lab.seeding import documents, store_with
from tests.e2e.lab.told import Told
from tests.support.server import served_here

TURNS = "/v1/streaming_query"
LOST_GROUP = "mcp::observability"
TIMEOUT_S = 60

type Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """A recording that was just made, and what its client was told meanwhile."""

    name: str
    path: Path
    ends: str
    told: Told


class LabUpstream(LiveUpstream):
    """A server on which nothing is deleted, so that one turn can be answered in two ways."""

    def forget(self, thread: Thread) -> None:
        """Keep it; the whole laboratory goes in the end."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """Turnstile while it runs, a client of it, and where it records."""

    services: Services
    client: httpx.AsyncClient
    directory: Path

    async def ask(self, asked: Demonstration, fields: Fields) -> list[Made]:
        """Ask, and give every answer that the demonstration has to a turn that waits."""
        if asked.after:
            before = await self._post("", {"query": asked.after, **fields})
            fields = {**fields, "conversation_id": before.conversation_id}
        told = await self._post("", {"query": asked.question, **fields})
        made = [Made(asked.name, self._recorded(told), asked.ends, told)]
        for each in asked.continuations:
            answered = await self._answer(told, each)
            made.append(Made(each.name, self._recorded(answered), each.ends, answered))
            # A client answers once; here the same turn goes on once more from where it waits.
            await self.services.paused.release(told.request_id, answered.request_id)
        return made

    async def _answer(self, told: Told, given: Continuation) -> Told:
        calls = [{"call_id": call["call_id"], **given.answer} for call in told.last["calls"]]
        return await self._post(f"/{told.request_id}/tool_results", {given.field: calls})

    async def _post(self, route: str, body: Fields) -> Told:
        """Post, and return the whole stream, also of a turn that was refused in its first chunk."""
        answer = await self.client.post(f"{TURNS}{route}", json=body)
        if answer.is_error:
            answer = await self.client.get(f"{TURNS}/{answer.headers['x-request-id']}")
        return Told(answer.status_code, dict(answer.headers), answer.content).check()

    def _recorded(self, told: Told) -> Path:
        (path,) = self.directory.glob(f"*-{told.request_id}.jsonl")
        return path


async def record(asked: Demonstration, lab: Laboratory, directory: Path) -> list[Made]:
    """Record one demonstration with its continuations into a directory."""
    fields: Fields = {"shield_ids": [], "vector_store_ids": _stores(asked, lab), **asked.body}
    async with _address(asked, lab) as url:
        settings = Settings(**_settings(asked, lab, url, directory))
        services = services_on(LabUpstream(settings.upstream, settings.moderation), settings)
        async with (
            served_here(services) as address,
            httpx.AsyncClient(base_url=address, timeout=TIMEOUT_S, trust_env=False) as client,
        ):
            if asked.lost_tools:
                await _lose_tools(services, client, lab)
            return await Recorder(services, client, directory).ask(asked, fields)


@asynccontextmanager
async def _address(asked: Demonstration, lab: Laboratory) -> AsyncIterator[str]:
    if not asked.breaks_after:
        yield lab.url
        return
    url = httpx.URL(lab.url)
    async with broken_line(url.host, url.port or 0, asked.breaks_after) as address:
        yield address


def _settings(
    asked: Demonstration, lab: Laboratory, url: str, directory: Path
) -> Mapping[str, Any]:
    servers = []
    if asked.tools:
        servers.append({"name": "cluster", "url": lab.mcp_url, "approval": asked.tools})
    if asked.lost_tools:
        servers.append(
            {"name": "observability", "url": _other_address(lab), "tool_group": LOST_GROUP}
        )
    more = dict(asked.settings)
    thinking = {"reasoning_effort": "medium"} if asked.thinks else {}
    return {
        "system_prompt": asked.instructions,
        "mcp_servers": servers,
        "recording": {"directory": directory},
        "upstream": {"url": url, **thinking, **more.pop("upstream", {})},
        **more,
    }


def _stores(asked: Demonstration, lab: Laboratory) -> list[str]:
    if not asked.documents:
        return []
    chosen = [each for each in documents() if each.id in asked.documents]
    return [store_with(lab.server, lab.url, asked.name, chosen)]


async def _lose_tools(services: Services, client: httpx.AsyncClient, lab: Laboratory) -> None:
    """Let Turnstile see a tool group on the server, which is then deleted behind its back."""
    groups = f"{lab.url}/v1/toolgroups"
    body = {
        "toolgroup_id": LOST_GROUP,
        "provider_id": "model-context-protocol",
        "mcp_endpoint": {"uri": _other_address(lab)},
    }
    (await client.post(groups, json=body)).raise_for_status()
    await client.get("/readyz")  # it waits until Turnstile has started
    await services.upstream.catalogue(renew=True)
    (await client.delete(f"{groups}/{LOST_GROUP}")).raise_for_status()


def _other_address(lab: Laboratory) -> str:
    """The address of the MCP server in other words, so that it is a server of its own."""
    return lab.mcp_url.replace("127.0.0.1", "localhost")
