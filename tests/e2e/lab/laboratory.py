"""A whole laboratory: scripted model, MCP server and real server, with documents in its store."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.lab.environments import interpreter_of
from tests.e2e.lab.model_client import Model
from tests.e2e.lab.model_server import ANNOUNCEMENT
from tests.e2e.lab.processes import Running, running
from tests.e2e.lab.reply import FIRST_MODEL, SECOND_MODEL
from tests.e2e.lab.seeding import seeded_store
from tests.e2e.lab.servers import SERVERS, RealServer, serving

ROOT = Path(__file__).parents[3]
MCP_SERVER = Path(__file__).parent / "mcp_server.py"
PROVIDER = "vllm"
TOOL_MS = 600
"""How long a tool takes at the natural pace."""


@dataclass(frozen=True, slots=True)
class Laboratory:
    """What runs and where; `vector_store` is the id of the store that holds the documents."""

    server: RealServer
    url: str
    version: str
    model: Model
    mcp_url: str
    vector_store: str
    processes: tuple[Running, ...]

    @property
    def first_model(self) -> str:
        """The name under which the real server knows `scripted-8b`."""
        return f"{PROVIDER}/{FIRST_MODEL}"

    @property
    def second_model(self) -> str:
        """The name under which the real server knows `scripted-70b`."""
        return f"{PROVIDER}/{SECOND_MODEL}"

    def turnstile_configuration(self, approval: str = "never") -> str:
        """Return a configuration file of Turnstile that offers the tools of the MCP server."""
        return (
            f'[[mcp_servers]]\nname = "cluster"\nurl = "{self.mcp_url}"\napproval = "{approval}"\n'
        )

    def tails(self) -> str:
        """Return the ends of all logs."""
        return "\n".join(f"--- {each.log}\n{each.tail()}" for each in self.processes)


@contextmanager
def scripted_model(
    logs: Path, pause_ms: float, *, natural: bool = False
) -> Iterator[tuple[Model, Running]]:
    """Run the scripted model on a free port."""
    module = "tests.e2e.lab.model_server"
    pace = ["--natural"] if natural else ["--pause-ms", str(pause_ms)]
    command = [sys.executable, "-m", module, *pace]
    with running("model", command, logs / "model.log", ROOT) as process:
        yield Model(process.announced(ANNOUNCEMENT)), process


@contextmanager
def tool_server(python: Path, logs: Path, pause_ms: float) -> Iterator[tuple[str, Running]]:
    """Run the MCP server with an interpreter that has `mcp`, and return its address."""
    command: list[str | Path] = [python, MCP_SERVER, "--pause-ms", str(pause_ms)]
    with running("mcp", command, logs / "mcp.log", ROOT) as process:
        yield process.announced("The MCP server is at "), process


@contextmanager
def laboratory(
    label: str, logs: Path, pause_ms: float = 2, *, natural: bool = False
) -> Iterator[Laboratory]:
    """Run everything that is below Turnstile until the context is left.

    `natural` is the pace of a real model and of tools that have something to do.

    Raises:
        CannotInstall: the real server cannot be installed here.
        DidNotStart: something did not come up.
    """
    server = SERVERS[label]
    logs.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="turnstile-lab-") as state,
        tool_server(interpreter_of(server.name), logs, TOOL_MS if natural else 0) as (
            mcp_url,
            tools,
        ),
        scripted_model(logs, pause_ms, natural=natural) as (model, speaker),
        serving(server, model.url, Path(state), logs) as real,
    ):
        store = seeded_store(server, real.url)
        model.forget()
        processes = (real.process, speaker, tools)
        yield Laboratory(server, real.url, real.version, model, mcp_url, store, processes)
