"""What goes wrong upstream."""

from collections.abc import Mapping

from service.errors.base import ServiceError, later_s

FAULTS: Mapping[str, tuple[int, str]] = {
    "upstream_unreachable": (503, "The upstream cannot be reached."),
    "upstream_connect_timeout": (504, "The upstream does not accept connections."),
    "upstream_timeout": (504, "The upstream took too long."),
    "upstream_busy": (503, "All connections to the upstream are in use."),
    "upstream_closed": (503, "The service is stopping."),
    "upstream_reset": (502, "The connection to the upstream was lost."),
    "upstream_not_json": (502, "The upstream's answer is not JSON."),
    "upstream_not_a_stream": (502, "The upstream did not answer with a stream of events."),
    "upstream_unexpected": (502, "The upstream's answer is not what it should be."),
    "mcp_authorization_unsupported": (
        400,
        "The upstream takes nothing but Bearer tokens for MCP servers.",
    ),
    "tool_group_taken": (502, "The upstream has another MCP server under that name."),
    "upstream_frame_too_large": (502, "The upstream sent a frame that is too large."),
}
"""Status and sentence of what goes wrong on the way, by code.

What an upstream that answers says itself has the codes of the protocol.
"""


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
