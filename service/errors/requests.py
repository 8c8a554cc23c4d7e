"""What is wrong with a request itself."""

from service.errors.base import ServiceError


class RequestNotHttp(ServiceError):
    """What came is not HTTP."""

    code = "request_not_http"
    status_code = 400
    response = "This is no HTTP request."


class HeadTooLarge(ServiceError):
    """The address and the headers exceed the limit."""

    code = "head_too_large"
    status_code = 431
    response = "The head of the request is too large."


class RequestNotJson(ServiceError):
    """The body is not JSON."""

    code = "request_not_json"
    status_code = 400
    response = "The request body is not JSON."


class RequestInvalid(ServiceError):
    """The body is JSON, but not what the route takes."""

    code = "request_invalid"
    status_code = 422
    response = "The request is not valid."


class BodyTooLarge(ServiceError):
    """The body exceeds the limit."""

    code = "body_too_large"
    status_code = 413
    response = "The request body is too large."


class BodyTooSlow(ServiceError):
    """The body did not come in time."""

    code = "body_too_slow"
    status_code = 408
    response = "The request body took too long."


class CursorInvalid(ServiceError):
    """The position to go on from is none that was given for this."""

    code = "cursor_invalid"
    status_code = 400
    response = "The position to resume from is not valid."


class McpHeadersInvalid(ServiceError):
    """The header MCP-HEADERS is not what it should be."""

    code = "mcp_headers_invalid"
    status_code = 400
    response = "The header MCP-HEADERS is not valid."


class IdempotencyKeyInvalid(ServiceError):
    """The header Idempotency-Key is not what it should be."""

    code = "idempotency_key_invalid"
    status_code = 400
    response = "The header Idempotency-Key is not valid."


class IdempotencyKeyReused(ServiceError):
    """The same Idempotency-Key came with another body before."""

    code = "idempotency_key_reused"
    status_code = 409
    response = "This Idempotency-Key was used for another request."


class TurnOver(ServiceError):
    """The turn of this Idempotency-Key has run, and its stream is no longer kept."""

    code = "turn_over"
    status_code = 409
    response = "This was asked before; its answer is in its conversation, unless that was deleted."


class RedactionFailed(ServiceError):
    """What must not leave could not be found in time."""

    code = "redaction_failed"
    status_code = 422
    response = "The request cannot be searched for what must not leave; make it shorter."


class RouteUnknown(ServiceError):
    """No route has this path."""

    code = "route_unknown"
    status_code = 404
    response = "There is nothing at this address."


class MethodNotAllowed(ServiceError):
    """The route has no such method."""

    code = "method_not_allowed"
    status_code = 405
    response = "This address does not take that method."
