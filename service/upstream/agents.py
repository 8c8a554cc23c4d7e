"""Agent turns (Llama Stack 0.2 and 0.3): a plan as requests; measured on 0.3.5, 0.2 by its source.

1. An agent's model, instructions and shields cannot be changed and a turn cannot override them:
   a turn that wants others gets a session of another agent, with the history as text in its
   instructions, because no message of an assistant can be sent.
2. Tools are given per turn, so that they may change; a resume only knows the agent's own, so an
   agent with client tools has them too.
3. A session that was refused by a shield is left: it holds what was refused.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from service.domain import Answers, ClientTool, History, PausedTurn, Plan, Thread, ToolAnswer
from service.ports import Moderator
from service.upstream.body import LiveBody, begin, check_taken, error_message
from service.upstream.connection import Connection
from service.upstream.quoted_secrets import secrets_of
from service.upstream.sessions import DIALECT, Sessions, fingerprint
from service.upstream.text import output_of, question_with, transcript
from service.upstream.threads import untouched
from service.upstream.tool_groups import ToolGroups
from statemachine import (
    DECODERS,
    Decoder,
    FinishReason,
    InputReason,
    OutputModeration,
    Release,
    Summary,
    TurnResumed,
    TurnStarted,
)

_LOST = ("Could not find agent info for", "not found or access denied")
"""What 0.2 and 0.3 say in their first chunk of an agent or a session that they do not have."""

_SEARCH = "builtin::rag/knowledge_search"
_SAMPLING = {"strategy": {"type": "greedy"}, "max_tokens": None}
"""The default of the server would ask the model for 0 tokens."""

type Forget = Callable[[Thread], None]
type Config = dict[str, object]
type Groups = list[str | Mapping[str, object]]


@dataclass(slots=True, eq=False)
class AgentTurn:
    """A turn of an agent; see `UpstreamTurn`."""

    plan: Plan
    server: str
    connection: Connection
    sessions: Sessions
    tool_groups: ToolGroups
    iterations_limit: int
    forget: Forget
    history: History
    recording: str | None = None
    moderator: Moderator | None = None
    decoder: Decoder = field(default_factory=DECODERS[DIALECT])
    _thread: Thread | None = None
    _before: Thread | None = None

    def __post_init__(self) -> None:
        self._before = self.plan.conversation.thread

    @property
    def moderation(self) -> OutputModeration | None:
        """See `UpstreamTurn`."""
        return judged_in_the_stream(self.plan)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[LiveBody]:
        """See `UpstreamTurn.open`."""
        groups = await self._groups()
        config = agent_config(self.plan, groups, self.iterations_limit)
        thread = self._before
        if thread is not None and thread.fingerprint == fingerprint(config):
            async with self._send(thread, groups) as body:
                if not any(told in error_message(body.first) for told in _LOST):
                    yield body
                    return
            self._before = None
        history = transcript(await self.history())
        made = await self.sessions.open(config, history)
        taken = False
        try:
            async with self._send(made, groups) as body:
                taken = True
                yield body
        finally:
            if not taken:
                self._thread = None
                self.forget(made)

    def thread(self, summary: Summary) -> Thread | None:
        """See `UpstreamTurn.thread`: a turn that did not end in order is not in its session.

        One that said nothing need not be in it either; but a session keeps what a shield has
        refused, and calls that were left open.
        """
        if goes_on(summary):
            return self._thread
        if self._thread not in (None, self.plan.conversation.thread):
            self.forget(self._thread)
        kept = summary.finish_reason is FinishReason.SHIELD or summary.awaiting is not None
        return None if kept else untouched(self._before, summary)

    @asynccontextmanager
    async def _send(self, thread: Thread, groups: Groups) -> AsyncIterator[LiveBody]:
        self._thread = thread
        path = f"{self.sessions.path(thread)}/turn"
        headers = provider_data(self.plan)
        body, secrets = turn_body(self.plan, groups), secrets_of(self.plan)
        async with self.connection.stream(path, body, headers, secrets=secrets) as rest:
            yield await begin(TurnStarted(), rest)

    async def _groups(self) -> Groups:
        searched = {"vector_db_ids": list(self.plan.vector_stores)}
        search = [{"name": _SEARCH, "args": searched}] if self.plan.vector_stores else []
        servers = [await self.tool_groups.of(each) for each in self.plan.mcp_servers]
        return [*search, *servers]


@dataclass(slots=True, eq=False)
class AgentResume:
    """The answers of a client to an agent that waits for them; see `UpstreamTurn`."""

    paused: PausedTurn
    answers: Answers
    server: str
    connection: Connection
    sessions: Sessions
    recording: str | None = None
    moderator: Moderator | None = None
    decoder: Decoder = field(default_factory=partial(DECODERS[DIALECT], resumed=True))

    @property
    def moderation(self) -> OutputModeration | None:
        """See `UpstreamTurn`."""
        return judged_in_the_stream(self.paused.plan)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[LiveBody]:
        """See `UpstreamTurn.open`."""
        paused = self.paused
        path = f"{self.sessions.path(paused.thread)}/turn/{paused.turn_id}/resume"
        body = {"stream": True, "tool_responses": tool_responses(paused, self.answers)}
        headers, secrets = provider_data(paused.plan), secrets_of(paused.plan)
        async with self.connection.stream(path, body, headers, secrets=secrets) as rest:
            live = await begin(TurnResumed(paused.turn_id, paused.calls), rest)
            check_taken(live.first)
            yield live

    def thread(self, summary: Summary) -> Thread | None:
        """See `UpstreamTurn.thread`."""
        return self.paused.thread if goes_on(summary) else None


def goes_on(summary: Summary) -> bool:
    """Tell whether a session holds its last turn, nothing open and nothing that was refused."""
    awaiting = summary.awaiting
    if awaiting is not None:
        return awaiting.reason is not InputReason.MAX_ITERATIONS
    return summary.outcome == "end" and summary.finish_reason is not FinishReason.SHIELD


def judged_in_the_stream(plan: Plan) -> OutputModeration | None:
    """An agent's output shields judge when all was said; the client is told so."""
    return OutputModeration(None, Release.AT_ONCE) if plan.output_shields else None


def agent_config(plan: Plan, groups: Groups, iterations_limit: int) -> Config:
    """Return the part of a plan that an agent fixes."""
    config: Config = {
        "model": plan.model.model_id if plan.model else "",
        "instructions": plan.system_prompt,
        "input_shields": list(plan.input_shields),
        "output_shields": list(plan.output_shields),
        "max_infer_iters": iterations_limit,
        "sampling_params": _SAMPLING,
        "enable_session_persistence": True,
        "name": "turnstile",
    }
    if plan.client_tools:
        config |= {"toolgroups": groups, "client_tools": list(map(_tool, plan.client_tools))}
    return config


def turn_body(plan: Plan, groups: Groups) -> Config:
    """Return the body of a turn.

    Attachments go as text after the question: servers refuse several types of documents, put
    nothing between them and the question, and their input shields do not see them.
    """
    said = question_with(plan.query, plan.attachments)
    body: Config = {"stream": True, "messages": [{"role": "user", "content": said}]}
    if groups:
        body["toolgroups"] = groups
    return body


def provider_data(plan: Plan) -> dict[str, str]:
    """Return the header that carries headers for MCP servers, each for its own server only."""
    headers = {each.url: dict(each.headers) for each in plan.mcp_servers if each.headers}
    if not headers:
        return {}
    # A header is ASCII, and so is JSON when it is asked to be.
    return {"X-LlamaStack-Provider-Data": json.dumps({"mcp_headers": headers})}


def tool_responses(paused: PausedTurn, answers: Answers) -> list[dict[str, str]]:
    """Return the answers as a resume takes them."""
    names = {call.call_id: call.tool_name for call in paused.calls}
    return [
        {
            "call_id": each.call_id,
            "tool_name": names[each.call_id],
            "content": output_of(each),
        }
        for each in answers
        if isinstance(each, ToolAnswer)
    ]


def _tool(tool: ClientTool) -> Config:
    """Return a client tool for 0.3 (`input_schema`) and for 0.2 (`parameters`) at once."""
    schema = tool.parameters
    required, properties = schema.get("required"), schema.get("properties")
    named = required if isinstance(required, list) else []
    parameters = [
        {
            "name": name,
            "parameter_type": str(about.get("type", "string")),
            "description": str(about.get("description", "")),
            "required": name in named,
        }
        for name, about in (properties if isinstance(properties, dict) else {}).items()
        if isinstance(about, dict)
    ]
    described = {"name": tool.name, "description": tool.description}
    return {**described, "input_schema": schema, "parameters": parameters}
