"""What goes wrong upstream."""

from service.errors.base import ServiceError, later_s


class UpstreamReset(Exception):
    """The connection to the upstream was lost while its body came."""


class UpstreamError(ServiceError):
    """The upstream could not be used; `detail` is for the log.

    `untaken` tells that it has certainly not begun to do what it was asked.
    """

    def __init__(  # noqa: PLR0913 # what a client sees, what the log sees, and what is known
        self,
        code: str,
        response: str,
        status_code: int = 502,
        *,
        cause: str | None = None,
        detail: str | None = None,
        untaken: bool = False,
    ) -> None:
        super().__init__(cause or response)
        self.code = code
        self.status_code = status_code
        self.response = response
        self.retry_after_s = later_s(status_code)
        self.detail = detail
        self.untaken = untaken
