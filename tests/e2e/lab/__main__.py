"""The laboratory with Turnstile on top, to try things by hand; started by `deploy/lab`."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.lab.environments import CannotInstall, cache_directory
from tests.e2e.lab.laboratory import ROOT, Laboratory, laboratory
from tests.e2e.lab.processes import DidNotStart, Running, running
from tests.e2e.lab.servers import SERVERS
from tests.e2e.lab.trials import trials

DEFAULT_SERVER = "0.7.3"
POLL_S = 0.2
EXIT_ENDED = 1
EXIT_CANNOT = 3


class Stopped(Exception):
    """Someone asked for the end."""


def main() -> int:
    """Run until a signal comes or a process ends, and return the exit status."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop_once)
    logs = cache_directory() / "logs" / options.server
    try:
        with (
            laboratory(options.server, logs, options.pause_ms) as lab,
            turnstile(lab, logs, options.port, options.approval) as (address, process),
        ):
            _print(_description(lab, address, logs))
            return _watch([*lab.processes, process])
    except (CannotInstall, DidNotStart) as error:
        sys.stderr.write(f"deploy/lab: {error}\n")
        return EXIT_CANNOT
    except Stopped:
        return 0


@contextmanager
def turnstile(
    lab: Laboratory, logs: Path, port: int, approval: str
) -> Iterator[tuple[str, Running]]:
    """Run Turnstile in front of a laboratory, and return its address."""
    configuration = logs / "turnstile.toml"
    configuration.write_text(lab.turnstile_configuration(approval), "utf-8")
    command = [sys.executable, "-m", "service", "serve", "--port", str(port)]
    settings = {"TURNSTILE_UPSTREAM_URL": lab.url, "TURNSTILE_CONFIG": str(configuration)}
    if not lab.server.shields:
        settings["TURNSTILE_MODERATION_BY"] = "upstream"
    with running("turnstile", command, logs / "turnstile.log", ROOT, **settings) as process:
        yield process.announced("Turnstile is at ").rstrip("/"), process


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="deploy/lab", description=__doc__)
    parser.add_argument("--server", choices=SERVERS, default=DEFAULT_SERVER)
    parser.add_argument("--port", type=int, default=8080, help="of Turnstile; 0 takes a free one")
    parser.add_argument("--approval", choices=("never", "always"), default="never")
    parser.add_argument("--pause-ms", type=float, default=25, help="between the model's tokens")
    return parser.parse_args()


def _stop_once(_number: int, _frame: object) -> None:
    """Begin to stop; from then on signals are ignored, so that nothing is left running."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise Stopped


def _description(lab: Laboratory, address: str, logs: Path) -> Iterator[str]:
    places = {
        "Turnstile": address,
        f"Server {lab.server.name}": lab.url,
        "Scripted model": lab.model.url,
        "MCP server": lab.mcp_url,
        "Vector store": lab.vector_store,
        "Logs": str(logs),
    }
    yield from (f"{name:28}{place}" for name, place in places.items())
    for title, command in trials(lab, address):
        yield f"\n# {title}\n{command}"
    yield "\nCtrl-C stops everything."


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _watch(processes: list[Running]) -> int:
    while True:
        for each in processes:
            if each.process.poll() is not None:
                sys.stderr.write(f"deploy/lab: {each.name} ended\n{each.tail()}\n")
                return EXIT_ENDED
        time.sleep(POLL_S)


if __name__ == "__main__":
    sys.exit(main())
