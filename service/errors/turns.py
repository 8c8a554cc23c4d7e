"""What is not there, or not in the state that a request takes for granted."""

from service.errors.base import ServiceError, later_s


class TurnUnknown(ServiceError):
    """There is no such turn, or it is not the caller's: nobody can tell which."""

    code = "turn_unknown"
    status_code = 404
    response = "There is no such turn."

    def __init__(self) -> None:
        super().__init__("It was never started, it is no longer kept, or it is not yours.")


class ConversationUnknown(ServiceError):
    """There is no such conversation, or it is not the caller's: nobody can tell which."""

    code = "conversation_unknown"
    status_code = 404
    response = "There is no such conversation."

    def __init__(self) -> None:
        super().__init__("It was never begun, it is no longer kept, or it is not yours.")


class ModelUnknown(ServiceError):
    """The upstream does not offer the model."""

    code = "model_unknown"
    status_code = 404
    response = "There is no such model."


class ShieldUnknown(ServiceError):
    """The upstream does not offer the shield."""

    code = "shield_unknown"
    status_code = 404
    response = "There is no such shield."


class VectorStoreUnknown(ServiceError):
    """The upstream does not offer the vector store."""

    code = "vector_store_unknown"
    status_code = 404
    response = "There is no such vector store."


class NotAwaiting(ServiceError):
    """The turn waits for no answers."""

    code = "not_awaiting"
    status_code = 409
    response = "The turn waits for no answers."


class AnswerTooLate(ServiceError):
    """The turn no longer waits for answers."""

    code = "answer_too_late"
    status_code = 410
    response = "The turn no longer waits for answers."


class AnswersDiffer(ServiceError):
    """The turn was answered before, and with something else."""

    code = "answers_differ"
    status_code = 409
    response = "The turn was answered before."


class ConversationBusy(ServiceError):
    """A turn of the conversation is running; `request_id` is its, for who can follow it."""

    code = "conversation_busy"
    status_code = 409
    response = "A turn of this conversation is still running."

    def __init__(self, request_id: str | None) -> None:
        super().__init__(
            f"It is the turn {request_id}." if request_id else "Somebody else asked it."
        )
        self.request_id = request_id


class TurnRefused(ServiceError):
    """The turn failed before anything was said."""

    def __init__(self, code: str, status_code: int, response: str, cause: str) -> None:
        super().__init__(cause)
        self.code = code
        self.status_code = status_code
        self.response = response
        self.retry_after_s = later_s(status_code)
