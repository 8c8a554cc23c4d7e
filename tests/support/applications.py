"""The application under test on a scripted upstream; it must leave nothing behind."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

from starlette.applications import Starlette

from service.app import create_app
from service.domain import Catalogue
from service.settings import Settings
from service.storage.memory_log import MemoryLog
from service.storage.redis.log import RedisLog
from service.turns.services import Services
from service.wiring import services_on
from tests.support.asgi import Exchange, ask, exchange, lifespan
from tests.support.sse import Message, read_messages
from tests.support.upstreams import Script, ScriptedUpstream

type Asking = AbstractAsyncContextManager[Exchange]

TURNS = "/v1/streaming_query"
QUERY = {"query": "What is a pod?"}


@dataclass(frozen=True, slots=True)
class Application:
    """A running application and what it works with; `headers` are those of every request to it."""

    app: Starlette
    services: Services
    upstream: ScriptedUpstream
    headers: Mapping[str, str] = field(default_factory=dict)

    def sending(self, **headers: str) -> Self:
        """Return the same application, to which every request brings these headers."""
        return replace(self, headers=headers)

    def exchange(
        self, method: str, target: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Asking:
        """Send a request; see `exchange`."""
        sent = {**self.headers, **(headers or {})}
        return exchange(self.app, method, target, headers=sent, **options)

    def turn(
        self, parameters: str = "", headers: Mapping[str, str] | None = None, **fields: object
    ) -> Asking:
        """Start a turn and follow it; what is not given is that of `QUERY`."""
        body = json.dumps(QUERY | fields).encode()
        return self.exchange("POST", f"{TURNS}?{parameters}", body=body, headers=headers)

    def resume(self, turn: Exchange, parameters: str = "", **options: Any) -> Asking:
        """Follow a turn that was started before; see `exchange`."""
        return self.exchange("GET", f"{turn.headers['content-location']}?{parameters}", **options)

    async def ask(
        self, method: str, target: str, body: object = None, **headers: str
    ) -> tuple[Exchange, bytes]:
        """Send a request and wait for the whole answer."""
        return await ask(self.app, method, target, body, {**self.headers, **headers})

    def answer(self, turn: Exchange, **fields: object) -> Asking:
        """Answer the calls of a turn that waits, and follow it on."""
        target = f"{turn.headers['content-location']}/tool_results"
        return self.exchange("POST", target, body=json.dumps(fields).encode())

    async def ended(self, **fields: Any) -> Exchange:
        """Run a turn to its end."""
        async with self.turn(**fields) as turn:
            await turn.body()
        return turn

    async def goes_on(self, turn: Exchange, **fields: Any) -> Exchange:
        """Run the next turn of a conversation to its end."""
        return await self.ended(conversation_id=turn.headers["x-conversation-id"], **fields)

    async def interrupt(self, turn: Exchange) -> Any:
        """Stop a turn and return the answer."""
        _, answer = await self.ask("POST", f"{turn.headers['content-location']}/interrupt")
        return json.loads(answer)


@asynccontextmanager
async def application(
    *scripts: Script, catalogues: tuple[Catalogue | None, ...] = (None,), **settings: Any
) -> AsyncIterator[Application]:
    """Run an application on a scripted upstream; on leaving, nothing of it may be left."""
    upstream = ScriptedUpstream(*scripts, catalogues=catalogues)
    services = services_on(upstream, Settings(**settings))
    app = create_app(services)
    async with lifespan(app):
        yield Application(app, services, upstream)
    assert_nothing_left(services)


def assert_nothing_left(services: Services) -> None:
    """No turn runs, and nobody waits for the log."""
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert [name for name in names if name.startswith("turn ")] == []
    assert not services.live._turns
    assert isinstance(services.log, MemoryLog | RedisLog)
    assert [each for each in services.log._turns.kept if each.waiters or each.readers] == []


def events(body: bytes) -> list[dict[str, Any]]:
    """Return the envelopes of a native stream, with the ids of their frames checked."""
    return [_envelope(message) for message in read_messages(body)]


def _envelope(message: Message) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(message.data)
    number = envelope["data"].get("id")
    assert number is None or message.last_id == str(number)
    return envelope


def names(body: bytes) -> list[str]:
    """Return the names of the events of a native stream."""
    return [each["event"] for each in events(body)]
