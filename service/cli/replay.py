"""`turnstile replay`: a recording through the machine, to standard output."""

import errno
import sys
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TextIO

import typer

from statemachine import (
    ENCODERS,
    AwaitingInput,
    Emission,
    Encoder,
    End,
    Recording,
    StreamError,
    is_recording,
    play,
    playback_stream,
    read_capture,
    read_recording,
)

_LONGEST_SLEEP_S = 86_400.0


class UpstreamDialect(StrEnum):
    """The dialects of an upstream."""

    AGENTS = "agents"
    RESPONSES = "responses"


class Dialect(StrEnum):
    """The dialects towards a client."""

    NATIVE = "native"
    TEXT = "text"


def replay(
    file: Annotated[Path, typer.Argument(help="A recording, or a raw .sse capture.")],
    upstream: Annotated[
        UpstreamDialect | None, typer.Option(help="Dialect of a raw capture; else found out.")
    ] = None,
    dialect: Annotated[Dialect, typer.Option(help="What to write.")] = Dialect.NATIVE,
    speed: Annotated[
        float, typer.Option(min=0, help="Pace: 1 as recorded, 2 twice as fast, 0 at once.")
    ] = 0,
) -> None:
    """Replay a recording; the stream goes to standard output.

    The exit status is 0 when the stream ends in `end` or `awaiting_input`, 1 when it ends
    otherwise, and 2 when the file cannot be read or the stream not be written.
    """
    try:
        recording = load(file, upstream)
    except (OSError, StreamError) as refused:
        reason = refused.strerror if isinstance(refused, OSError) else refused
        typer.echo(f"turnstile: {file}: {reason}", err=True)
        raise typer.Exit(2) from None
    ended_well = _write(emissions_of(recording, speed), ENCODERS[dialect](), paced=speed > 0)
    raise typer.Exit(0 if ended_well else 1)


def _write(emissions: Iterator[Emission], encoder: Encoder, *, paced: bool) -> bool:
    """Write a stream; tell whether it ended in `end` or `awaiting_input`."""
    out = standard_output().buffer
    ended_well = False
    for emission in emissions:
        out.write(encoder.encode(emission))
        if paced:
            out.flush()
        ended_well = isinstance(emission.output, End | AwaitingInput)
    out.flush()
    return ended_well


def standard_output() -> TextIO:
    """Return what the command writes to.

    Raises:
        OSError: it is closed.
    """
    if sys.stdout is None:
        raise OSError(errno.EBADF, "it is closed")
    return sys.stdout


def load(file: Path, upstream: UpstreamDialect | None = None) -> Recording:
    """Read a recording or a raw capture.

    Raises:
        OSError: the file cannot be read.
        StreamError: it is neither a recording nor a capture.
    """
    data = file.read_bytes()
    return read_recording(data) if is_recording(data) else read_capture(data, upstream)


def emissions_of(recording: Recording, speed: float) -> Iterator[Emission]:
    """Yield what a recording makes the machine emit; one that was cut ends as truncated."""
    stream = playback_stream(recording)
    begun = time.monotonic()
    for at_ms, emissions in play(recording, stream):
        _wait(begun, at_ms, speed)
        yield from emissions
    yield from stream.finish()
    yield from stream.cut()


def _wait(begun: float, at_ms: float, speed: float) -> None:
    if speed:
        left_s = begun + at_ms / 1_000 / speed - time.monotonic()
        time.sleep(min(max(0.0, left_s), _LONGEST_SLEEP_S))
