"""Who makes a request."""

from starlette.requests import Request
from starlette.responses import Response

from service.routes.answers import AuthorizedAnswer, JsonAnswer
from service.routes.services import principal_of


async def authorized(request: Request) -> Response:
    """POST /v1/authorized: tell who the caller is, and what it may do; a body is not looked at."""
    principal = principal_of(request)
    answer = AuthorizedAnswer(
        user_id=principal.user,
        username=principal.name,
        roles=sorted(principal.roles),
        actions=sorted(principal.actions),
    )
    return JsonAnswer(answer)
