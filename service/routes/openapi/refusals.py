"""Every error that a request can be answered with, by an example of it.

An answer is made from an example as it is made from the error itself (`routes/problems.py`).
"""

import inspect
import json
from collections.abc import Iterable
from typing import NamedTuple

from service.errors import (
    AnswersDiffer,
    AnswerTooLate,
    AuthenticationUnavailable,
    BodyTooLarge,
    BodyTooSlow,
    ConversationBusy,
    ConversationUnknown,
    CredentialExpired,
    CredentialInvalid,
    CredentialMissing,
    CursorInvalid,
    Forbidden,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    InternalError,
    LogUnavailable,
    McpHeadersInvalid,
    ModelUnknown,
    NotAwaiting,
    QuotaExceeded,
    RateExceeded,
    RedactionFailed,
    RequestInvalid,
    RequestNotJson,
    ServiceError,
    ShieldUnknown,
    Stopping,
    StorageUnavailable,
    TooManyOwnStreams,
    TooManyReaders,
    TooManyStreams,
    TooManyTurns,
    TurnOver,
    TurnRefused,
    TurnUnknown,
    VectorStoreUnknown,
)
from service.routes.openapi.failures import turn_failures
from service.routes.openapi.operation import Refusal
from service.routes.problems import problem

_EXAMPLES: dict[type[ServiceError], ServiceError] = {
    type(each): each
    for each in (
        AnswerTooLate("Answers were taken for 600 s."),
        AnswersDiffer("Other answers came first; the turn goes on with those."),
        AuthenticationUnavailable("The issuer does not answer."),
        BodyTooLarge("It may have at most 2097152 bytes."),
        BodyTooSlow("It must come within 30 s."),
        ConversationBusy("5b7d5e0c-3d2f-4d0e-9d0e-2f1f0b9a6c11"),
        ConversationUnknown(),
        CredentialExpired("It ended at 2026-11-23T04:00:00Z."),
        CredentialInvalid("It is not known here."),
        CredentialMissing("Send it as Authorization: Bearer."),
        CursorInvalid("Last-Event-ID must be the id of an event of this stream."),
        Forbidden("It needs the action streaming_query."),
        IdempotencyKeyInvalid("It must be 1 to 255 visible ASCII characters, given once."),
        IdempotencyKeyReused("It came with another body."),
        InternalError("The details are in the log of the service."),
        LogUnavailable("The process that drives the turn does not answer."),
        McpHeadersInvalid("No MCP server 'metrics' is configured."),
        ModelUnknown("'small-8b' of 'vllm'."),
        NotAwaiting("It did not end in awaiting_input, or it is no longer kept."),
        QuotaExceeded("The quota daily has 310 tokens left.", 3_600),
        RateExceeded("There may be 20 in a minute.", 12),
        RedactionFailed("It took longer than 2 s."),
        RequestInvalid("query: Field required"),
        RequestNotJson("The body cannot be parsed as JSON."),
        ShieldUnknown("'llama-guard'."),
        Stopping("No new turns are taken."),
        StorageUnavailable("The database does not answer."),
        TooManyOwnStreams("100 of them are yours."),
        TooManyReaders("20 read this turn, which is the limit."),
        TooManyStreams("1000 streams are open here, which is the limit."),
        TooManyTurns("200 turns are running, which is the limit."),
        TurnOver("Its stream is no longer kept."),
        TurnUnknown(),
        VectorStoreUnknown("'handbook'."),
    )
}

BY_ACCESS: tuple[Refusal, ...] = (
    CredentialMissing,
    CredentialInvalid,
    CredentialExpired,
    Forbidden,
    AuthenticationUnavailable,
)
"""What everybody is asked who comes in with a token."""

BY_BODY: tuple[Refusal, ...] = (RequestNotJson, BodyTooSlow, BodyTooLarge, RequestInvalid)
"""What a body can be refused for."""

ALWAYS: tuple[Refusal, ...] = (InternalError,)


class Shown(NamedTuple):
    """An error as it is answered; `means` is what its class says of it."""

    status: int
    code: str
    means: str
    headers: frozenset[str]
    body: object

    @property
    def name(self) -> str:
        """What its example is called: some codes have several statuses."""
        return f"{self.code}.{self.status}"


def shown(refusals: Iterable[Refusal]) -> dict[str, Shown]:
    """Return what is answered to each of some errors, by the names of the examples."""
    found = (_shown(each) for each in refusals)
    return {each.name: each for each in found}


def named_examples() -> dict[str, object]:
    """Return the example of every error, by its name."""
    found = shown((*_EXAMPLES.values(), *turn_failures()))
    return {
        name: {"summary": each.means, "value": each.body} for name, each in sorted(found.items())
    }


def _shown(refusal: Refusal) -> Shown:
    error = refusal if isinstance(refusal, ServiceError) else _EXAMPLES[refusal]
    answer = problem(error)
    headers = frozenset(answer.headers) - {"content-length", "content-type"}
    body = json.loads(bytes(answer.body))
    return Shown(error.status_code, error.code, _means(error), headers, body)


def _means(error: ServiceError) -> str:
    """What a turn is refused with says itself what it means: its class stands for many codes."""
    said = error.response if isinstance(error, TurnRefused) else inspect.getdoc(type(error)) or ""
    return said.partition("\n")[0]
