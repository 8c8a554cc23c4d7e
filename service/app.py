"""The ASGI application: routes, errors, headers, and the life of the turns."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import ServiceError
from service.routes import starlette_routes
from service.routes.cors import cors
from service.routes.problems import crash, http_error, service_error
from service.turns.services import Services

logger = structlog.get_logger()

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


class SecurityHeaders:
    """Adds the same headers to every answer; plain ASGI, so that streams are not touched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def create_app(services: Services) -> Starlette:
    """Return the application; its lifespan runs the turns."""
    app = Starlette(
        routes=starlette_routes(),
        exception_handlers={
            ServiceError: service_error,
            HTTPException: http_error,
            Exception: crash,
        },
        lifespan=_lifespan(services),
    )
    app.state.services = services
    # An address has one spelling; a redirect would name the host that the client has claimed.
    app.router.redirect_slashes = False
    # Starlette answers crashes outside of its list of middleware.
    answers: ASGIApp = SecurityHeaders(app.build_middleware_stack())
    if services.settings.cors.origins:
        answers = CORSMiddleware(answers, **cors(services.settings.cors))
    app.middleware_stack = answers
    return app


def _lifespan(services: Services) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with services.running():
            about = services.upstream.info
            by = services.settings.authentication.by
            logger.info(
                "service.started", upstream=about.kind, notice=about.notice, authentication=by
            )
            yield
        logger.info("service.stopped")

    return lifespan
