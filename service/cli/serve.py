"""`turnstile serve`: run the service."""

import os
import socket
from pathlib import Path
from typing import Annotated, Any

import typer

_STANDARD_ERROR = 2


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: a free one.")] = None,
    speed: Annotated[
        float | None, typer.Option(help="Pace of played recordings; 0 plays them at once.")
    ] = None,
    upstream: Annotated[
        str | None, typer.Option(help="Address of the Llama Stack server that answers.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Configuration file (TOML); else $TURNSTILE_CONFIG.")
    ] = None,
    recordings: Annotated[
        Path | None, typer.Option(help="Directory of recordings to play as the upstream.")
    ] = None,
) -> None:
    """Run the service. Settings come from TURNSTILE_* variables; options have the first word."""
    from service.cli.configuration import read_settings
    from service.cli.server import TurnstileServer
    from service.errors import SettingsInvalid, StorageUnavailable
    from service.telemetry.logs import configure_logs
    from service.wiring import open_services

    _occupy_standard_streams()
    given = {"host": host, "port": port, "speed": speed, "recordings_directory": recordings}
    options: dict[str, Any] = {name: each for name, each in given.items() if each is not None}
    if upstream is not None:
        options["upstream"] = {"url": upstream}
    try:
        settings = read_settings(options, config)
        configure_logs(settings)
        services = open_services(settings)
        listener = _listen(settings.host, settings.port)
        TurnstileServer(services).run(sockets=[listener])
    except (SettingsInvalid, StorageUnavailable, OSError) as refused:
        typer.echo(f"turnstile: {refused}", err=True)
        raise typer.Exit(2) from None


def _occupy_standard_streams() -> None:
    """Give those that the process was started without to nobody.

    Else a connection gets the number of one, and libuv ends a process that closes that.
    """
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(nowhere)


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else, so that a busy one is one clear line."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as refused:
        listener.close()
        reason = refused.strerror or str(refused)
        hint = "choose another one with --port or PORT"
        raise OSError(f"cannot listen on {host} port {port}: {reason}; {hint}") from None
    return listener
