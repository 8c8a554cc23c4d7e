"""The command `turnstile`; one file per subcommand."""

import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from service import __version__
from service.cli.api_key import api_key
from service.cli.diagram import diagram
from service.cli.record import record
from service.cli.replay import replay
from service.cli.serve import serve

app = typer.Typer(
    name="turnstile",
    help="A state machine between Llama Stack and the browser.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve)
app.command()(record)
app.command()(replay)
app.command()(diagram)
app.command()(api_key)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"turnstile {__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of the command itself."""


def main() -> None:
    """Run the command line; the exit status is 2 when the output takes nothing."""
    try:
        app()
    except OSError as refused:
        with suppress(OSError):
            where = refused.filename or "output"
            typer.echo(f"turnstile: {where}: {refused.strerror}", err=True)
        # What could not be written must not be tried again.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.exit(2)
    except SystemExit as left:
        # The reader has seen enough; Typer gives 1 then, which has a meaning of its own here.
        if isinstance(left.__context__, BrokenPipeError):
            sys.exit(2)
        raise
