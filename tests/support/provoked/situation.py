"""A situation, what it provokes, and how requests to it are made."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.app import create_app
from service.settings import Settings
from service.wiring import services_on
from tests.support.applications import QUERY, Application
from tests.support.asgi import Exchange
from tests.support.described import Told, route_of, told
from tests.support.upstreams import ScriptedUpstream

type Provoke = Callable[[Path], Awaitable[set[Told]]]
"""Makes requests, and returns what was answered; it may write in a directory of its own."""

SOME_ID = "8b6a3c6e-0f0c-4d5c-8b7e-2d3c1a5e9f10"
START, QUERIED = "POST /v1/streaming_query", "POST /v1/query"
FOLLOW = "GET /v1/streaming_query/{request_id}"
ANSWER = "POST /v1/streaming_query/{request_id}/tool_results"
STOP = "POST /v1/streaming_query/{request_id}/interrupt"
STOP_BY_BODY = "POST /v1/streaming_query/interrupt"
LIST, READ = "GET /v1/conversations", "GET /v1/conversations/{conversation_id}"
RENAME = "PATCH /v1/conversations/{conversation_id}"
DELETE = "DELETE /v1/conversations/{conversation_id}"
JUDGE, LEFT = "POST /v1/feedback", "GET /v1/quotas"

_BODIES: Mapping[str, object] = {
    START: QUERY,
    QUERIED: QUERY,
    ANSWER: {"tool_results": [{"call_id": "c1", "content": "3"}]},
    STOP_BY_BODY: {"request_id": SOME_ID},
    RENAME: {"title": "Pods"},
    JUDGE: {"request_id": SOME_ID, "sentiment": 1},
}


@dataclass(frozen=True, slots=True)
class Situation:
    """What it provokes, all at once, and nothing else."""

    name: str
    provokes: frozenset[Told]
    provoke: Provoke


def situation(*provokes: Told) -> Callable[[Provoke], Situation]:
    """Make a situation of what provokes these."""

    def made(provoke: Provoke) -> Situation:
        return Situation(provoke.__name__, frozenset(provokes), provoke)

    return made


def each_of(routes: Iterable[str], status: int, code: str = "") -> list[Told]:
    """Return the same for several routes."""
    return [Told(route, status, code) for route in routes]


def target_of(route: str, turn: Exchange | None = None) -> tuple[str, str]:
    """Return method and address of a request about a turn, or about none that there is."""
    headers = {} if turn is None else turn.headers
    method, _, path = route.partition(" ")
    return method, path.format(
        request_id=headers.get("x-request-id", SOME_ID),
        conversation_id=headers.get("x-conversation-id", SOME_ID),
    )


def body_of(route: str) -> object:
    """Return a body that a route takes."""
    return _BODIES.get(route)


def not_begun(upstream: ScriptedUpstream) -> Application:
    """Return an application whose life has not begun."""
    usual: dict[str, Any] = {}
    services = services_on(upstream, Settings(**usual))
    return Application(create_app(services), services, upstream)


async def heard(exchange: Exchange, method: str, target: str) -> Told:
    """Return what was answered, to its end."""
    await exchange.begun()
    body = await exchange.body()
    route = route_of(method, target.partition("?")[0])
    assert route is not None
    return told(route, exchange.status, exchange.headers, body)


async def ask(
    app: Application,
    route: str,
    *,
    turn: Exchange | None = None,
    body: Any = None,
    query: str = "",
    headers: Mapping[str, str] | None = None,
) -> Told:
    """Send a request, a good one where nothing else is given, and return what was answered."""
    method, path = target_of(route, turn)
    target = f"{path}?{query}" if query else path
    sent = body if body is not None else body_of(route)
    made, answer = await app.ask(method, target, sent, **(headers or {}))
    return told(route, made.status, made.headers, answer)
