"""When a turn that failed leaves the thread before it as it was."""

from service.domain import Thread
from statemachine import Summary

_REFUSED = frozenset(
    {
        "upstream_bad_request",
        "upstream_conflict",
        "upstream_not_found",
        "upstream_too_large",
        "upstream_unprocessable",
    }
)
"""Codes of failures that may be the fault of what a server has kept."""


def untouched(before: Thread | None, summary: Summary) -> Thread | None:
    """Return the thread before a turn that has said nothing; a history can do without it.

    Where the server has refused the request, the thread may be why: then it is not gone on with,
    or a conversation could fail for ever.
    """
    return None if summary.told or summary.code in _REFUSED else before
