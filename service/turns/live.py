"""The turns that run in this process: their owner and their end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import structlog

from service.errors import Stopping
from service.turns.turn import RunningTurn
from statemachine import Interrupter

logger = structlog.get_logger()

type Drive = Callable[[RunningTurn], Awaitable[None]]
type Attempt = Callable[[], Awaitable[bool]]
"""Returns whether it was done."""

_ATTEMPTS_S = 0.5
"""How long after one attempt comes the next."""


class LiveTurns:
    """Owns the tasks of all running turns; a turn belongs to the process, not to a request."""

    def __init__(self, drive: Drive, stop_wait_s: float) -> None:
        """`stop_wait_s` is how long an interrupt waits for the end of its turn."""
        self._drive = drive
        self._stop_wait_s = stop_wait_s
        self._turns: dict[str, RunningTurn] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._refusing = False

    @property
    def alive(self) -> bool:
        """Tell whether turns can run, new ones or those that do already."""
        return self._tasks is not None

    @property
    def accepting(self) -> bool:
        """Tell whether new turns are taken."""
        return self._tasks is not None and not self._refusing

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._turns

    @property
    def turns(self) -> tuple[RunningTurn, ...]:
        """The turns that run."""
        return tuple(self._turns.values())

    def admit(self) -> asyncio.TaskGroup:
        """Return what runs turns.

        Raises:
            Stopping: the process is about to stop.
        """
        if self._tasks is None or self._refusing:
            raise Stopping("No new turns are taken.")
        return self._tasks

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run turns until the context is left; then those that still run are stopped."""
        # Not anyio's group, in which every task has an event of its own: a kilobyte.
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self.stop_all()
                self._tasks = None

    def launch(self, turn: RunningTurn) -> None:
        """Set a turn going.

        Raises:
            Stopping: the process is about to stop.
        """
        tasks = self.admit()
        self._turns[turn.ids.request_id] = turn
        tasks.create_task(self._own(turn), name=f"turn {turn.ids.request_id}")

    def accompany(self, turn: RunningTurn, attempt: Attempt) -> None:
        """Try something again and again while a turn runs, until it is done."""
        if self._tasks is not None:
            name = f"turn {turn.ids.request_id} accompanied"
            self._tasks.create_task(self._again(turn, attempt), name=name)

    async def interrupt(self, request_id: str, by: Interrupter) -> bool:
        """Stop one turn and tell whether that is how it ended; its end may have been faster."""
        turn = self._turns.get(request_id)
        if turn is None:
            return False
        turn.stop(by)
        with anyio.move_on_after(self._stop_wait_s):
            await turn.done.wait()
        return turn.interrupted

    def attend(self, request_id: str) -> None:
        """Note that a turn is read until now, if it runs here."""
        if request_id in self._turns:
            self._turns[request_id].attend()

    def refuse(self) -> None:
        """Take no new turns."""
        self._refusing = True

    async def ended(self) -> None:
        """Wait until no turn runs."""
        while self._turns:
            await next(iter(self._turns.values())).done.wait()

    def stop_all(self) -> None:
        """Take no new turns and stop all that run: their readers get a terminal event."""
        self.refuse()
        for turn in list(self._turns.values()):
            turn.stop(Interrupter.DRAIN)

    async def _again(self, turn: RunningTurn, attempt: Attempt) -> None:
        try:
            done = False
            while not done:
                with anyio.move_on_after(_ATTEMPTS_S):
                    await turn.done.wait()
                done = turn.done.is_set() or await attempt()
        except Exception:  # what goes with one turn must not end all of them
            logger.exception("turn.crashed", request_id=turn.ids.request_id)

    async def _own(self, turn: RunningTurn) -> None:
        try:
            await self._drive(turn)
        except Exception:  # one turn that cannot even be ended must not end all the others
            logger.exception("turn.crashed", request_id=turn.ids.request_id)
        finally:
            del self._turns[turn.ids.request_id]
            turn.settled.set()
            turn.done.set()
