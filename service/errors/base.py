"""The family of errors that say why a request cannot be served."""


class ServiceError(Exception):
    """A request cannot be served.

    `response` says what happened and `cause` why; both are safe to show to a client.
    `retry_after_s` becomes the header `Retry-After`.
    """

    code = "service_error"
    status_code = 500
    response = "The request cannot be served."
    retry_after_s: int | None = None

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def later_s(status_code: int) -> int | None:
    """Return when to ask again what the upstream could not answer now."""
    return 5 if status_code in (429, 503) else None
