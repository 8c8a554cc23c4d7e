"""Which URL does what, and which action it needs. Every route of the service is in this table."""

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from service.domain import Action
from service.routes import (
    authorized,
    catalogue,
    conversations,
    docs,
    feedback,
    info,
    metrics,
    page,
    query,
    quotas,
)
from service.routes import streaming_query as turns
from service.routes.endpoint import Endpoint
from service.routes.entrance import Handler, guarded, guarded_by_ticket

_ASK, _OPEN = Action.STREAMING_QUERY, None

# fmt: off
ROUTES: tuple[Endpoint, ...] = (
    Endpoint("POST",   "/v1/streaming_query",                           _ASK,                       turns.start),
    Endpoint("POST",   "/v1/streaming_query/interrupt",                 Action.INTERRUPT,           turns.interrupt_by_body),
    Endpoint("GET",    "/v1/streaming_query/{request_id}",              _ASK,                       turns.follow, by_ticket=True),
    Endpoint("POST",   "/v1/streaming_query/{request_id}/interrupt",    Action.INTERRUPT,           turns.interrupt),
    Endpoint("POST",   "/v1/streaming_query/{request_id}/tool_results", _ASK,                       turns.answer),
    Endpoint("POST",   "/v1/query",                                     Action.QUERY,               query.query),
    Endpoint("GET",    "/v1/conversations",                             Action.LIST_CONVERSATIONS,  conversations.listed),
    Endpoint("GET",    "/v1/conversations/{conversation_id}",           Action.GET_CONVERSATION,    conversations.read),
    Endpoint("PATCH",  "/v1/conversations/{conversation_id}",           Action.UPDATE_CONVERSATION, conversations.rename),
    Endpoint("DELETE", "/v1/conversations/{conversation_id}",           Action.DELETE_CONVERSATION, conversations.delete),
    Endpoint("POST",   "/v1/feedback",                                  Action.FEEDBACK,            feedback.give),
    Endpoint("GET",    "/v1/models",                                    Action.GET_MODELS,          catalogue.models),
    Endpoint("GET",    "/v1/shields",                                   Action.GET_SHIELDS,         catalogue.shields),
    Endpoint("GET",    "/v1/tools",                                     Action.GET_TOOLS,           catalogue.tools),
    Endpoint("GET",    "/v1/quotas",                                    Action.GET_QUOTAS,          quotas.quotas),
    Endpoint("POST",   "/v1/authorized",                                Action.AUTHORIZED,          authorized.authorized),
    Endpoint("GET",    "/v1/info",                                      Action.INFO,                info.info),
    Endpoint("GET",    "/metrics",                                      Action.GET_METRICS,         metrics.metrics),
    Endpoint("GET",    "/livez",                                        _OPEN,                      info.livez),
    Endpoint("GET",    "/readyz",                                       _OPEN,                      info.readyz),
    Endpoint("GET",    "/openapi.json",                                 _OPEN,                      docs.openapi_json),
    Endpoint("GET",    "/docs",                                         _OPEN,                      docs.docs_page),
    Endpoint("GET",    "/",                                             _OPEN,                      page.index),
    Endpoint("GET",    "/diagram.svg",                                  _OPEN,                      page.diagram),
)
# fmt: on


def starlette_routes() -> list[BaseRoute]:
    """Return the table as Starlette takes it, and the static files of the page.

    An address is one route, so that who comes with another method is told all that it takes.
    """
    by_path: dict[str, dict[str, Handler]] = {}
    for each in ROUTES:
        by_path.setdefault(each.path, {})[each.method] = _entered(each)
    routes = [_route(path, handlers) for path, handlers in by_path.items()]
    return [*routes, Mount("/web", page.web_files)]


def _route(path: str, handlers: Mapping[str, Handler]) -> Route:
    route = Route(path, _by_method(handlers), methods=list(handlers))
    # Starlette ends it with `$`, which is also before a line break at the end of an address.
    route.path_regex = re.compile(route.path_regex.pattern.removesuffix("$") + r"\Z")
    return route


def _by_method(handlers: Mapping[str, Handler]) -> Handler:
    async def handle(request: Request) -> Response:
        # HEAD is the only one that Starlette lets in besides.
        method = "GET" if request.method == "HEAD" else request.method
        return await handlers[method](request)

    return handle


def _entered(endpoint: Endpoint) -> Handler:
    if endpoint.action is None:
        return endpoint.handler
    guard = guarded_by_ticket if endpoint.by_ticket else guarded
    return guard(endpoint.handler, endpoint.action)
