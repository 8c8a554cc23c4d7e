"""What a turn itself can be refused with: what may go wrong upstream before anything is said."""

from collections.abc import Iterable, Iterator

from service.errors import FAULTS, TurnRefused
from statemachine import (
    FrameTooLarge,
    IllegalTransition,
    MalformedChunk,
    NotJson,
    upstream_failure,
)

_ANSWERED = (
    *({"status": each} for each in (400, 401, 404, 408, 409, 413, 422, 426, 429, 500, 503)),
    "Toolgroup mcp::pods not found, available toolgroups: []",
)
"""An error of an upstream for each meaning that one can have."""

_BROKEN = (
    FrameTooLarge(16 * 1024 * 1024),
    IllegalTransition("turn_started", "TextDelta", ("StepStarted", "TurnCompleted"), ""),
    MalformedChunk("event.payload.step_type", "a text"),
    NotJson("a frame is not JSON"),
)

_OTHERS = (
    ("upstream_truncated", 502, "The upstream stopped before the turn was complete."),
    ("upstream_too_much", 502, "The upstream sent more than a turn may hold."),
    ("moderation_failed", 502, "The shields could not be asked."),
    ("moderation_failed", 503, "The shields could not be asked."),
    ("moderation_failed", 504, "The shields could not be asked."),
    ("owner_lost", 503, "The process that answered has gone."),
    ("storage_unavailable", 503, "What is stored cannot be reached for now; try again."),
    ("turn_timeout", 504, "The turn took longer than 900 s."),
)
"""Code, status and sentence of what is told of in one place only."""


_OF_TURNS = frozenset(
    {
        "mcp_authorization_unsupported",
        "tool_group_taken",
        "upstream_frame_too_large",
        "upstream_not_a_stream",
        "upstream_tools_unreachable",
    }
)
"""Codes that nothing but a turn can have."""

_LATER, _FAILED = 429, range(500, 600)


def turn_failures() -> tuple[TurnRefused, ...]:
    """Return an example for each status and code that a turn can be refused with."""
    return _unlike((*_asked(), *_told()))


def catalogue_failures() -> tuple[TurnRefused, ...]:
    """Return an example for each that is answered when the upstream is only asked what it offers.

    See `routes/catalogue.py`: that it refuses to tell is `upstream_error`.
    """
    return _unlike(
        each
        for each in _asked()
        if each.code not in _OF_TURNS
        and (each.status_code == _LATER or each.status_code in _FAILED)
    )


def _unlike(examples: Iterable[TurnRefused]) -> tuple[TurnRefused, ...]:
    found: dict[tuple[int, str], TurnRefused] = {}
    for each in examples:
        found.setdefault((each.status_code, each.code), each)
    return tuple(found.values())


def _asked() -> Iterator[TurnRefused]:
    for error in _ANSWERED:
        failed = upstream_failure(error)
        yield TurnRefused(failed.code, failed.status_code, failed.response, failed.cause)
    for code, (status_code, response) in FAULTS.items():
        yield TurnRefused(code, status_code, response, response)


def _told() -> Iterator[TurnRefused]:
    for broken in _BROKEN:
        response = "The upstream broke the protocol."
        yield TurnRefused(broken.code, broken.status_code, response, str(broken))
    for code, status_code, response in _OTHERS:
        yield TurnRefused(code, status_code, response, response)
