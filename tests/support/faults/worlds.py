"""The service with all that is around it: replicas in this process, and what they share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

from service.app import create_app
from service.settings import Settings
from service.turns.services import Services
from service.wiring import services_on
from tests.support.asgi import lifespan
from tests.support.faults.leaks import Traces, assert_no_traces, assert_services_idle
from tests.support.faults.lines import Dial, InProcess
from tests.support.faults.readers import Reader
from tests.support.faults.socket_lines import OverSocket
from tests.support.faults.upstreams import PlayingUpstream
from tests.support.server import served_here
from tests.support.upstreams import Script


@dataclass(frozen=True, slots=True)
class Replica:
    """One service, and how it is reached."""

    services: Services
    dial: Dial


@dataclass(frozen=True, slots=True)
class World:
    """Replicas on one upstream."""

    replicas: tuple[Replica, ...]
    upstream: PlayingUpstream

    def dial(self, number: int = 0) -> Dial:
        """Return the way to a replica, counted round and round."""
        return self.replicas[number % len(self.replicas)].dial

    def reader(self, number: int = 0, of: Reader | None = None, after: str = "") -> Reader:
        """Return a new reader at a replica, of the same turn as another one."""
        return Reader(self.dial(number), of.request_id if of else "", after)

    async def asked(self, script: Script, number: int = 0, **fields: Any) -> Reader:
        """Ask a replica what is answered by a script."""
        reader = self.reader(number)
        await reader.ask(self.upstream.says(script), **fields)
        return reader

    async def undisturbed(self, reader: Reader, number: int = 0) -> Reader:
        """Return a reader of the whole turn to which nothing happens."""
        whole = self.reader(number, of=reader)
        await whole.follow()
        return whole


@asynccontextmanager
async def world(
    replicas: int = 1,
    *,
    pace_s: float = 0.0,
    redis_url: str | None = None,
    sockets: bool = False,
    **settings: Any,
) -> AsyncIterator[World]:
    """Run replicas on an upstream that takes its time; what they share makes them one service.

    With a Redis they have the file of a database as well. They are called in this process, or
    reached over sockets. On leaving, nothing of them may be left.
    """
    upstream = PlayingUpstream(pace_s)
    settings["redis"] = {"url": redis_url, **settings.get("redis", {})}
    before = Traces.now()
    async with AsyncExitStack() as stack:
        if redis_url is not None:
            place = stack.enter_context(TemporaryDirectory(prefix="turnstile-world-"))
            settings.setdefault("database", {"url": f"sqlite:///{place}/turnstile.db"})
        made = []
        for _ in range(replicas):
            services = services_on(upstream, Settings(**settings))
            made.append(Replica(services, await _served(stack, services, sockets=sockets)))
        yield World(tuple(made), upstream)
        for each in made:
            await each.services.live.ended()
            assert_services_idle(each.services)
    await assert_no_traces(before)


async def _served(stack: AsyncExitStack, services: Services, *, sockets: bool) -> Dial:
    if sockets:
        return OverSocket(await stack.enter_async_context(served_here(services)))
    app = create_app(services)
    await stack.enter_async_context(lifespan(app))
    return InProcess(app)
