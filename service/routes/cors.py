"""Which pages of other origins may use the service, as Starlette's CORSMiddleware takes it."""

from typing import TypedDict

from service.settings.access import CorsSettings


class CorsRules(TypedDict):
    """The arguments of the middleware."""

    allow_origins: tuple[str, ...]
    allow_methods: tuple[str, ...]
    allow_headers: tuple[str, ...]
    expose_headers: tuple[str, ...]
    allow_credentials: bool
    max_age: int


def cors(settings: CorsSettings) -> CorsRules:
    """Return the rules: origins exactly as they are set, and no cookies from anybody."""
    return {
        "allow_origins": settings.origins,
        "allow_methods": ("GET", "HEAD", "POST", "PATCH", "DELETE"),
        "allow_headers": (
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "Last-Event-ID",
            "MCP-HEADERS",
        ),
        "expose_headers": (
            "Content-Location",
            "Idempotent-Replayed",
            "Retry-After",
            "X-Conversation-Id",
            "X-Request-Id",
            "X-Stream-Ticket",
            "X-Turnstile-Recording",
        ),
        "allow_credentials": False,
        "max_age": settings.max_age_s,
    }
