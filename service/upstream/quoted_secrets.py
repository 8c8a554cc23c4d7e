"""Credentials that a server quotes, in errors or elsewhere: known ones are taken out."""

from collections.abc import Iterable

from service.domain import Plan

_REMOVED = b"[removed]"
_SHORTEST = 8
"""What is shorter is no secret, and could be a part of any word."""

_BEARER = "bearer "


def secrets_of(plan: Plan) -> tuple[str, ...]:
    """Return the values that MCP servers get as headers."""
    values = [value for server in plan.mcp_servers for value in server.headers.values()]
    bare = (each[len(_BEARER) :] if each.lower().startswith(_BEARER) else each for each in values)
    return long_enough(bare)


def long_enough(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return what can be told from any other word."""
    return tuple(each for each in secrets if len(each) >= _SHORTEST)


def without_secrets(said: bytes, secrets: Iterable[str]) -> bytes:
    """Return what a server has said without the secrets in it."""
    for secret in secrets:
        said = said.replace(secret.encode(), _REMOVED)
    return said
