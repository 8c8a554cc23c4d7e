"""The real servers: which there are, and how one is started."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

import httpx

from tests.e2e.lab.environments import interpreter_of
from tests.e2e.lab.processes import Running, free_port, running

CONFIGURATIONS = Path(__file__).parent / "configurations"
OFFLINE = Path(__file__).parent / "offline"
START_TIMEOUT_S = 90


@dataclass(frozen=True, slots=True)
class RealServer:
    """One release; `name` also names its lock file and its configuration.

    `agents` says that it has agent turns, `shields` that shields have names, `optional` that
    tests do without it where it cannot be installed.
    """

    name: str
    label: str
    program: tuple[str, ...]
    agents: bool = False
    shields: bool = True
    optional: bool = False
    options: tuple[str, ...] = ()

    def command(self, python: Path, configuration: Path, port: int) -> list[str | Path]:
        """Return the command that starts it."""
        program, *words = self.program
        start: list[str | Path] = [python, python.with_name(program), *words, configuration]
        return [*start, "--port", str(port), *self.options]


_LLAMA = ("llama", "stack", "run")
_OGX = ("ogx", "run")

SERVERS = {
    each.label: each
    for each in (
        RealServer("llama-stack-0.3.5", "0.3.5", _LLAMA, agents=True),
        RealServer("llama-stack-0.7.3", "0.7.3", _LLAMA),
        RealServer(
            "ogx-1.5.0",
            "ogx-1.5.0",
            _OGX,
            shields=False,
            optional=True,
            options=("--insecure",),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Serving:
    """A real server that answers."""

    url: str
    version: str
    process: Running


@contextmanager
def serving(
    server: RealServer, model_url: str, state: Path, logs: Path, port: int | None = None
) -> Iterator[Serving]:
    """Start a real server with empty state; stop it when the context is left.

    Without a port it takes a free one.

    Raises:
        CannotInstall: its packages cannot be installed.
        DidNotStart: it ended or did not answer in time.
    """
    python = interpreter_of(server.name)
    port = port or free_port()
    configuration = state / "config.yaml"
    template = Template((CONFIGURATIONS / f"{server.name}.yaml").read_text("utf-8"))
    filled = template.substitute(model_url=model_url, state=state, port=port)
    configuration.write_text(filled, "utf-8")
    environment = {
        "PYTHONPATH": str(OFFLINE),
        "HF_HUB_OFFLINE": "1",
        "LLAMA_STACK_CONFIG_DIR": str(state),
        "OGX_CONFIG_DIR": str(state),
        # Printing tracebacks freezes these servers for seconds.
        "LLAMA_STACK_LOGGING": "all=critical",
        "OGX_LOGGING": "all=critical",
    }
    command = server.command(python, configuration, port)
    url = f"http://127.0.0.1:{port}"
    with running(
        server.name, command, logs / f"{server.name}.log", state, **environment
    ) as process:
        version = process.wait_for(lambda: _version(url), START_TIMEOUT_S)
        yield Serving(url, version, process)


def _version(url: str) -> str | None:
    try:
        answer = httpx.get(f"{url}/v1/version", timeout=5, trust_env=False)
    except httpx.TransportError:
        return None
    if answer.status_code != httpx.codes.OK:
        return None
    found = re.search(r'"version":\s*"([^"]+)"', answer.text)
    return found[1] if found else None
