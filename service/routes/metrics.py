"""What the process has counted."""

from starlette.requests import Request
from starlette.responses import Response

from service.routes.services import services_of


async def metrics(request: Request) -> Response:
    """GET /metrics: what Prometheus reads, as OpenMetrics when it asks for that."""
    body, media_type = services_of(request).metrics.render(request.headers.get("accept", ""))
    # Given as a header: Starlette would say the character set a second time.
    return Response(body, headers={"Content-Type": media_type, "Cache-Control": "no-store"})
