"""What a token of a stream costs in the service, beside three references, measured in one run.

One core has the target; the other one has this process, which is a rendered upstream and all
readers at once, and Redis. Options: `--quick`, `--dialect agents`, `--only TARGET` (repeatable).
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.rig.measures import Load, MeasureFailed, Rig
from tests.benchmarks.rig.processes import NotStarted, precedence
from tests.benchmarks.rig.report import TITLES, print_figures, print_goals
from tests.benchmarks.rig.results import FEW, FIFTY, MANY, THOUSAND, UNPACED, Results
from tests.benchmarks.rig.script import TURNS, script
from tests.benchmarks.rig.targets import STARTERS, Bench, Target

SERVICE = ("memory", "redis")
LOADS = {
    FEW: tuple(STARTERS),
    MANY: tuple(STARTERS),
    FIFTY: tuple(STARTERS),
    UNPACED: (*SERVICE, "usual", "fast-usual"),
    THOUSAND: SERVICE,
}
WARM_UP = Load(4, 50)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    rounds: int
    window_s: float
    idle_streams: int
    idle_targets: Sequence[str]


WHOLE = Extent(3, 2.0, 500, tuple(STARTERS))
QUICK = Extent(1, 0.7, 200, SERVICE)


@dataclass(slots=True)
class Run:
    """One run over the targets that could be started."""

    rig: Rig
    targets: Sequence[Target]
    extent: Extent
    results: Results

    def measure(self) -> None:
        """Measure everything; what fails once is not tried again."""
        for target in self.targets:
            if target.name in self.extent.idle_targets:
                self._idle(target)
        failed: set[tuple[Load, str]] = set()
        for number in range(self.extent.rounds):
            print(f"round {number + 1} of {self.extent.rounds}", flush=True)
            for load, names in LOADS.items():
                for target in self.targets:
                    tried = target.name in names and (load, target.name) not in failed
                    if tried and not self._window(target, load):
                        failed.add((load, target.name))

    def _idle(self, target: Target) -> None:
        try:
            self.results.add_idle(target.name, self.rig.idle(target, self.extent.idle_streams))
        except (MeasureFailed, OSError) as failed:
            print(f"{TITLES[target.name]}, idle streams: {failed}")
        self.rig.wait_until_quiet(target)

    def _window(self, target: Target, load: Load) -> bool:
        try:
            window = self.rig.window(target, load, self.extent.window_s)
        except (MeasureFailed, OSError) as failed:
            print(f"{TITLES[target.name]}, {load}: {failed}")
            return False
        self.results.add(target.name, load, window)
        self.rig.wait_until_quiet(target)
        return True


@contextmanager
def running(rig: Rig, bench: Bench, names: Sequence[str]) -> Iterator[list[Target]]:
    """Start targets and have each of them carry some streams."""
    with ExitStack() as started:
        targets = []
        for name in names:
            try:
                target = started.enter_context(STARTERS[name](bench))
                rig.window(target, WARM_UP, 0.5)
            except (NotStarted, MeasureFailed, OSError) as refused:
                print(f"{TITLES[name]} is left out: {refused}", flush=True)
            else:
                targets.append(target)
        yield targets


def options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="streams", description="Measure the cost of a token.")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--dialect", choices=TURNS, default="responses", help="of the upstream")
    parser.add_argument("--only", action="append", choices=STARTERS, help="measure this target")
    return parser.parse_args()


def main() -> int:
    """Measure and print; the status is 1 when a goal is missed, 2 without a second core."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked, begun = options(), time.monotonic()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("streams: needs two cores", file=sys.stderr)
        return 2
    other, core = cores[0], cores[-1]
    os.sched_setaffinity(0, {other})
    words, results = script(asked.dialect), Results()
    with precedence(), tempfile.TemporaryDirectory() as directory, closing(Rig(words)) as rig:
        bench = Bench(rig.upstream.url, words, core, other, Path(directory))
        names = [each for each in STARTERS if each in (asked.only or STARTERS)]
        with running(rig, bench, names) as targets:
            Run(rig, targets, QUICK if asked.quick else WHOLE, results).measure()
            print_figures(results, [each.name for each in targets])
    fits = print_goals(results)
    print(f"\n{time.monotonic() - begun:.0f} s")
    left_out = SERVICE[0] in names and SERVICE[0] not in {each.name for each in targets}
    return int(left_out or not fits)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
