"""What a server tells of itself, kept for a short time."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import structlog
from anyio.abc import TaskGroup

from service.errors import UpstreamError
from service.upstream.faults import fault

logger = structlog.get_logger()

_STALE_TTLS = 9
"""For how many times its own life an old offer is used while a new one is asked for."""


@dataclass(slots=True, eq=False)
class Cached[Offer]:
    """Keeps an offer of a server for `ttl_s`, and renews it beside the turn that finds it old.

    Who needs a new one for certain, or finds one that is very old, waits for the same one.
    """

    fetch: Callable[[], Awaitable[Offer]]
    ttl_s: float
    _offer: Offer | None = None
    _failed: UpstreamError | None = None
    _answers: int = 0
    _expires_at: float = 0.0
    _lock: anyio.Lock = field(default_factory=anyio.Lock)
    _tasks: TaskGroup | None = None
    _renewing: bool = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Renew offers until the context is left."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self._tasks = None
                tasks.cancel_scope.cancel()

    async def get(self, *, renew: bool = False) -> Offer:
        """Return the offer; one that cannot be renewed is better than none.

        Raises:
            UpstreamError: the server cannot be asked, and never could.
        """
        if self._offer is not None and not renew and self._usable():
            return self._offer
        known = self._answers
        async with self._lock:
            # Who has waited for another caller gets what that one got, even a failure.
            if self._answers == known:
                await self._renew()
        if self._offer is not None:
            return self._offer
        raise self._failed or fault("upstream_unexpected", "no answer")

    def _usable(self) -> bool:
        """Tell whether the offer can be used now; an old one is, while a new one is asked for."""
        now = anyio.current_time()
        if now < self._expires_at:
            return True
        if self._tasks is None or now > self._expires_at + _STALE_TTLS * self.ttl_s:
            return False
        if not self._renewing:
            self._renewing = True
            self._tasks.start_soon(self._renew_beside)
        return True

    async def _renew_beside(self) -> None:
        try:
            async with self._lock:
                await self._renew()
        finally:
            self._renewing = False

    async def _renew(self) -> None:
        try:
            self._offer = await self.fetch()
        except UpstreamError as failed:
            self._failed = failed
            if self._offer is not None:
                logger.warning("catalogue.not_renewed", code=failed.code, detail=failed.detail)
        self._answers += 1
        self._expires_at = anyio.current_time() + self.ttl_s
