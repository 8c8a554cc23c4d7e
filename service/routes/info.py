"""What this service is and whether it is well."""

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service import __version__
from service.routes.services import services_of
from statemachine import ENCODERS


async def info(request: Request) -> Response:
    """GET /v1/info: name, version, what answers, whether turns outlast it, what is recorded."""
    services = services_of(request)
    about = asdict(services.upstream.info)
    sessions = about.pop("sessions")
    return JSONResponse(
        {
            "service": "turnstile",
            "version": __version__,
            "upstream": about,
            "durable": services.database.durable,
            "sessions": sessions,
            "dialects": list(ENCODERS),
        },
        headers={"Cache-Control": "no-cache"},
    )


async def livez(request: Request) -> Response:
    """GET /livez: the process answers, and turns can run in it."""
    alive = services_of(request).live.alive
    return JSONResponse({"alive": alive}, 200 if alive else 503)


async def readyz(request: Request) -> Response:
    """GET /readyz: new turns are taken."""
    ready = services_of(request).live.accepting
    return JSONResponse({"ready": ready}, 200 if ready else 503)
