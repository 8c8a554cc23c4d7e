"""What requests may bring beside their bodies, and the headers of answers, by their names."""

from typing import Any

from service.routes.entrance import TICKET
from service.routes.openapi.operation import JSON

type Described = dict[str, Any]

_UUID = {"type": "string", "format": "uuid"}
_CURSOR = "^[0-9]{0,18}$"


def _query(name: str, means: str, schema: Described) -> Described:
    return {"name": name, "in": "query", "description": means, "schema": schema}


def _path(name: str, means: str) -> Described:
    return {"name": name, "in": "path", "required": True, "description": means, "schema": _UUID}


def _header(name: str, means: str, schema: Described) -> Described:
    return {"name": name, "in": "header", "description": means, "schema": schema}


def _sent(means: str, schema: Described | None = None) -> Described:
    return {"description": means, "schema": schema or {"type": "string"}}


PARAMETERS: dict[str, Described] = {
    "request_id": _path("request_id", "Which turn, as in `X-Request-Id`."),
    "conversation_id": _path("conversation_id", "Which conversation, as in `X-Conversation-Id`."),
    "last_event_id": _query(
        "last_event_id",
        "The id of the last event that the caller has, where it cannot send `Last-Event-ID`.",
        {"type": "string", "pattern": _CURSOR},
    ),
    "Last-Event-ID": _header(
        "Last-Event-ID",
        "The id of the last event that the caller has; what follows is told.",
        {"type": "string", "pattern": _CURSOR},
    ),
    "Idempotency-Key": _header(
        "Idempotency-Key",
        "What the caller calls this request: the same key and body is the same turn.",
        {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
    ),
    # A text that holds JSON: generators of clients pass over what has `content` for its `schema`.
    "MCP-HEADERS": _header(
        "MCP-HEADERS",
        "A JSON object: the name or the url of a configured MCP server to headers for it.",
        {
            "type": "string",
            "contentMediaType": JSON,
            "contentSchema": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "string",
                        "pattern": "^[\\x20-\\x7e]{0,8192}$",
                    },
                },
            },
            "examples": ['{"cluster":{"X-Namespace":"payments"}}'],
        },
    ),
    "names": _query(
        "names", "`1` adds `event:` to every event.", {"type": "string", "examples": ["1"]}
    ),
    "states": _query(
        "states",
        "`1` adds `state:`, the states that the machine moved through since the event before.",
        {"type": "string", "examples": ["1"]},
    ),
    "If-None-Match": _header(
        "If-None-Match", "The `ETag` of what the caller has.", {"type": "string"}
    ),
}
"""Parameters; what may be left out says no `required`."""

HEADERS: dict[str, Described] = {
    "Content-Location": _sent("Where the turn can be followed.", {"type": "string"}),
    "ETag": _sent("What stands for this version."),
    "Idempotent-Replayed": _sent(
        "This is the turn of an earlier request with the same key.", {"const": "true"}
    ),
    "Retry-After": _sent("After how many seconds to try again.", {"type": "integer", "minimum": 0}),
    "WWW-Authenticate": _sent("What a credential must be."),
    "X-Accel-Buffering": _sent("Tells proxies to pass the answer on as it comes.", {"const": "no"}),
    "X-Conversation-Id": _sent("The conversation of the turn.", _UUID),
    "X-Request-Id": _sent("What the turn is called.", _UUID),
    "X-Stream-Ticket": _sent(
        f"Opens this stream for what cannot send headers, as the parameter `{TICKET}` of its GET."
    ),
    "X-Turnstile-Recording": _sent("The recording that is played, percent-encoded."),
}
"""Headers of answers."""

SECURITY: dict[str, Described] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key or a token, whichever the settings of the service take.",
    },
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": TICKET,
        "description": "What `X-Stream-Ticket` has said: it opens one stream, for a limited time.",
    },
}
"""The ways in; a ticket opens only its own stream."""
