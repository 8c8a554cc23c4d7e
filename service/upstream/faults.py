"""What can go wrong with a request to the upstream, as errors of ours. One function does it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx

from service.errors import FAULTS, UpstreamError, UpstreamReset
from service.upstream.quoted_secrets import without_secrets
from statemachine import TurnFailed, upstream_failure

_UNTAKEN = frozenset(
    {
        "mcp_authorization_unsupported",
        "tool_group_taken",
        "upstream_busy",
        "upstream_closed",
        "upstream_connect_timeout",
        "upstream_unreachable",
    }
)
"""Codes of what cannot have reached the upstream."""

_UNTAKEN_STATUS = frozenset({*range(400, 500), 503}) - {408}
"""Answers that mean that nothing was begun."""


class AnswerTooLarge(httpx.TransportError):
    """An answer beside a stream is larger than anything that is asked for."""


_TRANSPORT: tuple[tuple[type[Exception], str], ...] = (
    (AnswerTooLarge, "upstream_unexpected"),
    (httpx.ConnectTimeout, "upstream_connect_timeout"),
    (httpx.PoolTimeout, "upstream_busy"),
    (httpx.TimeoutException, "upstream_timeout"),
    (httpx.ConnectError, "upstream_unreachable"),
    (httpx.UnsupportedProtocol, "upstream_unreachable"),
    (httpx.TransportError, "upstream_reset"),
    (httpx.DecodingError, "upstream_reset"),
)
"""Codes by what the transport raised, the narrow ones first."""

_SENTENCES = ("error", "detail", "message", "errors", "msg")
"""Where error bodies have their sentences; those of a validation are a list."""


def fault(code: str, detail: str) -> UpstreamError:
    """Return the error of a code; `detail` is for the log."""
    status_code, response = FAULTS[code]
    return UpstreamError(code, response, status_code, detail=detail, untaken=code in _UNTAKEN)


def answered(status_code: int, body: object, secrets: Sequence[str] = ()) -> UpstreamError:
    """Return the error that an upstream answered with, without secrets that it quotes."""
    message = without_secrets(_message(body).encode("utf-8", "replace"), secrets).decode()
    failed = upstream_failure({"message": message, "status": status_code})
    return _error(failed, untaken=status_code in _UNTAKEN_STATUS)


def refused(error: object) -> UpstreamError:
    """Return the error that was all that a stream had to say."""
    return _error(upstream_failure(error), untaken=True)


def _error(failed: TurnFailed, *, untaken: bool) -> UpstreamError:
    return UpstreamError(
        failed.code,
        failed.response,
        failed.status_code,
        cause=failed.cause,
        detail=failed.detail,
        untaken=untaken,
    )


@contextmanager
def translated(secrets: Sequence[str] = ()) -> Iterator[None]:
    """Raise what the client library raises as errors of ours."""
    # Only who has a client gets here, so this import costs nothing.
    from llama_stack_client import APIConnectionError, APIStatusError

    try:
        yield
    except APIStatusError as refused:
        raise answered(refused.status_code, refused.body, secrets) from refused
    except APIConnectionError as lost:
        raise _transport_fault(lost.__cause__ or lost) from lost
    except httpx.RequestError as lost:
        # The client leaves out only what happens while the body of an error is read.
        raise _transport_fault(lost) from lost


@contextmanager
def reading() -> Iterator[None]:
    """Raise what a lost or faulty body raises as errors of ours."""
    try:
        yield
    except (httpx.RequestError, httpx.StreamError) as lost:
        raise UpstreamReset from lost


def _transport_fault(raised: BaseException) -> UpstreamError:
    codes = (code for kind, code in _TRANSPORT if isinstance(raised, kind))
    return fault(next(codes, "upstream_unreachable"), repr(raised))


def _message(body: object, levels: int = 4) -> str:
    """Return the sentence in an error body, whatever the server's version made of it."""
    while isinstance(body, dict):
        body = next((body[name] for name in _SENTENCES if name in body), None)
    if isinstance(body, list) and levels:
        return "; ".join(filter(None, (_message(each, levels - 1) for each in body)))
    # A page is what a proxy says, and to nobody who reads a sentence.
    return body if isinstance(body, str) and not body.startswith("<") else ""
