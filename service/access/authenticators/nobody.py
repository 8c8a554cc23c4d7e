"""Everybody is one developer: for work on one's own machine."""

from contextlib import AbstractAsyncContextManager, nullcontext

from service.domain import Identity

DEVELOPER = "developer"


class Nobody:
    """Asks for no credential, and looks at none."""

    def __init__(self, roles: tuple[str, ...]) -> None:
        self._developer = Identity(user=DEVELOPER, name="Developer", roles=roles)

    def running(self) -> AbstractAsyncContextManager[None]:
        """See `Authenticator`."""
        return nullcontext()

    async def identify(self, token: str | None) -> Identity:  # noqa: ARG002 # by the port
        """Return the developer."""
        return self._developer
