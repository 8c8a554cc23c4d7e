"""From an in-band error of an upstream to `TurnFailed`.

A client may see what it did wrong (4xx, in the upstream's own words, one bounded line), but not
the upstream's internals: those go into `detail`, for the log.
"""

import re

from statemachine.errors import MalformedChunk, ProtocolViolation
from statemachine.events import TurnFailed
from statemachine.upstream.fields import Fields, json_text

CAUSE_LIMIT = 500
_DETAIL_LIMIT = 4_000
_LAYERS_LIMIT = 4
_PREFIX = re.compile(r"\s*+([45]\d\d)(?::\s*+|\s*\Z|(?=\s+[A-Z]))")
_WORDS = ("message", "detail", "error")
"""Where errors have their words, the surest first; an object there is an error by itself."""

_TOOLS_UNREACHABLE = re.compile(r"Toolgroup \S+ not found, available toolgroups:")
"""What agent turns say when an MCP server is down; the caller has no part in that."""

_NESTED = re.compile(r"Error code: ([1-5]\d\d)\b")

_BAD_IMAGES = (
    "empty_image_file",
    "failed_to_download_image",
    "image_content_policy_violation",
    "image_file_not_found",
    "image_parse_error",
    "image_too_small",
    "invalid_base64_image",
    "invalid_image",
    "invalid_image_format",
    "invalid_image_mode",
    "invalid_image_url",
    "unsupported_image_media_type",
)

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
    "image_file_too_large": 413,
    "image_too_large": 413,
    "server_error": 500,
    "service_unavailable": 503,
    "timeout": 504,
    "vector_store_timeout": 504,
    **dict.fromkeys(_BAD_IMAGES, 400),
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


def in_band_failure(chunk: Fields, kind: str) -> TurnFailed | None:
    """Return the failure that a chunk is, None for any other chunk.

    Such a chunk has an `error`, or it has words and lacks what tells the `kind` of a chunk.
    """
    if chunk.get("error") is not None:
        return upstream_failure(chunk["error"])
    wordy = chunk.get(kind) is None and any(chunk.get(name) is not None for name in _WORDS)
    return upstream_failure(chunk) if wordy else None


def upstream_failure(error: object) -> TurnFailed:
    """Return the failure that an upstream's error value stands for, whatever its shape.

    An error is a text, or an object with a text and perhaps `code`, `status` or `type`.
    """
    layers = _layers(error)
    text = _text(layers)
    if _TOOLS_UNREACHABLE.search(text):
        return TurnFailed(*_TOOLS_FAULT, cause=_TOOLS_FAULT[2], detail=text)
    prefix = _PREFIX.match(text)
    stated = _stated(layers) or (int(prefix[1]) if prefix else None)
    status = _nested(text, stated) or stated or 500
    fallback = _CLIENT_FAULT if status in _CLIENT_ERRORS else _SERVER_FAULT
    status_code, our_code, response = CLIENT_STATUS.get(status, fallback)
    # What the upstream quotes inside a 5xx is not its word to the client.
    own_words = status_code in _OWN_WORDS and status == stated
    own = text[prefix.end() :] if prefix else text
    said = f"status {status}" if stated else "an error without a status"
    cause = one_line(own if own_words else "") or f"The upstream reported {said}."
    return TurnFailed(our_code, status_code, response, cause, _detail(error, layers, text))


def violation_failure(violation: ProtocolViolation) -> TurnFailed:
    """Return the failure that a broken rule stands for."""
    response = "The upstream broke the protocol."
    return TurnFailed(violation.code, violation.status_code, response, one_line(str(violation)))


def one_line(text: str) -> str:
    """Return the first non-empty line, without control characters, bounded."""
    first = next((line for line in text[:_DETAIL_LIMIT].split("\n") if line.strip()), "")
    return "".join(letter for letter in first.strip() if letter.isprintable())[:CAUSE_LIMIT]


def _layers(error: object) -> list[Fields]:
    """Return the fields of an error and of the errors inside it, the outermost first."""
    layers: list[Fields] = [error if isinstance(error, dict) else {"message": error}]
    while len(layers) < _LAYERS_LIMIT:
        values = (layers[-1].get(name) for name in _WORDS)
        inner = next((each for each in values if isinstance(each, dict)), None)
        if inner is None:
            break
        layers.append(inner)
    return layers


def _detail(error: object, layers: list[Fields], text: str) -> str:
    """Return all that was said, for the log."""
    if text and len(layers) == 1 and layers[0].keys() <= {"message"}:
        return text
    try:
        return json_text(error)[:_DETAIL_LIMIT]
    except MalformedChunk:
        # What no parser gives; it is an error of the upstream all the same.
        return text


def _nested(text: str, stated: int | None) -> int | None:
    """Return the status of the model's own server, where it says more than a 5xx around it."""
    outer = stated is None or stated in _SERVER_ERRORS
    nested = _NESTED.search(text) if outer else None
    return int(nested[1]) if nested and nested[1] in ("429", "503", "504") else None


def _text(layers: list[Fields]) -> str:
    """Return the words of the outermost error that has some."""
    words = (layer.get(name) for layer in layers for name in _WORDS)
    return next((each for each in words if isinstance(each, str)), "")[:_DETAIL_LIMIT]


def _stated(layers: list[Fields]) -> int | None:
    """Return the status that a field names; an error that quotes another one says its own."""
    names = ("code", "status", "status_code", "type")
    stated = (_status(layer.get(name)) for layer in layers for name in names)
    return next(filter(None, stated), None)


def _status(value: object) -> int | None:
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"[45]\d\d", value) else STATUS_OF_CODE.get(value)
    known = type(value) is int and (value in _CLIENT_ERRORS or value in _SERVER_ERRORS)
    return int(str(value)) if known else None
