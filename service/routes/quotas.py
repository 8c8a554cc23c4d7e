"""How many tokens are left."""

from starlette.requests import Request
from starlette.responses import Response

from service.routes.answers import JsonAnswer, QuotaAnswer, QuotasAnswer, timestamp
from service.routes.services import principal_of, services_of


async def quotas(request: Request) -> Response:
    """GET /v1/quotas: tell what is left of the quotas that the caller has part in."""
    found = await services_of(request).quotas.of(principal_of(request).user)
    answers = [
        QuotaAnswer(
            name=each.name,
            scope=each.scope,
            available=each.available,
            renews_at=None if each.renews_at is None else timestamp(each.renews_at),
        )
        for each in found
    ]
    return JsonAnswer(QuotasAnswer(quotas=answers))
