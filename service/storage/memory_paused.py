"""Turns that wait for answers of their clients, in the memory of one process."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.domain import Answers, PausedTurn, Thread
from service.errors import AnswersDiffer, AnswerTooLate, NotAwaiting

_KEPT_S = 3_600.0
"""How long one that is over can still be told from one that never was."""


@dataclass(slots=True)
class _Entry:
    paused: PausedTurn
    expires_at: float
    answers: Answers | None = None
    answered_by: str | None = None


class MemoryPausedTurns:
    """See `PausedTurns`; of too many, the oldest go."""

    def __init__(
        self, wait_s: float, limit: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._wait_s = wait_s
        self._limit = limit
        self._clock = clock
        self._kept: OrderedDict[str, _Entry] = OrderedDict()
        self._waiting: OrderedDict[str, _Entry] = OrderedDict()

    async def pause(self, request_id: str, paused: PausedTurn) -> Sequence[Thread]:
        """See `PausedTurns.pause`."""
        entry = _Entry(paused, self._clock() + self._wait_s)
        self._kept[request_id] = self._waiting[request_id] = entry
        return await self.expired()

    async def expired(self) -> Sequence[Thread]:
        """See `PausedTurns.expired`."""
        now = self._clock()
        self._drop(now - _KEPT_S)
        gone: list[Thread] = []
        while self._waiting:
            request_id, entry = next(iter(self._waiting.items()))
            if request_id in self._kept and entry.expires_at > now:
                break
            del self._waiting[request_id]
            if entry.answered_by is None:
                gone.append(entry.paused.thread)
        return gone

    async def find(self, request_id: str) -> PausedTurn:
        """See `PausedTurns.find`."""
        return self._entry(request_id).paused

    async def claim(self, request_id: str, answers: Answers, by: str) -> str:
        """See `PausedTurns.claim`."""
        entry = self._entry(request_id)
        if entry.answered_by is None:
            entry.answers, entry.answered_by = answers, by
        elif entry.answers != answers:
            raise AnswersDiffer("Other answers came first; the turn goes on with those.")
        return entry.answered_by

    async def release(self, request_id: str, by: str) -> None:
        """See `PausedTurns.release`."""
        entry = self._kept.get(request_id)
        if entry is not None and entry.answered_by == by:
            entry.answers = entry.answered_by = None
            self._waiting[request_id] = entry

    async def close(self) -> Sequence[Thread]:
        """See `PausedTurns.close`."""
        return [each.paused.thread for each in self._waiting.values() if each.answered_by is None]

    def _entry(self, request_id: str) -> _Entry:
        entry = self._kept.get(request_id)
        if entry is None:
            raise NotAwaiting("It did not end in awaiting_input, or it is no longer kept.")
        if entry.answered_by is None and entry.expires_at <= self._clock():
            raise AnswerTooLate(f"Answers were taken for {self._wait_s:g} s.")
        return entry

    def _drop(self, long_over: float) -> None:
        """Forget what is long over, and the oldest of what is too much."""
        while self._kept:
            request_id, entry = next(iter(self._kept.items()))
            if len(self._kept) <= self._limit and entry.expires_at > long_over:
                return
            del self._kept[request_id]
