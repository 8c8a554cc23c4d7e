"""`turnstile diagram`: the transition table drawn, and the documentation generated from it."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.cli.replay import load, standard_output
from statemachine import (
    BlockError,
    Step,
    StreamError,
    dot,
    markdown,
    mermaid,
    recorded_path,
    refresh,
    svg,
)

ROOT = Path(__file__).resolve().parents[2]
MEND = "turnstile diagram --write"


class Format(StrEnum):
    """What a drawing is written in."""

    MERMAID = "mermaid"
    DOT = "dot"
    MARKDOWN = "markdown"
    SVG = "svg"


def diagram(
    *,
    format_: Annotated[Format, typer.Option("--format", help="What to draw in.")] = Format.MERMAID,
    full: Annotated[
        bool, typer.Option("--full", help="Every row, with guards and emissions.")
    ] = False,
    path: Annotated[
        Path | None,
        typer.Option(help="Highlight the way of a recording or a raw .sse capture."),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Renew the generated blocks of the documentation.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Tell which generated blocks are stale.")
    ] = False,
) -> None:
    """Draw the transition table; the drawing goes to standard output.

    The exit status is 1 when `--check` finds stale documentation, and 2 when a file cannot be
    read or the drawing not be written.
    """
    if write or check:
        raise typer.Exit(document(ROOT, write=write))
    typer.echo(_draw(format_, full=full, steps=_steps(path)), standard_output(), nl=False)


def _draw(format_: Format, *, full: bool, steps: tuple[Step, ...] | None) -> str:
    if format_ is Format.MARKDOWN:
        return markdown(path=steps)
    draw = {Format.MERMAID: mermaid, Format.DOT: dot, Format.SVG: svg}[format_]
    return draw(full=full, path=steps)


def _steps(path: Path | None) -> tuple[Step, ...] | None:
    if path is None:
        return None
    try:
        return recorded_path(load(path))
    except (OSError, StreamError) as refused:
        reason = refused.strerror if isinstance(refused, OSError) else refused
        _complain(f"{path}: {reason}")
        raise typer.Exit(2) from None


def document(root: Path, *, write: bool) -> int:
    """Renew or check the generated blocks of a checkout, and return the exit status."""
    if not (root / "pyproject.toml").is_file():
        _complain("there is no documentation here: this is not a checkout of the project")
        return 2
    try:
        stale = dict(stale_files(root))
    except BlockError as refused:
        _complain(str(refused))
        return 2
    for file, fresh in stale.items():
        typer.echo(file.relative_to(root))
        if write:
            file.write_text(fresh, encoding="utf-8", newline="\n")
    if write or not stale:
        return 0
    _complain(f"the generated documentation is stale; `{MEND}` mends it")
    return 1


def stale_files(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield every Markdown file whose generated blocks are stale, with what should be in it.

    Raises:
        BlockError: a file has a block that cannot be made; the error names the file.
    """
    from service.access.policy import policy_table

    for file in _markdown_files(root):
        try:
            text = file.read_text(encoding="utf-8")
            fresh = refresh(text, {"policy": policy_table})
        except UnicodeDecodeError:
            raise BlockError(f"{file.relative_to(root)}: it is not UTF-8") from None
        except BlockError as refused:
            raise BlockError(f"{file.relative_to(root)}: {refused}") from refused
        if fresh != text:
            yield file, fresh


def _markdown_files(root: Path) -> Iterator[Path]:
    """Yield the Markdown files outside of hidden and installed directories."""
    for directory, names, files in root.walk():
        names[:] = sorted(
            name for name in names if not name.startswith(".") and name != "node_modules"
        )
        yield from (directory / name for name in sorted(files) if name.endswith(".md"))


def _complain(message: str) -> None:
    typer.echo(f"turnstile: {message}", err=True)
