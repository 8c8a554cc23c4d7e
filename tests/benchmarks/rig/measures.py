"""How a target is measured: streams are opened, run for a while, counted, and ended in order.

What is counted is a window in the middle, in which no stream begins or ends. Before and after it
every stream is held against what was sent: a target that loses a token or an end has no figures.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.benchmarks.rig.loop import Loop
from tests.benchmarks.rig.readers import Readers
from tests.benchmarks.rig.script import Script
from tests.benchmarks.rig.targets import Target
from tests.benchmarks.rig.upstream import Upstream

_OPEN_TIMEOUT_S = 30.0
_DRAIN_TIMEOUT_S = 8.0
_END_TIMEOUT_S = 8.0
_QUIET_TIMEOUT_S = 5.0
_QUIET_WINDOW_S = 0.1
_QUIET_SHARE = 0.1
_SETTLE_S = 0.4
_IDLE_S = 2.0
_DISTURBED_SHARE = 0.03


class MeasureFailed(Exception):
    """A target that cannot be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Load:
    """So many streams of so many tokens a second; without a pace, as many as the target takes."""

    streams: int
    pace: float | None = None

    def __str__(self) -> str:
        """Return what a table calls it."""
        if self.pace is None:
            return f"{self.streams} streams, un-paced"
        return f"{self.streams:,} streams of {self.pace:g} tokens/s"


@dataclass(frozen=True, slots=True)
class Window:
    """What was seen in one window.

    `late` are tokens that the rig itself sent too late, `waited_s` is how long the target waited
    for its core; `rig_busy` is how much of the other core the upstream and the readers took.
    """

    tokens: int
    offered: int
    late: int
    wall_s: float
    cpu_s: float
    waited_s: float
    rig_busy: float
    taken_us: list[int]

    @property
    def token_us(self) -> float:
        """Processor time of one token."""
        return self.cpu_s / self.tokens * 1e6

    @property
    def tokens_per_s(self) -> float:
        """How many tokens went through."""
        return self.tokens / self.wall_s

    @property
    def busy(self) -> float:
        """How much of its core the target took."""
        return self.cpu_s / self.wall_s

    @property
    def disturbed(self) -> bool:
        """Tell whether somebody else has used either core: a late token is a cheaper one."""
        late = self.late > self.offered * _DISTURBED_SHARE
        return late or self.waited_s > self.wall_s * _DISTURBED_SHARE

    def delay_ms(self, percent: float) -> float:
        """Return what that many tokens took at most."""
        taken = sorted(self.taken_us)
        return taken[min(int(len(taken) * percent / 100), len(taken) - 1)] / 1_000


@dataclass(frozen=True, slots=True)
class Idle:
    """Memory of one open stream, and the processor time to open it."""

    stream_kib: float
    opening_ms: float


class Rig:
    """The upstream and the readers, in this process, on its core."""

    def __init__(self, script: Script) -> None:
        self._loop = Loop()
        self.upstream = Upstream(self._loop, script)
        self._readers = Readers(self._loop, self.upstream)

    def close(self) -> None:
        """Let go of everything."""
        self._readers.leave()
        self.upstream.close()
        self._loop.close()

    def window(self, target: Target, load: Load, window_s: float) -> Window:
        """Measure one window under load.

        Raises:
            MeasureFailed: streams did not open, went wrong, lost something or did not end.
        """
        with self._streams(target, load.streams):
            self._go(load)
            self._loop.run(_SETTLE_S)
            return self._count(target, load, window_s)

    def idle(self, target: Target, streams: int) -> Idle:
        """Measure what streams cost by being there, while they say next to nothing.

        Raises:
            MeasureFailed: see `window`.
        """
        process, cpu_s, pss_kib = target.process, target.process.cpu_s, target.process.pss_kib
        with self._streams(target, streams):
            opening_s = process.cpu_s - cpu_s
            self._go(Load(streams, 1.0))
            self._loop.run(_IDLE_S)
            return Idle((process.pss_kib - pss_kib) / streams, opening_s / streams * 1_000)

    def wait_until_quiet(self, target: Target) -> None:
        """Let a target tidy up: in the next window nobody shall pay for it."""
        end = time.monotonic() + _QUIET_TIMEOUT_S
        while time.monotonic() < end:
            before = target.process.cpu_s
            self._loop.run(_QUIET_WINDOW_S)
            if target.process.cpu_s - before < _QUIET_WINDOW_S * _QUIET_SHARE:
                return

    def _go(self, load: Load) -> None:
        if load.pace is None:
            self.upstream.pour()
        else:
            self.upstream.pace(load.pace)

    def _count(self, target: Target, load: Load, window_s: float) -> Window:
        upstream, readers = self.upstream, self._readers
        taken_us: list[int] = []
        readers.taken_us = taken_us if load.pace else None
        tokens, late = upstream.received, upstream.late
        offered = upstream.sent + upstream.withheld
        process, cpu_s, waited_s = target.process, target.process.cpu_s, target.process.waited_s
        own_s, begun = time.process_time(), time.perf_counter()
        self._loop.run(window_s)
        wall_s = time.perf_counter() - begun
        readers.taken_us = None
        return Window(
            tokens=upstream.received - tokens,
            offered=upstream.sent + upstream.withheld - offered,
            late=upstream.late - late,
            wall_s=wall_s,
            cpu_s=process.cpu_s - cpu_s,
            waited_s=process.waited_s - waited_s,
            rig_busy=(time.process_time() - own_s) / wall_s,
            taken_us=taken_us,
        )

    @contextmanager
    def _streams(self, target: Target, count: int) -> Iterator[None]:
        """Have open streams, and end them in order."""
        self.upstream.sent = self.upstream.received = self.upstream.withheld = 0
        try:
            self._open(target, count)
            yield
            self._finish(count)
        finally:
            self._readers.leave()
            self.upstream.reset()

    def _open(self, target: Target, count: int) -> None:
        readers = self._readers
        try:
            readers.open(count, target.process.port, target.request, target.terminal)
        except OSError as refused:
            raise MeasureFailed(f"{refused}; {target.process.complaint}") from None
        opened = self._loop.run(_OPEN_TIMEOUT_S, lambda: readers.complete)
        self._check()
        if not opened:
            raise MeasureFailed(f"{count} streams did not open within {_OPEN_TIMEOUT_S:g} s")

    def _finish(self, count: int) -> None:
        """Let the target catch up, then let all streams end."""
        upstream, readers = self.upstream, self._readers
        upstream.hold()
        if not self._loop.run(_DRAIN_TIMEOUT_S, lambda: upstream.received >= upstream.sent):
            self._check()
            lost = upstream.sent - upstream.received
            raise MeasureFailed(f"{lost} of {upstream.sent} tokens have not come")
        if upstream.received != upstream.sent:
            raise MeasureFailed(f"{upstream.received} tokens came of {upstream.sent}")
        readers.finishing = True
        upstream.finish()
        ended = self._loop.run(_END_TIMEOUT_S, lambda: readers.gone)
        self._check()
        if not ended:
            raise MeasureFailed(f"not all of {count} streams ended")

    def _check(self) -> None:
        lost = self._readers.lost
        if lost:
            raise MeasureFailed(f"{len(lost)} streams went wrong, the first: {lost[0]}")
