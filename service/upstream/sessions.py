"""Agents and sessions that we create on a server: shared where they can be, and deleted again.

An agent is a configuration (model, instructions, shields, client tools) that cannot be changed,
so conversations with the same one share it; each has a session of its own. An agent whose
instructions hold the history of a conversation belongs to that conversation alone.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import anyio
import msgspec

from service.domain import Thread
from service.errors import UpstreamError
from service.upstream.connection import Connection
from service.upstream.faults import fault

DIALECT = "agents"
_OWN = "own"
SHARED = "shared"
GONE = ("upstream_bad_request", "upstream_not_found")
_IDLE = 20
"""Shared agents without a session that are kept for the next conversation."""

type Config = Mapping[str, object]


@dataclass(slots=True)
class _Agent:
    """A shared agent; `opening` counts the sessions that are being created."""

    agent_id: str
    sessions: set[str] = field(default_factory=set)
    opening: int = 0


@dataclass(slots=True, eq=False)
class Sessions:
    """The agents and sessions of one server; `root` is where it has its agents."""

    connection: Connection
    root: str = "/v1alpha/agents"
    idle_limit: int = _IDLE
    forget: Callable[[Thread], None] = field(default=lambda _: None)
    _shared: "OrderedDict[str, _Agent]" = field(default_factory=OrderedDict)
    _owned: set[str] = field(default_factory=set)
    _unwanted: set[str] = field(default_factory=set)
    _creating: anyio.Lock = field(default_factory=anyio.Lock)

    async def open(self, config: Config, history: str) -> Thread:
        """Create a session for a configuration; without a history its agent is shared.

        Raises:
            UpstreamError: the server does not create it.
        """
        key = fingerprint(config)
        if history:
            told = {**config, "instructions": f"{config['instructions']}{history}"}
            agent_id = await self._create_agent(told)
            self._owned.add(agent_id)
            try:
                session_id = await self._create_session(agent_id)
            except BaseException:
                self.forget(_agent_alone(agent_id))
                raise
            return Thread(DIALECT, (agent_id, session_id, _OWN), key)
        known = self._shared.get(key)
        try:
            return await self._open_shared(config, key)
        except UpstreamError as refused:
            if known is None or refused.code not in GONE:
                raise
        # The server has lost an agent that it had; another turn may have found out before.
        if self._shared.get(key) is known:
            del self._shared[key]
        return await self._open_shared(config, key)

    async def delete(self, thread: Thread) -> None:
        """Delete a session, and its agent when nobody shares that.

        An agent that another process has made goes with its last session.

        Raises:
            UpstreamError: the server does not delete it.
        """
        agent_id, session_id, ownership = thread.ids
        if ownership == _OWN:
            await self._delete_agent(agent_id)
            return
        agent = self._shared.get(thread.fingerprint)
        own = agent is not None and agent.agent_id == agent_id
        if agent is not None and own:
            agent.sessions.discard(session_id)
        try:
            await self.connection.delete(self.path(thread))
        except UpstreamError as refused:
            if own or refused.code not in GONE:
                raise
        if own:
            self._forget_unused()
        elif await self._is_empty(agent_id):
            await self._delete_agent(agent_id)

    def unwant(self, thread: Thread) -> None:
        """Note that a thread is to be deleted: its agent stays in mind until it is."""
        agent_id, _, ownership = thread.ids
        if ownership == _OWN:
            self._unwanted.add(agent_id)

    def left(self, *, keeps: bool) -> list[Thread]:
        """Return every agent that is to be deleted and not known to be; its sessions go with it.

        `keeps` tells that conversations go on in other processes, with the agents that they have.
        From then on nobody can share one.
        """
        for agent in self._shared.values():
            if not (keeps and (agent.sessions or agent.opening)):
                self._unwanted.add(agent.agent_id)
        self._shared.clear()
        if not keeps:
            self._unwanted |= self._owned
        return list(map(_agent_alone, self._unwanted))

    def path(self, thread: Thread) -> str:
        """Return where a session is."""
        agent_id, session_id, _ = thread.ids
        return f"{self.root}/{agent_id}/session/{session_id}"

    async def _open_shared(self, config: Config, key: str) -> Thread:
        async with self._creating:
            agent = self._shared.get(key)
            if agent is None:
                agent = self._shared[key] = _Agent(await self._create_agent(config))
        self._shared.move_to_end(key)
        agent.opening += 1
        try:
            session_id = await self._create_session(agent.agent_id)
            agent.sessions.add(session_id)
        finally:
            agent.opening -= 1
            self._forget_unused()
        return Thread(DIALECT, (agent.agent_id, session_id, SHARED), key)

    async def _create_agent(self, config: Config) -> str:
        answer = await self.connection.post(self.root, {"agent_config": config})
        return _id(answer, "agent_id")

    async def _delete_agent(self, agent_id: str) -> None:
        """Delete an agent; one that may still be there stays in mind."""
        try:
            await self.connection.delete(f"{self.root}/{agent_id}")
        except UpstreamError as refused:
            if refused.code in GONE:
                self._lose(agent_id)
            raise
        self._lose(agent_id)

    def _lose(self, agent_id: str) -> None:
        self._owned.discard(agent_id)
        self._unwanted.discard(agent_id)

    async def _is_empty(self, agent_id: str) -> bool:
        answer = await self.connection.get(f"{self.root}/{agent_id}/sessions?limit=1")
        return isinstance(answer, dict) and answer.get("data") == []

    async def _create_session(self, agent_id: str) -> str:
        path = f"{self.root}/{agent_id}/session"
        answer = await self.connection.post(path, {"session_name": "turnstile"})
        return _id(answer, "session_id")

    def _forget_unused(self) -> None:
        """Take out shared agents without sessions, the longest unused first, but for some."""
        used = [agent.opening or agent.sessions for agent in self._shared.values()]
        unused = [key for key, busy in zip(list(self._shared), used, strict=True) if not busy]
        for key in unused[: max(0, len(unused) - self.idle_limit)]:
            self.forget(_agent_alone(self._shared.pop(key).agent_id))


def _agent_alone(agent_id: str) -> Thread:
    """Return what stands for an agent that never had a session."""
    return Thread(DIALECT, (agent_id, "", _OWN))


def _id(answer: object, name: str) -> str:
    """Return the id that a server has given to what it has created."""
    given = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(given, str) or not given:
        raise fault("upstream_unexpected", f"no {name} in {answer!r}"[:500])
    return given


def fingerprint(config: Config) -> str:
    """Return what tells two configurations apart."""
    return hashlib.sha256(msgspec.json.encode(config, order="sorted")).hexdigest()
