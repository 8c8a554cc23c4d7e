"""Tickets open one stream for a short time, for clients that cannot send a header.

A ticket is a user and an end, signed together with the stream that it is for. Who has a ticket
can read them, and follow that stream; nothing else can be done with it.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from service.domain import Action, Principal
from service.errors import CredentialExpired, CredentialInvalid

_PURPOSE = b"turnstile ticket 1"
"""Makes the key another one than that of anything else that is signed with the same secret."""

_TICKET_LIMIT_CHARACTERS = 4_096


class _Content(NamedTuple):
    user: str
    expires_at: float


class Tickets:
    """Issues tickets and reads them; without a secret only this process can read its own."""

    def __init__(self, secret: bytes | None, ttl_s: float, clock: Callable[[], float]) -> None:
        """Take the secret; `clock` says the seconds since the epoch."""
        self._key = hmac.digest(secret or secrets.token_bytes(32), _PURPOSE, "sha256")
        self._ttl_s = ttl_s
        self._clock = clock

    def issue(self, principal: Principal, request_id: str) -> str:
        """Return a ticket for one stream; it ends with the credential, if that ends before."""
        ends_at = self._clock() + self._ttl_s
        if principal.expires_at is not None:
            ends_at = min(ends_at, principal.expires_at)
        content = _safe(msgspec.json.encode(_Content(principal.user, ends_at)))
        return f"{content.decode()}.{self._signature(content, request_id).decode()}"

    def read(self, ticket: str, request_id: str) -> Principal:
        """Return on whose behalf the stream is followed.

        Raises:
            CredentialInvalid: it is no ticket for this stream.
            CredentialExpired: it was one.
        """
        if len(ticket) > _TICKET_LIMIT_CHARACTERS or not ticket.isascii():
            raise CredentialInvalid("The ticket is not for this stream.")
        content, _, signature = ticket.encode().partition(b".")
        if not hmac.compare_digest(signature, self._signature(content, request_id)):
            raise CredentialInvalid("The ticket is not for this stream.")
        user, expires_at = msgspec.json.decode(urlsafe_b64decode(content + b"=="), type=_Content)
        if self._clock() >= expires_at:
            raise CredentialExpired("The ticket has ended.")
        allowed = frozenset({Action.STREAMING_QUERY})
        return Principal(user, actions=allowed, expires_at=expires_at)

    def _signature(self, content: bytes, request_id: str) -> bytes:
        # The content has no line feed, so nothing can be moved from one to the other.
        signed = request_id.encode("utf-8", "surrogatepass") + b"\n" + content
        return _safe(hmac.digest(self._key, signed, "sha256"))


def _safe(data: bytes) -> bytes:
    """Return what can stand in a URL as it is."""
    return urlsafe_b64encode(data).rstrip(b"=")
