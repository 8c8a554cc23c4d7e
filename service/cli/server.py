"""uvicorn with our own end: readers are told before the connections close."""

import asyncio
import signal
import socket
import threading

import typer
import uvicorn

from service.app import create_app
from service.turns.services import Services

_EXAMPLE = '{"query": "What is a pod in Kubernetes?"}'


class TurnstileServer(uvicorn.Server):
    """Serves one application. uvicorn does not tell running streams that it stops: this does."""

    def __init__(self, services: Services) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(services),
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                timeout_graceful_shutdown=round(services.settings.drain_timeout_s) or 1,
            )
        )
        self._services = services

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where the service is."""
        await super().startup(sockets)
        if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGHUP"):
            # A closed terminal stops the service like any other order to stop.
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, self.handle_exit, signal.SIGHUP, None)
        if sockets and self.started:
            _announce(self._services, *sockets[0].getsockname()[:2])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop all turns first: their readers get a terminal event and leave by themselves."""
        self._services.live.stop_all()
        await super().shutdown(sockets)


def _announce(services: Services, host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    about = services.upstream.info
    typer.echo(f"Turnstile is at http://{shown}:{port}/")
    sessions = f" ({len(about.sessions)} sessions)" if about.recorded else ""
    typer.echo(f"{about.notice}{sessions}")
    typer.echo(
        "Try: curl -N -H 'Content-Type: application/json' "
        f"-d '{_EXAMPLE}' http://{shown}:{port}/v1/streaming_query"
    )
