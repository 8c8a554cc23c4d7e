"""A live server as the upstream: which of its APIs drives a turn, and what is deleted again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from service.domain import (
    Answer,
    Answers,
    Catalogue,
    History,
    PausedTurn,
    Plan,
    Thread,
    ToolAnswer,
    ToolGroup,
    UpstreamInfo,
    no_history,
)
from service.ports import UpstreamTurn
from service.settings.groups import ModerationSettings, UpstreamSettings
from service.upstream.agents import AgentResume, AgentTurn
from service.upstream.cached import Cached
from service.upstream.catalogue import Offer, fetch_offer
from service.upstream.connection import Connection
from service.upstream.deletion import Deletion
from service.upstream.faults import fault
from service.upstream.moderation import ShieldModerator
from service.upstream.responses import DIALECT as RESPONSES
from service.upstream.responses import ResponseResume, ResponsesStyle, ResponseTurn
from service.upstream.sessions import DIALECT as AGENTS
from service.upstream.sessions import Sessions
from service.upstream.text import question_with
from service.upstream.tool_groups import ToolGroups
from service.upstream.tool_lists import fetch_tools
from statemachine import OutputModeration, Release

logger = structlog.get_logger()

_NOTICE = "Answers come from a live server."
"""Where it is concerns the log, not everybody who can read /v1/info."""

_GUARDRAILS = "guardrails"
"""The one shield of a server that only has a switch for its own."""

_ALPHA = (0, 3)
"""From this version on, agents are at /v1alpha; before, at /v1."""

_APPROVALS = (0, 4)
"""From this version on, a server can be told to run no call but those that were approved."""

_AUTHORIZATION_FIELD = (0, 4)
"""From this version on, servers refuse a token for MCP among its headers."""


@dataclass(slots=True, eq=False)
class LiveUpstream:
    """One server; see `Upstream`."""

    settings: UpstreamSettings
    moderation: ModerationSettings
    info: UpstreamInfo = field(init=False)
    _connection: Connection = field(init=False)
    _offers: Cached[Offer] = field(init=False)
    _tools: Cached[tuple[ToolGroup, ...]] = field(init=False)
    _sessions: Sessions = field(init=False)
    _offer: Offer | None = None
    _tool_groups: ToolGroups = field(init=False)
    _deletion: Deletion = field(init=False)
    _left_out: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.info = UpstreamInfo("live", recorded=False, notice=_NOTICE)
        self._connection = Connection(self.settings)
        ttl_s = self.settings.catalogue_ttl_s
        self._offers = Cached(partial(fetch_offer, self._connection), ttl_s)
        self._tools = Cached(self._ask_for_tools, ttl_s)
        self._sessions = Sessions(self._connection)
        self._tool_groups = ToolGroups(self._connection, {})
        self._deletion = Deletion(self._connection, self._sessions)
        self._sessions.forget = self._deletion.forget

    @asynccontextmanager
    async def running(self, *, keeps: bool = False) -> AsyncIterator[None]:
        """See `Upstream.running`."""
        async with (
            self._connection.running(),
            self._deletion.running(keeps=keeps),
            self._offers.running(),
            self._tools.running(),
        ):
            yield

    async def catalogue(self, *, renew: bool = False) -> Catalogue:
        """See `Upstream.catalogue`."""
        offer = await self._offers.get(renew=renew)
        if offer is not self._offer:
            if self._offer is None or self._offer.name != offer.name:
                self._announce(offer)
            self._offer = offer
            self._sessions.root = f"/v1{'alpha' if offer.version >= _ALPHA else ''}/agents"
            self._tool_groups = ToolGroups(self._connection, offer.tool_groups)
        return replace(offer.catalogue, shields=self._shields(offer))

    async def tools(self) -> tuple[ToolGroup, ...]:
        """See `Upstream.tools`."""
        return await self._tools.get()

    def prepare(self, plan: Plan, history: History = no_history) -> UpstreamTurn:
        """See `Upstream.prepare`."""
        offer = self._known_offer()
        plan = self._allowed(offer, plan)
        if self._speaks_agents(offer):
            return AgentTurn(
                plan,
                offer.name,
                self._connection,
                self._sessions,
                self._tool_groups,
                self.settings.iterations_limit,
                self.forget,
                history,
            )
        style, moderator = self._style(offer, plan), self._moderator(offer, plan)
        return ResponseTurn(
            plan,
            offer.name,
            self._connection,
            style,
            self.forget,
            history,
            self._output_moderation(moderator),
            moderator,
        )

    def resume(self, paused: PausedTurn, answers: Answers) -> UpstreamTurn:
        """See `Upstream.resume`."""
        offer = self._known_offer()
        if paused.thread.dialect == AGENTS:
            return AgentResume(paused, answers, offer.name, self._connection, self._sessions)
        plan = self._allowed(offer, paused.plan)
        paused = replace(paused, plan=plan)
        moderator = self._moderator(offer, plan)
        if moderator is not None:
            # What a client says is new to the shields; that a call may run is not.
            said = "\n\n".join(filter(None, map(_words, answers)))
            moderator.question = said if said and plan.input_shields else None
        return ResponseResume(
            paused,
            answers,
            offer.name,
            self._connection,
            self._style(offer, plan),
            self.forget,
            self._output_moderation(moderator),
            moderator,
        )

    def forget(self, thread: Thread) -> None:
        """See `Upstream.forget`."""
        self._deletion.forget(thread)

    async def _ask_for_tools(self) -> tuple[ToolGroup, ...]:
        offer = await self._offers.get()
        return await fetch_tools(self._connection, offer.tool_groups)

    def _allowed(self, offer: Offer, plan: Plan) -> Plan:
        """Leave out tools that may not run unasked where the server would run them."""
        if offer.version >= _APPROVALS and not self._speaks_agents(offer):
            return plan
        asked = [each for each in plan.mcp_servers if each.approval]
        for each in asked:
            if each.name not in self._left_out:
                self._left_out.add(each.name)
                logger.warning("mcp_server.left_out", server=each.name, reason="approval")
        allowed = tuple(each for each in plan.mcp_servers if not each.approval)
        return replace(plan, mcp_servers=allowed)

    def _known_offer(self) -> Offer:
        if self._offer is None:
            raise fault("upstream_unexpected", "the catalogue was not asked for")
        return self._offer

    def _announce(self, offer: Offer) -> None:
        """Tell operators what was found, and what will not be judged."""
        dialect = AGENTS if self._speaks_agents(offer) else RESPONSES
        url = self.settings.url
        address = f"{url.scheme}://{url.host}:{url.port}" if url else None
        logger.info("upstream.recognised", server=offer.name, dialect=dialect, address=address)
        if dialect == RESPONSES and self.moderation.by == "turnstile" and not offer.has_shields:
            logger.warning("moderation.unavailable", server=offer.name)

    def _speaks_agents(self, offer: Offer) -> bool:
        if self.settings.dialect == "auto":
            return offer.has_agents
        return self.settings.dialect == AGENTS

    def _by_turnstile(self, offer: Offer) -> bool:
        return offer.has_shields and self.moderation.by == "turnstile"

    def _shields(self, offer: Offer) -> tuple[str, ...]:
        """Return the shields that can be chosen: those that somebody will ask."""
        if self._speaks_agents(offer):
            return offer.catalogue.shields
        if self.moderation.by == "upstream":
            return offer.catalogue.shields if offer.has_shields else (_GUARDRAILS,)
        return offer.catalogue.shields if self._by_turnstile(offer) else ()

    def _style(self, offer: Offer, plan: Plan) -> ResponsesStyle:
        shields = list(dict.fromkeys((*plan.input_shields, *plan.output_shields)))
        guardrails: bool | list[str] | None = None
        if shields and not self._by_turnstile(offer):
            guardrails = shields if offer.has_shields else True
        return ResponsesStyle(
            authorization_field=offer.version >= _AUTHORIZATION_FIELD,
            guardrails=guardrails,
            iterations_limit=self.settings.iterations_limit,
            reasoning_effort=self.settings.reasoning_effort,
        )

    def _moderator(self, offer: Offer, plan: Plan) -> ShieldModerator | None:
        if not self._by_turnstile(offer) or not (plan.input_shields or plan.output_shields):
            return None
        asked = question_with(plan.query, plan.attachments)
        return ShieldModerator(
            self._connection,
            plan.input_shields,
            plan.output_shields,
            asked,
            self.moderation.timeout_s,
            question=asked if plan.input_shields else None,
        )

    def _output_moderation(self, moderator: ShieldModerator | None) -> OutputModeration | None:
        if moderator is None or not moderator.output_shields:
            return None
        release = Release.AFTER_VERDICT if self.moderation.hold_back else Release.AT_ONCE
        return OutputModeration(self.moderation.checkpoint_characters, release)


def _words(answer: Answer) -> str | None:
    """Return what an answer makes a model read of its client's own words."""
    return answer.content if isinstance(answer, ToolAnswer) else answer.reason
