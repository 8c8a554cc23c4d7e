"""Errors as HTTP answers: one body for all, and never a traceback."""

from collections.abc import Mapping

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.errors import (
    ConversationBusy,
    CredentialMissing,
    InternalError,
    MethodNotAllowed,
    RouteUnknown,
    ServiceError,
)
from service.routes.answers import JsonAnswer
from service.routes.services import services_of

logger = structlog.get_logger()


def problem(
    error: ServiceError,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, object] | None = None,
) -> Response:
    """Return the documented body of an error, with what `more` there is to say."""
    body: dict[str, object] = {
        "detail": {"response": error.response, "cause": error.cause},
        "code": error.code,
        **(more or {}),
    }
    sent = dict(headers or {})
    if isinstance(error, ConversationBusy) and error.request_id is not None:
        body["request_id"] = error.request_id
        sent["Content-Location"] = f"/v1/streaming_query/{error.request_id}"
    if error.status_code == CredentialMissing.status_code:
        sent["WWW-Authenticate"] = _challenge(error)
    if error.retry_after_s is not None:
        sent["Retry-After"] = str(error.retry_after_s)
    return JsonAnswer(body, error.status_code, headers=sent)


def _challenge(error: ServiceError) -> str:
    """Say what a credential must be (RFC 6750, section 3)."""
    if isinstance(error, CredentialMissing):
        return 'Bearer realm="turnstile"'
    return f'Bearer realm="turnstile", error="invalid_token", error_description="{error.code}"'


async def service_error(request: Request, error: Exception) -> Response:
    """Answer what a use case refused."""
    refused = error if isinstance(error, ServiceError) else InternalError("See the log.")
    services_of(request).metrics.refused(refused.code)
    return problem(refused)


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
