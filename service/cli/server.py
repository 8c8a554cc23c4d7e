"""uvicorn with our own end: turns and readers are brought to theirs before connections close."""

import asyncio
import gc
import signal
import socket
import threading
from contextlib import suppress
from types import FrameType

import anyio
import typer
import uvicorn

from service.app import create_app
from service.cli.protocol import TurnstileProtocol
from service.turns.drain import drain, stop
from service.turns.services import Services

_EXAMPLE = '{"query": "What is a pod in Kubernetes?"}'

_COLLECTED_OBJECTS = 20_000
"""How many more objects there are before the youngest are looked at; 700 when left alone."""

_STOP_WAIT_S = 3.0
"""How long turns that are stopped may take to be stored, and their readers to be told."""

_HURRY_S = 1.0
"""The same after a second signal; and what requests that have nothing to do with turns get."""


class TurnstileServer(uvicorn.Server):
    """Serves one application. uvicorn does not tell running streams that it stops: this does.

    While turns and readers come to their end the server goes on, so that others can see that.
    """

    def __init__(self, services: Services) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(services),
                http=TurnstileProtocol,
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                timeout_graceful_shutdown=round(2 * _HURRY_S),
            )
        )
        self._services = services
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()
        self._stopping: anyio.CancelScope | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where the service is.

        Raises:
            SettingsInvalid, StorageUnavailable: the database cannot be used.
        """
        await self._services.database.prepare()
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGHUP"):
            # A closed terminal stops the service like any other order to stop.
            self._loop.add_signal_handler(signal.SIGHUP, self.handle_exit, signal.SIGHUP, None)
        _spare_the_collector()
        if sockets and self.started:
            # A service does not end because nobody reads where it is.
            with suppress(OSError):
                _announce(self._services, *sockets[0].getsockname()[:2])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 # uvicorn's
        """Come to an end on the first signal, and at once on the second; the status is 0."""
        if self._loop is None:
            self.should_exit = True
        else:
            self._loop.call_soon_threadsafe(self._heed)

    async def main_loop(self) -> None:
        """Serve until told to stop, and on until everything has come to its end."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._drain)
            await super().main_loop()
            tasks.cancel_scope.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop the turns that still run: their readers get a terminal event and leave."""
        within_s = _HURRY_S if self.force_exit else _STOP_WAIT_S
        with anyio.CancelScope() as self._stopping:
            await stop(self._services, within_s)
        loop = asyncio.get_running_loop()
        cutting = loop.call_later(0 if self.force_exit else _HURRY_S, self._cut_connections)
        await super().shutdown(sockets)
        cutting.cancel()
        if self.force_exit:
            # uvicorn leaves the application as it is then.
            with anyio.move_on_after(_HURRY_S):
                await self.lifespan.shutdown()

    def _heed(self) -> None:
        if self._told.is_set():
            self.should_exit = self.force_exit = True
            if self._stopping is not None:
                self._stopping.deadline = anyio.current_time() + _HURRY_S
        self._told.set()

    async def _drain(self) -> None:
        await self._told.wait()
        await drain(self._services)
        self.should_exit = True

    def _cut_connections(self) -> None:
        """Close what is left: a client that is stuck, or a reader that takes nothing."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, TurnstileProtocol):
                connection.abort()


def _spare_the_collector() -> None:
    """Let the garbage collector look at what turns make only, and not after every few tokens.

    Left alone it walks through all modules and all that is kept of turns, for up to some
    hundredths of a second, in which no token moves.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTED_OBJECTS)


def _announce(services: Services, host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    about = services.upstream.info
    typer.echo(f"Turnstile is at http://{shown}:{port}/")
    sessions = f" ({len(about.sessions)} sessions)" if about.recorded else ""
    typer.echo(f"{about.notice}{sessions}")
    by = services.settings.authentication.by
    credential = "" if by == "none" else "-H 'Authorization: Bearer ...' "
    typer.echo(
        f"Try: curl -N {credential}-H 'Content-Type: application/json' "
        f"-d '{_EXAMPLE}' http://{shown}:{port}/v1/streaming_query"
    )
