"""Request headers that say something to a turn."""

import re
from collections.abc import Mapping

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request

from service.domain import Caller, Principal
from service.errors import CursorInvalid, IdempotencyKeyInvalid, McpHeadersInvalid

_CURSOR = re.compile(r"[0-9]{1,18}")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_VALUE = re.compile(r"[\x20-\x7e]{0,8192}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_BEARER = "bearer "
_FRAMING = frozenset(
    {
        "accept",
        "connection",
        "content-length",
        "content-type",
        "host",
        "mcp-protocol-version",
        "mcp-session-id",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that a request to an MCP server has of its own."""


def bearer_token(headers: Headers) -> str | None:
    """Return the caller's own token."""
    stated = headers.get("authorization", "")
    return stated[len(_BEARER) :].strip() or None if stated.lower().startswith(_BEARER) else None


def caller(request: Request, principal: Principal) -> Caller:
    """Return who makes a request, and what it brings for MCP servers.

    Raises:
        McpHeadersInvalid: see `mcp_headers`.
    """
    headers = request.headers
    return Caller(principal, bearer_token(headers), mcp_headers(headers))


def mcp_headers(headers: Headers) -> Mapping[str, Mapping[str, str]] | None:
    """Return the headers for MCP servers, by name or url of the server, in lower case.

    Raises:
        McpHeadersInvalid: it is no JSON object of objects, or not made of HTTP headers.
    """
    given = headers.getlist("mcp-headers")
    if not given:
        return None
    if len(given) > 1:
        raise McpHeadersInvalid("It may be there once only.")
    (stated,) = given
    try:
        parsed = msgspec.json.decode(stated, type=dict[str, dict[str, str]])
    except (msgspec.DecodeError, RecursionError) as refused:
        raise McpHeadersInvalid(
            "It must be a JSON object: the name or url of a server to an object of headers."
        ) from refused
    return {server: _checked(server, given) for server, given in parsed.items()}


def idempotency_key(headers: Headers) -> str | None:
    """Return what the caller has called its request.

    Raises:
        IdempotencyKeyInvalid: it cannot be a name.
    """
    given = headers.getlist("idempotency-key")
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise IdempotencyKeyInvalid("It must be 1 to 255 visible ASCII characters, given once.")
    return given[0]


def cursor(stated: str | None) -> int:
    """Return the number of the last event that a caller has; without one it has none.

    Raises:
        CursorInvalid: it is no number.
    """
    if not stated:
        return 0
    if not _CURSOR.fullmatch(stated):
        raise CursorInvalid("Last-Event-ID must be the id of an event of this stream.")
    return int(stated)


def _checked(server: str, given: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in given.items():
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise McpHeadersInvalid(f"The headers for {server[:100]!r} are not HTTP headers.")
        if name.lower() in _FRAMING:
            raise McpHeadersInvalid(f"The header {name} cannot be given for an MCP server.")
    return {name.lower(): value for name, value in given.items()}
