"""A row of the table of routes."""

from typing import NamedTuple

from service.domain import Action
from service.routes.entrance import Handler


class Endpoint(NamedTuple):
    """One route. Without an `action` it is open to everybody; nothing else is.

    `by_ticket` tells that a ticket of its stream opens it as well.
    """

    method: str
    path: str
    action: Action | None
    handler: Handler
    by_ticket: bool = False
