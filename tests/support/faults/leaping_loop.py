"""An event loop whose time leaps to the next timer instead of passing.

Timeouts, heartbeats and times of grace cost nothing then, and every run goes the same way. It is
for what runs in one process and opens no socket: nobody else would wait for the time of this loop.
"""

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any

_EPOCH = 1_000.0


class NothingCanHappen(Exception):
    """Everything waits, and no timer is set: this would hang for ever."""


class LeapingLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self.now = _EPOCH
        super().__init__(_LeapingSelector(self))

    def time(self) -> float:
        """See `asyncio.AbstractEventLoop.time`."""
        return self.now


class _LeapingSelector(selectors.BaseSelector):
    """Finds what is ready, and otherwise lets time leap by what it should have waited."""

    def __init__(self, loop: LeapingLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `BaseSelector.select`."""
        ready = self._real.select(0)
        if not ready and timeout is None:
            raise NothingCanHappen
        if not ready and timeout is not None and timeout > 0:
            self._loop.now += timeout
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """See `BaseSelector.register`."""
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """See `BaseSelector.unregister`."""
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """See `BaseSelector.get_map`."""
        return self._real.get_map()

    def close(self) -> None:
        """See `BaseSelector.close`."""
        self._real.close()
