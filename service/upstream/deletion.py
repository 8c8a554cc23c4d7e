"""Deleting what we have created on a server: beside the turns, and before the process ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from service.domain import Thread
from service.errors import UpstreamError
from service.upstream.connection import Connection
from service.upstream.responses import DIALECT as RESPONSES
from service.upstream.responses import PATH
from service.upstream.sessions import DIALECT as AGENTS
from service.upstream.sessions import GONE, SHARED, Sessions

logger = structlog.get_logger()

_WORKERS = 4
_WAITING_LIMIT = 20_000
"""Threads that wait to be deleted; those beyond are left to the server, and the log says so."""

_LAST_WAIT_S = 5.0
"""How long a stopping process deletes what is left."""


@dataclass(slots=True, eq=False)
class Deletion:
    """Deletes threads, a few at a time."""

    connection: Connection
    sessions: Sessions
    waiting_limit: int = _WAITING_LIMIT
    last_wait_s: float = _LAST_WAIT_S
    _waiting: MemoryObjectSendStream[Thread] | None = None
    _unsure: int = 0
    _keeps: bool = False

    def forget(self, thread: Thread) -> None:
        """See `Upstream.forget`."""
        if thread.dialect == AGENTS:
            self.sessions.unwant(thread)
        if self._waiting is not None:
            with suppress(anyio.WouldBlock):
                self._waiting.send_nowait(thread)
                return
        logger.warning("thread.leaked", dialect=thread.dialect, ids=thread.ids)

    @asynccontextmanager
    async def running(self, *, keeps: bool) -> AsyncIterator[None]:
        """Delete until the context is left, and then what is left, for a while.

        `keeps` tells that what nobody has forgotten is needed after that.
        """
        self._keeps = keeps
        waiting, taken = anyio.create_memory_object_stream[Thread](self.waiting_limit)
        async with waiting, taken:
            async with anyio.create_task_group() as tasks:
                self._waiting = waiting
                tasks.start_soon(self._run, taken)
                try:
                    yield
                finally:
                    self._waiting = None
                    waiting.close()
                    tasks.cancel_scope.deadline = anyio.current_time() + self.last_wait_s
            agents = self.sessions.left(keeps=self._keeps)
            left = len(agents) + self._unsure + self._waiting_in(taken)
        if left:
            logger.warning("thread.leaked", left=left)

    async def _run(self, taken: MemoryObjectReceiveStream[Thread]) -> None:
        async with anyio.create_task_group() as workers:
            for _ in range(_WORKERS):
                workers.start_soon(self._work, taken)
        agents = self.sessions.left(keeps=self._keeps)
        async with anyio.create_task_group() as workers:
            for _ in range(_WORKERS):
                workers.start_soon(self._work_off, agents)

    async def _work(self, taken: MemoryObjectReceiveStream[Thread]) -> None:
        async for thread in taken:
            if self._waiting is not None or self._goes_alone(thread):
                await self._delete(thread)

    async def _work_off(self, agents: list[Thread]) -> None:
        """Delete the agents that are left in the end, with their sessions."""
        while agents:
            await self._delete(agents.pop())

    async def _delete(self, thread: Thread) -> None:
        """Delete a thread; one of which nobody knows whether it is gone stays in mind."""
        alone = self._goes_alone(thread)
        self._unsure += alone
        try:
            if thread.dialect == RESPONSES:
                await self.connection.delete(f"{PATH}/{thread.ids[0]}")
            else:
                await self.sessions.delete(thread)
        except UpstreamError as refused:
            logger.debug("thread.not_deleted", code=refused.code, detail=refused.detail)
            # Most likely the server has lost it by itself: a restart, or its own cleaning.
            if refused.code not in GONE:
                return
        self._unsure -= alone

    def _goes_alone(self, thread: Thread) -> bool:
        """Tell whether a thread does not go with an agent in the end."""
        return thread.dialect == RESPONSES or (self._keeps and thread.ids[2] == SHARED)

    def _waiting_in(self, taken: MemoryObjectReceiveStream[Thread]) -> int:
        """Return how many threads wait that do not go with an agent."""
        count = 0
        with suppress(anyio.EndOfStream):
            while True:
                count += self._goes_alone(taken.receive_nowait())
        return count
