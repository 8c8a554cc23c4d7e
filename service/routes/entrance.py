"""What every request passes before its handler: who makes it, and whether it may.

Nothing of a request but its headers and its address is looked at before.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from service.domain import Action, Principal
from service.routes.headers import bearer_token
from service.routes.services import services_of

type Handler = Callable[[Request], Awaitable[Response]]

TICKET = "ticket"
"""The name of the query parameter, for what cannot send headers (`EventSource`)."""


def guarded(handler: Handler, action: Action) -> Handler:
    """Return a handler that is only called for who may do something."""

    async def enter(request: Request) -> Response:
        request.state.principal = await _admitted(request, action)
        return await handler(request)

    enter.__doc__ = handler.__doc__
    return enter


def guarded_by_ticket(handler: Handler, action: Action) -> Handler:
    """Return a handler of one stream, to which a ticket opens the way as well."""

    async def enter(request: Request) -> Response:
        ticket = request.query_params.get(TICKET)
        if ticket is None or "authorization" in request.headers:
            request.state.principal = await _admitted(request, action)
        else:
            tickets, request_id = services_of(request).gate.tickets, request.path_params
            request.state.principal = tickets.read(ticket, request_id["request_id"].lower())
        return await handler(request)

    enter.__doc__ = handler.__doc__
    return enter


async def _admitted(request: Request, action: Action) -> Principal:
    gate, headers = services_of(request).gate, request.headers
    gate.check_way(headers.get("host"), headers.get("origin"))
    return await gate.admit(bearer_token(headers), action)
