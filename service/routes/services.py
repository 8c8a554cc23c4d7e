"""How a handler finds the services, and who makes its request."""

from starlette.requests import Request

from service.domain import Principal
from service.turns.services import Services


def services_of(request: Request) -> Services:
    """Return the services of the application that a request came to."""
    services: Services = request.app.state.services
    return services


def principal_of(request: Request) -> Principal:
    """Return who makes a request that was let in (`routes/entrance.py`)."""
    principal: Principal = request.state.principal
    return principal
