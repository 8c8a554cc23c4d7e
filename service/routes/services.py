"""How a handler finds the services."""

from starlette.requests import Request

from service.turns.services import Services


def services_of(request: Request) -> Services:
    """Return the services of the application that a request came to."""
    services: Services = request.app.state.services
    return services
