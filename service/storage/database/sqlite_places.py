"""Where the functions of a connection to SQLite run, one after another: a thread, or the loop."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol

CLOSED = "connection closed"
"""By this SQLAlchemy knows that it needs another connection."""

type _Work = tuple[Callable[[], object], asyncio.Future[Any] | None]


class Place(Protocol):
    """Where the functions of a connection run, one after another."""

    async def run[T](self, function: Callable[[], T]) -> T:
        """Run a function and return what it does."""
        ...

    def post(self, function: Callable[[], object]) -> None:
        """Run a function that nobody waits for."""
        ...

    def leave(self) -> None:
        """Run what is left, and nothing more."""
        ...


class OwnThread:
    """A thread of its own, without the locks of an executor: half of a trip were those."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._left = False
        Thread(target=self._serve, name="sqlite", daemon=True).start()

    async def run[T](self, function: Callable[[], T]) -> T:
        """See `Place`."""
        if self._left:
            raise sqlite3.OperationalError(CLOSED)
        done: asyncio.Future[T] = self._loop.create_future()
        self._work.put((function, done))
        return await done

    def post(self, function: Callable[[], object]) -> None:
        """See `Place`."""
        self._work.put((function, None))

    def leave(self) -> None:
        """See `Place`."""
        self._left = True
        self._work.put(None)

    def _serve(self) -> None:
        while self._did(self._work.get()):
            # What was done is forgotten before the next wait.
            pass

    def _did(self, work: _Work | None) -> bool:
        if work is None:
            return False
        function, done = work
        try:
            tell = partial(_tell, done, function(), None)
        except Exception as failed:  # noqa: BLE001 # it is raised where the result is awaited
            tell = partial(_tell, done, None, failed)
        if done is not None:
            # Nobody waits any more where the loop has closed.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(tell)
        return True


def _tell(done: asyncio.Future[Any] | None, result: object, failed: Exception | None) -> None:
    if done is None or done.done():
        return
    if failed is None:
        done.set_result(result)
    else:
        done.set_exception(failed)


class Here:
    """The event loop."""

    async def run[T](self, function: Callable[[], T]) -> T:
        """See `Place`."""
        return function()

    def post(self, function: Callable[[], object]) -> None:
        """See `Place`."""
        function()

    def leave(self) -> None:
        """See `Place`."""
