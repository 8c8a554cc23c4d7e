"""Any server, played below httpx, and what is asked of it."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import httpx
import respx

from tests.support.asgi import beside
from tests.support.stack import Answer, Asked, says

__all__ = ["Answer", "Asked", "PlayedServer", "Reply", "held", "says"]

type Reply = Answer | Exception | anyio.Event
"""What a server does: answer, fail, or be silent until an event, and answer what comes next."""


class PlayedServer:
    """Gives its replies to a path in order, and the last one again and again."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self._replies: dict[str, list[Reply]] = {}

    def on(self, path: str, *replies: Reply) -> "PlayedServer":
        """Say what is answered from now on."""
        self._replies[path] = list(replies)
        return self

    def to(self, path: str) -> list[Asked]:
        """Return the requests to a path."""
        return [each for each in self.asked if each.target == path]

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """Answer every request to the address; to any other none can be made."""
        async with respx.mock(assert_all_called=False, using="httpx") as router:
            router.route(url__startswith=self.url).mock(side_effect=self._answer)
            yield

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        body = json.loads(request.content) if request.content else None
        self.asked.append(Asked(request.method, path, request.headers, body))
        while True:
            replies = self._replies.get(path, [says({"detail": "Not Found"}, 404)])
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
            if isinstance(reply, Exception):
                raise reply
            if isinstance(reply, Answer):
                return reply.made()
            await reply.wait()


@asynccontextmanager
async def held(running: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
    """Hold a context beside the test, so that no task group wraps a failure of the test."""
    begun, over = anyio.Event(), anyio.Event()

    async def hold() -> None:
        async with running:
            begun.set()
            await over.wait()

    async with beside(hold):
        await begun.wait()
        try:
            yield
        finally:
            over.set()
