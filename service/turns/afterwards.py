"""What is done when a turn has ended and its readers know: nobody waits for it."""

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import structlog

from service.domain import TurnRecord
from service.ports import Transcripts
from service.turns.settle import Settled
from service.turns.titles import Titler
from service.turns.turn import RunningTurn

logger = structlog.get_logger()

_LIMIT = 1_000
"""Turns for which something is still to be done; of more, the oldest are left as they are."""

_LAST_WAIT_S = 3.0
"""How long a process that ends goes on writing transcripts."""


class _Task(Protocol):
    async def __call__(self) -> None: ...


@dataclass(slots=True, eq=False)
class Afterwards:
    """Writes transcripts and makes titles, one turn after the other."""

    transcripts: Transcripts
    titler: Titler
    _transcripts: "_Queue" = field(default_factory=lambda: _Queue("transcript"))
    _titles: "_Queue" = field(default_factory=lambda: _Queue("title"))

    def export(self, record: TurnRecord) -> None:
        """Write the transcript of a turn."""
        self._transcripts.add(lambda: self.transcripts.write(record))

    def add(self, turn: RunningTurn, settled: Settled) -> None:
        """Do what is still to be done for a turn that has ended here."""
        self.export(settled.record)
        if turn.titled and settled.record.told and settled.record.outcome == "end":
            self._titles.add(lambda: self.titler.name(turn))

    async def run(self) -> None:
        """Do it, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._transcripts.run)
            tasks.start_soon(self._titles.run)

    async def last(self) -> None:
        """Write the transcripts that are left; titles are left."""
        with anyio.move_on_after(_LAST_WAIT_S):
            await self._transcripts.work_off()


class _Queue:
    """Tasks in their order, so many."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: deque[_Task] = deque()
        self._added = anyio.Event()

    def add(self, task: _Task) -> None:
        if len(self._tasks) >= _LIMIT:
            self._tasks.popleft()
            logger.warning("afterwards.left", what=self._name)
        self._tasks.append(task)
        self._added.set()

    async def run(self) -> None:
        while True:
            await self._added.wait()
            await self.work_off()
            self._added = anyio.Event()

    async def work_off(self) -> None:
        while self._tasks:
            task = self._tasks.popleft()
            try:
                await task()
            except anyio.get_cancelled_exc_class():
                # Nothing, or only a part of it, was done.
                self._tasks.appendleft(task)
                raise
            except Exception:  # what comes after a turn must not end what comes after the others
                logger.exception("afterwards.crashed", what=self._name)
