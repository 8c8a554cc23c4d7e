"""Keys that the settings list. They are known by their hashes only."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from service.access.authenticators.tokens import presented
from service.domain import Identity
from service.errors import CredentialExpired, CredentialInvalid
from service.settings.access import ApiKeySettings

KEY_PREFIX = "turnstile_"
"""What our keys begin with, so that people and scanners see what they have found."""

_HASH_PREFIX = "sha256:"
_KEY_BYTES = 32


def new_key() -> str:
    """Return a key of 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def hash_of(key: str) -> str:
    """Return what the settings keep of a key.

    One round is enough: nobody can guess 256 random bits, however fast a hash is.
    """
    return _HASH_PREFIX + hashlib.sha256(key.encode()).hexdigest()


class ApiKeys:
    """Recognises the keys of the settings."""

    def __init__(self, keys: tuple[ApiKeySettings, ...], clock: Callable[[], float]) -> None:
        """Take the keys; `clock` says the seconds since the epoch."""
        self._keys = tuple((each.hash.encode(), _identity(each)) for each in keys)
        self._clock = clock

    def running(self) -> AbstractAsyncContextManager[None]:
        """See `Authenticator`."""
        return nullcontext()

    async def identify(self, token: str | None) -> Identity:
        """Return whose key this is; it takes the same time whichever it is, or none.

        Raises:
            CredentialMissing: there is none.
            CredentialInvalid, CredentialExpired: it is not taken, or no longer.
        """
        hashed = hash_of(presented(token)).encode()
        found: Identity | None = None
        for stored, identity in self._keys:
            if hmac.compare_digest(stored, hashed):
                found = identity
        if found is None:
            raise CredentialInvalid("There is no such key.")
        if found.expires_at is not None and self._clock() >= found.expires_at:
            raise CredentialExpired("The key has ended.")
        return found


def _identity(key: ApiKeySettings) -> Identity:
    return Identity(
        user=key.user or key.name,
        name=key.name,
        roles=key.roles,
        expires_at=key.expires_at.timestamp() if key.expires_at else None,
    )
