"""The command `turnstile`; one file per subcommand."""

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
    """Run the command line."""
    app()
