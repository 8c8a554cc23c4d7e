"""Where everybody comes in: who makes a request, and what it may do."""

from dataclasses import dataclass

from service.access.loopback import is_loopback
from service.access.policy import Policy
from service.access.tickets import Tickets
from service.domain import Action, Principal
from service.errors import Forbidden
from service.ports import Authenticator


@dataclass(frozen=True, slots=True)
class Gate:
    """Recognises who makes a request, by one authenticator and one policy.

    `only_here` tells that nobody but this machine may come in, because nobody is asked for a
    credential; pages of `origins` may all the same.
    """

    authenticator: Authenticator
    policy: Policy
    tickets: Tickets
    only_here: bool = False
    origins: tuple[str, ...] = ()

    def check_way(self, host: str | None, origin: str | None) -> None:
        """Let no page of another site in where no credential keeps it out.

        `host` and `origin` are the headers of these names. A browser on this machine can be led
        here by any page: with another name for this address, or with a request of its own.

        Raises:
            Forbidden: it is led by one.
        """
        if not self.only_here:
            return
        if host is not None and not is_loopback(_hostname(host)):
            raise Forbidden("Without authentication this machine has to be called by its address.")
        if origin is None or origin in self.origins:
            return
        if origin.partition("://")[2] != host:
            raise Forbidden("Without authentication no page of another origin may do this.")

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


def _hostname(host: str) -> str:
    """Return the name in a header Host, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
