"""What is done with what users think of turns."""

from dataclasses import replace

from service.domain import Feedback
from service.errors import TurnUnknown
from service.turns.redaction import redacted_text
from service.turns.services import Services


async def keep_feedback(
    services: Services, feedback: Feedback, conversation_id: str | None
) -> None:
    """Keep what a user thinks of a turn, which has to be of the conversation where one is given.

    Raises:
        TurnUnknown: there is no such turn of this user.
        RedactionFailed: see `Redactor.redact`.
        StorageUnavailable: it cannot be kept now.
    """
    if conversation_id is not None:
        turn = await services.turns.known(feedback.request_id, feedback.user)
        if turn is None or turn.conversation_id != conversation_id:
            raise TurnUnknown
    text = await redacted_text(services.redactor, services.metrics, feedback.text)
    await services.opinions.keep(replace(feedback, text=text))
