"""Which URL does what. Every route of the service is in this table."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from service.routes import info, page
from service.routes import streaming_query as turns

type Handler = Callable[[Request], Awaitable[Response]]


class Endpoint(NamedTuple):
    """One route."""

    method: str
    path: str
    handler: Handler


# fmt: off
ROUTES: tuple[Endpoint, ...] = (
    Endpoint("POST", "/v1/streaming_query",                           turns.start),
    Endpoint("POST", "/v1/streaming_query/interrupt",                 turns.interrupt_by_body),
    Endpoint("GET",  "/v1/streaming_query/{request_id}",              turns.follow),
    Endpoint("POST", "/v1/streaming_query/{request_id}/interrupt",    turns.interrupt),
    Endpoint("POST", "/v1/streaming_query/{request_id}/tool_results", turns.answer),
    Endpoint("GET",  "/v1/info",                                      info.info),
    Endpoint("GET",  "/livez",                                        info.livez),
    Endpoint("GET",  "/readyz",                                       info.readyz),
    Endpoint("GET",  "/",                                             page.index),
    Endpoint("GET",  "/diagram.svg",                                  page.diagram),
)
# fmt: on


def starlette_routes() -> list[BaseRoute]:
    """Return the table as Starlette takes it, and the static files of the page."""
    routes: list[BaseRoute] = [
        Route(each.path, each.handler, methods=[each.method]) for each in ROUTES
    ]
    return [*routes, Mount("/web", page.web_files)]
