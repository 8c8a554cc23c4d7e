"""How claims are found in what an authenticator was told, and which can be a user."""

from collections.abc import Mapping
from typing import Final, TypeGuard

MISSING: Final = object()
"""There is no such claim, which is not the same as one that is null."""

USER_LIMIT_CHARACTERS = 512


def claim(claims: Mapping[str, object], path: str) -> object:
    """Return the value of a claim, `MISSING` without one; dots lead into objects.

    At each level the whole of what is left is tried first, for names that have dots themselves.
    """
    value: object = claims
    rest = path
    while isinstance(value, Mapping):
        if rest in value:
            return value[rest]
        head, dot, rest = rest.partition(".")
        if not dot:
            return MISSING
        value = value.get(head, MISSING)
    return MISSING


def is_user(value: object) -> TypeGuard[str]:
    """Tell whether a value can tell a person apart everywhere: in a database, a log, a file."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= USER_LIMIT_CHARACTERS
        and value.isprintable()
        and not value.isspace()
    )
