"""Errors as HTTP answers: one body for all, and never a traceback."""

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.errors import (
    ConversationBusy,
    InternalError,
    MethodNotAllowed,
    RouteUnknown,
    ServiceError,
)

logger = structlog.get_logger()


def problem(error: ServiceError, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the documented body of an error."""
    body: dict[str, object] = {
        "detail": {"response": error.response, "cause": error.cause},
        "code": error.code,
    }
    sent = dict(headers or {})
    if isinstance(error, ConversationBusy):
        body["request_id"] = error.request_id
        sent["Content-Location"] = f"/v1/streaming_query/{error.request_id}"
    if error.retry_after_s is not None:
        sent["Retry-After"] = str(error.retry_after_s)
    return JSONResponse(body, error.status_code, headers=sent)


async def service_error(_: Request, error: Exception) -> Response:
    """Answer what a use case refused."""
    return problem(error if isinstance(error, ServiceError) else InternalError("See the log."))


async def http_error(request: Request, error: Exception) -> Response:
    """Answer what routing refused."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == MethodNotAllowed.status_code:
        return problem(MethodNotAllowed(f"{request.method} is not possible here."), headers)
    if status == RouteUnknown.status_code:
        return problem(RouteUnknown("Check the path."), headers)
    return problem(InternalError(f"Status {status}."), headers)


async def crash(request: Request, error: Exception) -> Response:
    """Answer a bug of ours; the details are for the log."""
    logger.error("request.crashed", path=request.url.path, exc_info=error)
    return problem(InternalError("The details are in the log of the service."))
