"""An emission log in the memory of one process; nobody else can read it, and it ends with it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from service.domain import Estate, TurnIds
from service.errors import TurnUnknown
from service.ports import Orphan, TurnControl
from service.storage.turn_buffer import Bounds, BufferReader, TurnBuffers
from statemachine import Emission, Interrupter


class MemoryLog:
    """See `EmissionLog`; a turn here cannot outlive its owner."""

    shared = attached = False

    def __init__(self, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> None:
        self._turns = TurnBuffers(bounds, clock)
        self._controls: dict[str, TurnControl] = {}
        self._forgotten: set[str] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """See `EmissionLog.running`."""
        yield

    async def open(self, ids: TurnIds, estate: Estate, control: TurnControl) -> None:  # noqa: ARG002 # of the interface
        """See `EmissionLog.open`."""
        self._turns.open(ids)
        self._controls[ids.request_id] = control

    def append(self, request_id: str, emissions: Sequence[Emission]) -> None:
        """See `EmissionLog.append`."""
        buffer = self._turns.append(request_id, emissions)
        if buffer.ended_at is not None:
            self._controls.pop(request_id, None)
            if request_id in self._forgotten:
                self._forgotten.remove(request_id)
                self._turns.drop(buffer)
        buffer.publish(buffer.latest)

    async def flush(self, request_id: str) -> bool:  # noqa: ARG002 # there are no others
        """See `EmissionLog.flush`."""
        return True

    async def reader(self, request_id: str, after: int, user: str | None = None) -> BufferReader:
        """See `EmissionLog.reader`."""
        buffer = self._turns.find(request_id)
        if buffer is None or not buffer.ids.belongs_to(user):
            raise TurnUnknown
        return BufferReader(buffer, after)

    async def stop(self, request_id: str, by: Interrupter) -> None:
        """See `EmissionLog.stop`."""
        control = self._controls.get(request_id)
        if control is not None:
            control.stop(by)

    async def forget(self, request_ids: Sequence[str]) -> None:
        """See `EmissionLog.forget`."""
        for request_id in request_ids:
            buffer = self._turns.find(request_id)
            if buffer is None:
                continue
            if buffer.ended_at is None:
                self._forgotten.add(request_id)
            else:
                self._turns.drop(buffer)

    async def orphan(self) -> Orphan:
        """See `EmissionLog.orphan`: here there is never one."""
        return await asyncio.Future()
