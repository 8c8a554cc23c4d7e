"""From an in-band error of an upstream to `TurnFailed`.

A client may see what it did wrong (4xx, in the upstream's own words, one bounded line), but not
the upstream's internals: those go into `detail`, for the log.
"""

import re

from statemachine.errors import ProtocolViolation
from statemachine.events import TurnFailed
from statemachine.upstream.fields import Fields, json_text

CAUSE_LIMIT = 500
_DETAIL_LIMIT = 4_000
_PREFIX = re.compile(r"\s*([45]\d\d)(?::\s+|(?=\s+[A-Z]))")
_TOOLS_UNREACHABLE = re.compile(r"Toolgroup \S+ not found, available toolgroups:")
"""What agent turns say when an MCP server is down; the caller has no part in that."""

_NESTED = re.compile(r"Error code: ([1-5]\d\d)\b")

STATUS_OF_CODE = {
    "bad_request": 400,
    "context_length_exceeded": 413,
    "insufficient_quota": 429,
    "invalid_prompt": 400,
    "invalid_request": 400,
    "invalid_request_error": 400,
    "model_not_found": 404,
    "not_found": 404,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "image_parse_error": 400,
    "image_too_large": 413,
    "invalid_image": 400,
    "server_error": 500,
    "service_unavailable": 503,
    "timeout": 504,
    "vector_store_timeout": 504,
}
"""The named error codes seen in Responses streams, as HTTP statuses."""

CLIENT_STATUS = {
    400: (400, "upstream_bad_request", "The upstream refused the request."),
    404: (404, "upstream_not_found", "The upstream does not know something that was asked for."),
    409: (409, "upstream_conflict", "The upstream is busy with something in conflict."),
    413: (413, "upstream_too_large", "The request is too large for the upstream."),
    422: (422, "upstream_unprocessable", "The upstream cannot process the request."),
    429: (429, "upstream_rate_limited", "The upstream is rate limited; try again later."),
    401: (502, "upstream_denied", "The upstream refused our credentials."),
    403: (502, "upstream_denied", "The upstream refused our credentials."),
    408: (504, "upstream_timeout", "The upstream took too long."),
    426: (502, "upstream_version", "The upstream wants another client version."),
    503: (503, "upstream_unavailable", "The upstream is not available."),
    504: (504, "upstream_timeout", "The upstream took too long."),
}
_SERVER_FAULT = (502, "upstream_error", "The upstream failed.")
_CLIENT_FAULT = (400, "upstream_bad_request", "The upstream refused the request.")
_TOOLS_FAULT = (
    "upstream_tools_unreachable",
    502,
    "The upstream cannot reach a server of its tools.",
)
_CLIENT_ERRORS = range(400, 500)
_SERVER_ERRORS = range(500, 600)
_OWN_WORDS = frozenset({400, 404, 409, 413, 422, 429})


def upstream_failure(error: object) -> TurnFailed:
    """Return the failure that an upstream's error value stands for, whatever its shape.

    An error is a text, or an object with `message` and perhaps `code`, `status` or `type`.
    """
    fields = error if isinstance(error, dict) else {"message": error}
    message = fields.get("message")
    text = message if isinstance(message, str) else ""
    if _TOOLS_UNREACHABLE.search(text[:_DETAIL_LIMIT]):
        return TurnFailed(*_TOOLS_FAULT, cause=_TOOLS_FAULT[2], detail=text[:_DETAIL_LIMIT])
    stated = _stated(text, fields)
    status = _nested(text, stated) or stated or 500
    fallback = _CLIENT_FAULT if status in _CLIENT_ERRORS else _SERVER_FAULT
    status_code, our_code, response = CLIENT_STATUS.get(status, fallback)
    # What the upstream quotes inside a 5xx is not its word to the client.
    own_words = status_code in _OWN_WORDS and status == stated
    shown = _PREFIX.sub("", text, count=1) if own_words else ""
    said = f"status {status}" if stated else "an error without a status"
    cause = one_line(shown) or f"The upstream reported {said}."
    detail = json_text(error)[:_DETAIL_LIMIT] if fields.keys() - {"message"} or not text else text
    return TurnFailed(our_code, status_code, response, cause, detail[:_DETAIL_LIMIT])


def violation_failure(violation: ProtocolViolation) -> TurnFailed:
    """Return the failure that a broken rule stands for."""
    response = "The upstream broke the protocol."
    return TurnFailed(violation.code, violation.status_code, response, one_line(str(violation)))


def one_line(text: str) -> str:
    """Return the first non-empty line, without control characters, bounded."""
    first = next((line for line in text[:_DETAIL_LIMIT].split("\n") if line.strip()), "")
    return "".join(letter for letter in first.strip() if letter.isprintable())[:CAUSE_LIMIT]


def _nested(text: str, stated: int | None) -> int | None:
    """Return the status of the model's own server, where it says more than a 5xx around it."""
    outer = stated is None or stated in _SERVER_ERRORS
    nested = _NESTED.search(text[:_DETAIL_LIMIT]) if outer else None
    return int(nested[1]) if nested and nested[1] in ("429", "503", "504") else None


def _stated(text: str, fields: Fields) -> int | None:
    """Return the first status that a field names, else the one that the text begins with."""
    named = (_status(fields.get(name)) for name in ("code", "status", "status_code", "type"))
    status = next(filter(None, named), None)
    prefix = _PREFIX.match(text)
    return status or (int(prefix[1]) if prefix else None)


def _status(value: object) -> int | None:
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"[45]\d\d", value) else STATUS_OF_CODE.get(value)
    known = type(value) is int and (value in _CLIENT_ERRORS or value in _SERVER_ERRORS)
    return int(str(value)) if known else None
