"""Where everybody comes in: who makes a request, and what it may do."""

from dataclasses import dataclass

from service.access.policy import Policy
from service.access.tickets import Tickets
from service.domain import Action, Principal
from service.errors import Forbidden
from service.ports import Authenticator


@dataclass(frozen=True, slots=True)
class Gate:
    """Recognises who makes a request, by one authenticator and one policy."""

    authenticator: Authenticator
    policy: Policy
    tickets: Tickets

    async def admit(self, token: str | None, action: Action) -> Principal:
        """Return who makes a request that needs an action.

        Raises:
            Forbidden: it may not do this.
            ServiceError: see `Authenticator.identify`.
        """
        principal = self.policy.principal(await self.authenticator.identify(token))
        if not principal.may(action):
            raise Forbidden(f"It needs the action {action}.")
        return principal
