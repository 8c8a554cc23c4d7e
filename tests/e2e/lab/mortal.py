"""A real server of its own for one test, which may kill it and have another one in its place."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e.lab.laboratory import Laboratory
from tests.e2e.lab.processes import free_port
from tests.e2e.lab.servers import Serving, serving


@dataclass(slots=True)
class MortalServer:
    """A server like that of a laboratory, before the same model, always at the same address."""

    lab: Laboratory
    logs: Path
    _running: ExitStack
    port: int = field(default_factory=free_port)
    _serving: Serving | None = None

    @property
    def url(self) -> str:
        """Where it is, when it is there."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start one that knows nothing of those before."""
        state = self._running.enter_context(TemporaryDirectory(prefix="turnstile-mortal-"))
        self._serving = self._running.enter_context(
            serving(self.lab.server, self.lab.model.url, Path(state), self.logs, self.port)
        )

    def kill(self) -> None:
        """End it at once, with all connections."""
        if self._serving is not None:
            os.killpg(self._serving.process.process.pid, signal.SIGKILL)
            self._serving.process.process.wait()


@contextmanager
def mortal_server(lab: Laboratory, logs: Path) -> Iterator[MortalServer]:
    """Start such a server; stop the last one when the context is left."""
    with ExitStack() as running:
        server = MortalServer(lab, logs, running)
        server.start()
        yield server
