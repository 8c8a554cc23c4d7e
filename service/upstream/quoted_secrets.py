"""Credentials that a server quotes, in errors or elsewhere: known ones are taken out."""

import json
from base64 import b64encode
from collections.abc import Iterable

import httpx

from service.domain import Plan

_REMOVED = b"[removed]"
_SHORTEST = 8
"""What is shorter is no secret, and could be a part of any word."""


def secrets_of(plan: Plan) -> tuple[str, ...]:
    """Return the values that MCP servers get as headers."""
    return quotable(
        _credential(value) if name.endswith("authorization") else value
        for server in plan.mcp_servers
        for name, value in server.headers.items()
    )


def secrets_in(url: str) -> tuple[str, ...]:
    """Return the password that stands in an address, and the header that is made of it."""
    address = httpx.URL(url)
    if not address.password:
        return ()
    named = f"{address.username}:{address.password}"
    return quotable((address.password, b64encode(named.encode()).decode()))


def quotable(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return what can be told from any other word, as a server may write it."""
    long_enough = [each for each in secrets if len(each) >= _SHORTEST]
    # Also as JSON writes it.
    written = (spelt for each in long_enough for spelt in (each, json.dumps(each)[1:-1]))
    return tuple(dict.fromkeys(written))


def _credential(value: str) -> str:
    """Return a credential without its scheme, which is left out where it is quoted."""
    _, _, credential = value.partition(" ")
    return credential if credential and " " not in credential else value


def without_secrets(said: bytes, secrets: Iterable[str]) -> bytes:
    """Return what a server has said without the secrets in it."""
    for secret in secrets:
        said = said.replace(secret.encode(), _REMOVED)
    return said
