"""The Responses API (Llama Stack 0.3 to 0.7, OGX 1): a plan as requests.

Measured on 0.3.5, 0.7.3 and OGX 1.5.0:

1. A turn goes on from the last response that ended in order. One that was cut, failed or was
   refused cannot be gone on from, so the history is sent instead, as messages.
2. Nothing is inherited from an earlier response: model, instructions and tools go with each.
3. A response holds its whole history, so of a conversation only the newest is kept.
4. A server remembers an approval and asks no second time, so nothing goes on from a response
   that followed one, however far back, and in that response no more calls run than were
   approved; where an earlier answer approved and this one does not, the tools are left out.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec

from service.domain import (
    Answers,
    ClientTool,
    History,
    McpServer,
    PastTurn,
    PausedTurn,
    Plan,
    Thread,
)
from service.ports import Moderator
from service.upstream.body import LiveBody, begin, check_taken, error_message
from service.upstream.connection import Connection
from service.upstream.faults import fault
from service.upstream.quoted_secrets import secrets_of
from service.upstream.response_answers import answers_as_input, approved, resumed_by
from service.upstream.text import question_with
from service.upstream.threads import untouched
from statemachine import (
    DECODERS,
    Decoder,
    FinishReason,
    OutputModeration,
    Summary,
    TurnStarted,
)

DIALECT = "responses"
PATH = "/v1/responses"
_UNFIT = frozenset({FinishReason.SHIELD, FinishReason.REFUSAL, FinishReason.MAX_ITERATIONS})
"""Ends after which a response holds a refusal, or calls that nobody has answered."""

_UNREADABLE = "content type"
"""What servers say of a response that ended in a refusal."""

_BEARER = "bearer "
_APPROVED = "approved"
"""What tells a response that a server would run calls after unasked, for it remembers leave."""

type Fields = dict[str, object]
type Forget = Callable[[Thread], None]


@dataclass(frozen=True, slots=True)
class ResponsesStyle:
    """How one server differs: where it takes a token for MCP, and what its guardrails are."""

    authorization_field: bool
    guardrails: bool | list[str] | None = None
    iterations_limit: int = 10
    reasoning_effort: str | None = None


@dataclass(slots=True, eq=False)
class ResponseTurn:
    """A response to a question, or to the answers of a client; see `UpstreamTurn`."""

    plan: Plan
    server: str
    connection: Connection
    style: ResponsesStyle
    forget: Forget
    history: History
    moderation: OutputModeration | None = None
    moderator: Moderator | None = None
    recording: str | None = None
    decoder: Decoder = field(default_factory=DECODERS[DIALECT])
    _response_id: str | None = None
    _before: Thread | None = None

    def __post_init__(self) -> None:
        self._before = self.plan.conversation.thread

    @asynccontextmanager
    async def open(self) -> AsyncIterator[LiveBody]:
        """See `UpstreamTurn.open`."""
        thread = self._before
        if thread is not None and thread.dialect == DIALECT:
            async with self._send(_going_on(self.plan, thread)) as body:
                if not _lost(thread, error_message(body.first)):
                    yield body
                    return
            self._before = None
        async with self._send({"input": _from_the_start(self.plan, await self.history())}) as body:
            yield body

    def thread(self, summary: Summary) -> Thread | None:
        """See `UpstreamTurn.thread`: the response before stays as it was."""
        spoils = bool(self.style.guardrails and summary.calls)
        made = kept(self._response_id, summary, self.forget, spoils=spoils)
        return made or untouched(self._before, summary)

    @asynccontextmanager
    async def _send(self, body: Fields) -> AsyncIterator[LiveBody]:
        sent = {**response_body(self.plan, self.style), **body}
        async with self.connection.stream(PATH, sent, secrets=secrets_of(self.plan)) as rest:
            live = await begin(TurnStarted(), rest)
            self._response_id = response_id(live.first)
            yield live


@dataclass(slots=True, eq=False)
class ResponseResume:
    """The answers of a client to a response that waits for them; see `UpstreamTurn`."""

    paused: PausedTurn
    answers: Answers
    server: str
    connection: Connection
    style: ResponsesStyle
    forget: Forget
    moderation: OutputModeration | None = None
    moderator: Moderator | None = None
    recording: str | None = None
    decoder: Decoder = field(default_factory=partial(DECODERS[DIALECT], resumed=True))
    _response_id: str | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[LiveBody]:
        """See `UpstreamTurn.open`."""
        calls = approved(self.answers)
        remembered = self._approved and not calls
        plan = _without_approvals(self.paused.plan) if remembered else self.paused.plan
        body = response_body(plan, self.style)
        body["previous_response_id"] = self.paused.thread.ids[0]
        body["input"] = answers_as_input(self.paused, self.answers)
        if calls:
            # A server lets an approved call run as often as the model asks for it.
            body["max_tool_calls"] = calls
        secrets = secrets_of(self.paused.plan)
        async with self.connection.stream(PATH, body, secrets=secrets) as rest:
            live = await begin(resumed_by(self.paused, self.answers), rest)
            check_taken(live.first)
            self._response_id = response_id(live.first)
            yield live

    def thread(self, summary: Summary) -> Thread | None:
        """See `UpstreamTurn.thread`."""
        spoils = bool(self.style.guardrails and summary.calls) or self._approved
        made = kept(self._response_id, summary, self.forget, spoils=spoils)
        return replace(made, fingerprint=_APPROVED) if made and self._approved else made

    @property
    def _approved(self) -> bool:
        """Tell whether a call was approved, now or by an earlier answer in this turn."""
        return approved(self.answers) > 0 or self.paused.thread.fingerprint == _APPROVED


def kept(made_id: str | None, summary: Summary, forget: Forget, *, spoils: bool) -> Thread | None:
    """Return a response that can be gone on from; any other is of no use to anybody.

    `spoils` tells of what a server would do with it: let calls that were approved once run again
    unasked, or fail at its own guardrails because of a tool's result.
    """
    if made_id is None:
        return None
    made = Thread(DIALECT, (made_id,))
    goes_on = summary.outcome == "awaiting_input" or (
        summary.outcome == "end" and summary.finish_reason not in _UNFIT and not spoils
    )
    if goes_on:
        return made
    forget(made)
    return None


def _without_approvals(plan: Plan) -> Plan:
    return replace(plan, mcp_servers=tuple(each for each in plan.mcp_servers if not each.approval))


def response_body(plan: Plan, style: ResponsesStyle) -> Fields:
    """Return what every request of a turn says."""
    body: Fields = {
        "model": plan.model.model_id if plan.model else "",
        "stream": True,
        "max_infer_iters": style.iterations_limit,
    }
    if style.reasoning_effort:
        body["reasoning"] = {"effort": style.reasoning_effort}
    if plan.system_prompt:
        body["instructions"] = plan.system_prompt
    if tools := _tools(plan, style):
        body["tools"] = tools
    if style.guardrails:
        body["guardrails"] = style.guardrails
    return body


def response_id(first: bytes | None) -> str | None:
    """Return the id that a response has been given, from its first payload."""
    try:
        named = msgspec.json.decode(first or b"")["response"]["id"]
    except (msgspec.DecodeError, KeyError, RecursionError, TypeError, UnicodeDecodeError):
        return None
    return named if isinstance(named, str) and named else None


def _going_on(plan: Plan, thread: Thread) -> Fields:
    said = question_with(plan.query, plan.attachments)
    return {"previous_response_id": thread.ids[0], "input": said}


def _from_the_start(plan: Plan, history: Sequence[PastTurn]) -> str | list[Fields]:
    """A first question is plain text: servers' guardrails understand nothing else."""
    said = question_with(plan.query, plan.attachments)
    if not history:
        return said
    messages: list[Fields] = []
    for turn in history:
        messages.append({"role": "user", "content": turn.question})
        messages.append({"role": "assistant", "content": turn.answer})
    return [*messages, {"role": "user", "content": said}]


def _lost(thread: Thread, message: str) -> bool:
    """Tell whether a server refuses because it cannot go on from the response."""
    return bool(message) and (thread.ids[0] in message or _UNREADABLE in message)


def _tools(plan: Plan, style: ResponsesStyle) -> list[Fields]:
    stores = list(plan.vector_stores)
    search: list[Fields] = [{"type": "file_search", "vector_store_ids": stores}] if stores else []
    servers = [_mcp(each, style) for each in plan.mcp_servers]
    return [*search, *servers, *map(_function, plan.client_tools)]


def _mcp(server: McpServer, style: ResponsesStyle) -> Fields:
    tool: Fields = {
        "type": "mcp",
        "server_label": server.name,
        "server_url": server.url,
        "require_approval": "always" if server.approval else "never",
    }
    headers = dict(server.headers)
    if style.authorization_field:
        token = headers.pop("authorization", None)
        if token is not None:
            tool["authorization"] = _bearer(token)
    if headers:
        tool["headers"] = headers
    return tool


def _bearer(value: str) -> str:
    """Newer servers take a token and make the header of it themselves."""
    if not value.lower().startswith(_BEARER) or not value[len(_BEARER) :].strip():
        raise fault("mcp_authorization_unsupported", "only Bearer can be passed on")
    return value[len(_BEARER) :].strip()


def _function(tool: ClientTool) -> Fields:
    described = {"name": tool.name, "description": tool.description}
    return {"type": "function", **described, "parameters": tool.parameters, "strict": False}
