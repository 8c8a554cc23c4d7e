"""Record the sessions that Turnstile plays when nothing is configured.

Real servers are asked through Turnstile, with a scripted model behind them that speaks at the
pace of a real one. A recording is kept only when `turnstile replay` gives for it what the client
was told while it was made. Record in a quiet moment: a stall of this machine is recorded too, so
a session that has one is asked again.
"""

import argparse
import os
import re
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import anyio

from service.settings import Settings
from service.telemetry.logs import configure_logs
from service.upstream.replayed import PACKAGED
from statemachine import read_recording
from tests.e2e.lab.demonstrations import DEMONSTRATIONS, Demonstration
from tests.e2e.lab.environments import CannotInstall
from tests.e2e.lab.laboratory import ROOT, Laboratory, laboratory
from tests.e2e.lab.processes import DidNotStart
from tests.e2e.lab.recorder import Made, record
from tests.e2e.lab.told import Told
from tests.support.fixtures import SETTINGS_OF_TESTS
from tests.support.server import turnstile

QUIET: Mapping[str, Any] = {"log_level": "error"}
LONGEST_GAP_MS = 1_500
ATTEMPTS = 4
FAILED = 1
PLACES = re.compile(rb"(?<![\w./-])/(?:home|root|tmp|usr|var|opt|work|Users)/")
"""What must not be in a recording: paths of the machine on which it was made."""


class NotGood(Exception):
    """A recording that cannot be kept; the message says why."""


class Stalled(NotGood):
    """The machine was busy while it was made."""


def main() -> int:
    """Record what is asked for and return the exit status."""
    options = _options()
    chosen = [each for each in DEMONSTRATIONS if options.only in {None, each.name}]
    _forget_settings()
    configure_logs(Settings(**QUIET))
    try:
        for label, group in groupby(chosen, key=lambda each: each.server):
            _say(f"starting {label} ...")
            with (
                tempfile.TemporaryDirectory(prefix="turnstile-sessions-") as logs,
                laboratory(label, Path(logs), natural=True) as lab,
            ):
                for each in group:
                    _keep(_recorded(each, lab), options.directory)
    except (CannotInstall, DidNotStart, NotGood, AssertionError) as error:
        _say(f"FAILED: {error!r}")
        return FAILED
    return 0


def _options() -> argparse.Namespace:
    names = [each.name for each in DEMONSTRATIONS]
    parser = argparse.ArgumentParser(
        prog="python -m tests.e2e.lab.sessions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=names, metavar="NAME", help=f"one of {', '.join(names)}")
    parser.add_argument(
        "directory", nargs="?", type=Path, default=PACKAGED, help="default: service/recordings"
    )
    return parser.parse_args()


def _forget_settings() -> None:
    """Make the same recordings whatever settings of Turnstile are in the environment."""
    for name in [each for each in os.environ if each.startswith("TURNSTILE_")]:
        if name != "TURNSTILE_LAB_CACHE":
            del os.environ[name]
    os.environ |= SETTINGS_OF_TESTS


def _recorded(asked: Demonstration, lab: Laboratory) -> Iterator[tuple[str, bytes]]:
    """Record one demonstration until no stall is in it, and yield name and content of its files."""
    for attempt in range(1, ATTEMPTS + 1):
        with tempfile.TemporaryDirectory(prefix="turnstile-sessions-") as directory:
            with redirect_stdout(StringIO()):  # a server announces itself
                made = anyio.run(partial(record, asked, lab, Path(directory)))
            try:
                for each in made:
                    _check(each)
            except Stalled as stalled:
                _say(f"{asked.name}: {stalled} (attempt {attempt})")
                continue
            yield from ((each.name, each.path.read_bytes()) for each in made)
            return
    raise NotGood(f"{asked.name}: stalled {ATTEMPTS} times; try again when less is going on")


def _check(made: Made) -> None:
    """Tell whether a recording can be kept: it must say what its client was told.

    Raises:
        NotGood: it must not be kept.
        Stalled: it should be made again.
    """
    if made.told.last["event"] != made.ends:
        raise NotGood(f"{made.name} ends in {made.told.last}")
    again = turnstile("replay", str(made.path))
    replayed = Told(200, {}, again.stdout).check()
    for name in ("event", "count", "digest"):
        if replayed.last[name] != made.told.last[name]:
            raise NotGood(f"{made.name}: replayed with another {name}: {again.stderr.decode()}")
    body = made.path.read_bytes()
    named = [each for each in (str(ROOT), socket.gethostname()) if each.encode() in body]
    if named or PLACES.search(body):
        raise NotGood(f"{made.name} tells of this machine: {named or PLACES.search(body)}")
    recording = read_recording(body)
    times = [0.0, *(each.at_ms for each in recording.frames), recording.ended_ms]
    gap_ms = max(after - before for before, after in pairwise(times))
    if gap_ms > LONGEST_GAP_MS:
        raise Stalled(f"{made.name} has a gap of {gap_ms / 1_000:.1f} s")
    told = f"{made.told.last['count']} events in {recording.ended_ms / 1_000:.1f} s"
    _say(f"{made.name}: {made.ends}, {told}, longest gap {gap_ms:.0f} ms")


def _keep(recordings: Iterator[tuple[str, bytes]], directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in recordings:
        (directory / f"{name}.jsonl").write_bytes(content)


def _say(line: str) -> None:
    sys.stderr.write(f"sessions: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
