"""Who makes a request, and what may not leave."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from service.domain import Identity


class Authenticator(Protocol):
    """Recognises who makes a request."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Hold what is needed to recognise anybody; nothing works outside of this context."""
        ...

    async def identify(self, token: str | None) -> Identity:
        """Return whose token this is.

        Raises:
            CredentialMissing: there is none, and one is needed.
            CredentialInvalid, CredentialExpired: it is not taken here.
            Forbidden: it is known, and may not use this service at all.
            AuthenticationUnavailable: it cannot be told now.
        """
        ...


class Redacted(NamedTuple):
    """Texts without what may not leave, and how often each pattern was found, by its name."""

    texts: Sequence[str]
    counts: Mapping[str, int]


class Redactor(Protocol):
    """Takes out of texts what may not leave."""

    async def redact(self, texts: Sequence[str]) -> Redacted:
        """Return the texts, in order, with what was found replaced; others as they are.

        Raises:
            RedactionFailed: it would take too long.
        """
        ...
