"""The application on a live adapter; only HTTP to the server is played."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette

from service.app import create_app
from service.settings import Settings
from service.wiring import services_on
from tests.support.applications import QUERY, TURNS, assert_nothing_left, events
from tests.support.asgi import Exchange, ask, lifespan
from tests.support.stack import FakeStack, live, mocked

type Told = tuple[int, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class LiveApplication:
    """A running application before a played server."""

    app: Starlette

    async def turn(self, **fields: object) -> Told:
        """Ask, and return the status and the events; of a refusal its one body."""
        return await self._told(TURNS, QUERY | fields)

    async def goes_on(self, after: Told, **fields: object) -> Told:
        """Ask again in the same conversation."""
        return await self.turn(conversation_id=after[1][0]["data"]["conversation_id"], **fields)

    async def answer(self, turn: Told, **answers: object) -> Told:
        """Answer a turn that waits."""
        request_id = turn[1][0]["data"]["request_id"]
        return await self._told(f"{TURNS}/{request_id}/tool_results", answers)

    async def ask(self, method: str, target: str, body: object = None) -> tuple[Exchange, bytes]:
        """Send a request and wait for the whole answer."""
        return await ask(self.app, method, target, body)

    async def _told(self, target: str, body: object) -> Told:
        made, data = await ask(self.app, "POST", target, body)
        return made.status, events(data) if made.status == 200 else [json.loads(data)]


@asynccontextmanager
async def live_application(stack: FakeStack, **settings: Any) -> AsyncIterator[LiveApplication]:
    """Run the application before a played server; on leaving, nothing of it may be left."""
    chosen = Settings(**settings)
    services = services_on(live(chosen.moderation), chosen)
    app = create_app(services)
    async with mocked(stack), lifespan(app):
        yield LiveApplication(app)
    assert_nothing_left(services)
