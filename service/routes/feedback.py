"""What users think of turns."""

from starlette.requests import Request
from starlette.responses import Response

from service.domain import Feedback
from service.routes.answers import FeedbackAnswer, JsonAnswer
from service.routes.conversation_bodies import FeedbackBody
from service.routes.parsing import parse, read_json
from service.routes.services import principal_of, services_of
from service.turns.feedback import keep_feedback


async def give(request: Request) -> Response:
    """POST /v1/feedback: keep what the caller thinks of a turn of its own."""
    services = services_of(request)
    body = parse(FeedbackBody, await read_json(request, services.settings))
    given = Feedback(
        principal_of(request).user,
        str(body.request_id),
        body.sentiment,
        body.text,
        tuple(dict.fromkeys(body.categories)),
    )
    about = None if body.conversation_id is None else str(body.conversation_id)
    await keep_feedback(services, given, about)
    return JsonAnswer(FeedbackAnswer(response="feedback received"))
