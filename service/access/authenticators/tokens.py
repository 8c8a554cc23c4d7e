"""What is true of every token that somebody sends."""

import math

from service.errors import CredentialInvalid, CredentialMissing

_TOKEN_LIMIT_CHARACTERS = 16 * 1024
"""Above every token that is in use; nothing is computed from a longer one."""

_LATEST = 253_402_300_799.0
"""The end of the year 9999: later ends are as good as this one, and fit everywhere."""


def presented(token: str | None) -> str:
    """Return a token that is worth a look.

    Raises:
        CredentialMissing: there is none.
        CredentialInvalid: it is too long, or has characters that no token has.
    """
    if not token:
        raise CredentialMissing("Send a token in the header Authorization, after Bearer.")
    if len(token) > _TOKEN_LIMIT_CHARACTERS:
        raise CredentialInvalid("The token is too long.")
    if not (token.isascii() and token.isprintable()):
        raise CredentialInvalid("The token has characters that no token has.")
    return token


def as_time(claim: object) -> float | None:
    """Return a claim that is a time, in seconds since the epoch; None: it is none."""
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        return None
    if isinstance(claim, float) and math.isnan(claim):
        return None
    return float(min(claim, _LATEST))
