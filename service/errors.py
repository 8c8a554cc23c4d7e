"""Why a request cannot be served: a stable code, an HTTP status and a safe sentence."""

_RETRY_AFTER_S = {429: 5, 503: 5}
"""When to ask again what the upstream could not answer now."""


class ServiceError(Exception):
    """A request cannot be served.

    `response` says what happened and `cause` why; both are safe to show to a client.
    `retry_after_s` becomes the header `Retry-After`.
    """

    code = "service_error"
    status_code = 500
    response = "The request cannot be served."
    retry_after_s: int | None = None

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class RequestNotJson(ServiceError):
    """The body is not JSON."""

    code = "request_not_json"
    status_code = 400
    response = "The request body is not a JSON object."


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
    """The cursor of a resume is not a number of this stream."""

    code = "cursor_invalid"
    status_code = 400
    response = "The position to resume from is not valid."


class TurnUnknown(ServiceError):
    """There is no such turn, or it is not the caller's."""

    code = "turn_unknown"
    status_code = 404
    response = "There is no such turn."


class ConversationUnknown(ServiceError):
    """There is no such conversation, or it is not the caller's."""

    code = "conversation_unknown"
    status_code = 404
    response = "There is no such conversation."


class ModelUnknown(ServiceError):
    """The upstream does not offer the model."""

    code = "model_unknown"
    status_code = 404
    response = "There is no such model."


class ShieldUnknown(ServiceError):
    """The upstream does not offer the shield."""

    code = "shield_unknown"
    status_code = 404
    response = "There is no such shield."


class VectorStoreUnknown(ServiceError):
    """The upstream does not offer the vector store."""

    code = "vector_store_unknown"
    status_code = 404
    response = "There is no such vector store."


class McpHeadersInvalid(ServiceError):
    """The header MCP-HEADERS is not what it should be."""

    code = "mcp_headers_invalid"
    status_code = 400
    response = "The header MCP-HEADERS is not valid."


class NotAwaiting(ServiceError):
    """The turn waits for no answers."""

    code = "not_awaiting"
    status_code = 409
    response = "The turn waits for no answers."


class AnswerTooLate(ServiceError):
    """The turn no longer waits for answers."""

    code = "answer_too_late"
    status_code = 410
    response = "The turn no longer waits for answers."


class AnswersDiffer(ServiceError):
    """The turn was answered before, and with something else."""

    code = "answers_differ"
    status_code = 409
    response = "The turn was answered before."


class TooManyTurns(ServiceError):
    """As many turns run as this process takes."""

    code = "too_many_turns"
    status_code = 503
    response = "The service is busy; try again later."
    retry_after_s = 5


class TooManyStreams(ServiceError):
    """As many streams are open as this process takes."""

    code = "too_many_streams"
    status_code = 503
    response = "Too many streams are open; try again later."
    retry_after_s = 5


class TooManyOwnStreams(TooManyStreams):
    """As many streams are open as one caller may have."""

    code = "too_many_own_streams"
    status_code = 429


class TooManyReaders(TooManyStreams):
    """As many readers follow a turn as may."""

    code = "too_many_readers"
    status_code = 429


class ConversationBusy(ServiceError):
    """A turn of the conversation is running; `request_id` is its."""

    code = "conversation_busy"
    status_code = 409
    response = "A turn of this conversation is still running."

    def __init__(self, request_id: str) -> None:
        super().__init__(f"It is the turn {request_id}.")
        self.request_id = request_id


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


class LogUnavailable(ServiceError):
    """What the processes of the service share cannot be reached."""

    code = "log_unavailable"
    status_code = 503
    response = "What the processes of the service share cannot be reached for now; try again."
    retry_after_s = 2


class Stopping(ServiceError):
    """The process is about to stop."""

    code = "stopping"
    status_code = 503
    response = "The service is stopping; try again on another instance."
    retry_after_s = 1


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


class InternalError(ServiceError):
    """A bug of ours; the log has the details."""

    code = "internal_error"
    status_code = 500
    response = "Something went wrong in the service."


class SettingsInvalid(ServiceError):
    """The service cannot start with these settings."""

    code = "settings_invalid"


class TurnRefused(ServiceError):
    """The turn failed before anything was said."""

    def __init__(self, code: str, status_code: int, response: str, cause: str) -> None:
        super().__init__(cause)
        self.code = code
        self.status_code = status_code
        self.response = response
        self.retry_after_s = _RETRY_AFTER_S.get(status_code)


class UpstreamReset(Exception):
    """The connection to the upstream was lost while its body came."""


class UpstreamError(ServiceError):
    """The upstream could not be used; `detail` is for the log.

    `untaken` tells that it has certainly not begun to do what it was asked.
    """

    def __init__(  # noqa: PLR0913 # what a client sees, what the log sees, and what is known
        self,
        code: str,
        response: str,
        status_code: int = 502,
        *,
        cause: str | None = None,
        detail: str | None = None,
        untaken: bool = False,
    ) -> None:
        super().__init__(cause or response)
        self.code = code
        self.status_code = status_code
        self.response = response
        self.retry_after_s = _RETRY_AFTER_S.get(status_code)
        self.detail = detail
        self.untaken = untaken
