"""The OpenAPI document of the service, and the page that shows it."""

import hashlib
from functools import cache

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import Response

# The table names the handlers that are here, so what it holds is looked at when it is there.
from service import routes
from service.routes.openapi import document
from service.routes.page import Page


async def openapi_json(request: Request) -> Response:
    """GET /openapi.json: what every route takes and answers, as an OpenAPI 3.1 document."""
    data, tag = await anyio.to_thread.run_sync(_written)
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type="application/json")


async def docs_page(_: Request) -> Response:
    """GET /docs: the page that shows the document."""
    return Page("docs.html")


@cache
def _written() -> tuple[bytes, str]:
    """Made once and beside the event loop: recordings are played for its examples."""
    data = msgspec.json.encode(document(routes.ROUTES))
    return data, f'"{hashlib.sha256(data).hexdigest()[:32]}"'
