"""`turnstile record`: one turn of a live server into a file."""

import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.replay import standard_output

if TYPE_CHECKING:
    from service.domain import TurnRequest
    from service.errors import ServiceError
    from service.settings import Settings
    from service.turns.services import Services
    from service.turns.turn import RunningTurn


def record(
    query: Annotated[str, typer.Option(help="What to ask.")],
    out: Annotated[Path, typer.Option(help="File to write; it must not exist yet.")],
    upstream: Annotated[
        str | None, typer.Option(help="Address of the Llama Stack server to ask.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model to ask, as provider/name; else the first LLM.")
    ] = None,
    system_prompt: Annotated[str | None, typer.Option(help="Instructions for the model.")] = None,
    no_tools: Annotated[bool, typer.Option("--no-tools", help="Ask without tools.")] = False,
    config: Annotated[
        Path | None, typer.Option(help="Configuration file (TOML); else $TURNSTILE_CONFIG.")
    ] = None,
) -> None:
    """Record one turn of a live server, for `turnstile replay`; the answer goes to standard output.

    Ctrl-C interrupts the turn, and the recording says so. The exit status is 0 when the turn
    ends in `end` or `awaiting_input`, 1 when it ends otherwise, and 2 when it cannot begin.
    """
    from service.domain import Action, Caller, Principal, TurnRequest
    from service.errors import ServiceError

    if model is not None and not all(model.partition("/")):
        raise typer.BadParameter("it is written provider/name", param_hint="--model")
    options: dict[str, Any] = {"upstream": {"url": upstream}} if upstream else {}
    provider, _, name = model.partition("/") if model else (None, None, None)
    request = TurnRequest(
        query,
        provider=provider,
        model=name,
        system_prompt=system_prompt,
        no_tools=no_tools,
        generate_topic_summary=False,
        caller=Caller(Principal("recorder", actions=frozenset(Action))),
    )
    try:
        outcome = _recorded(options, config, out, request)
    except ServiceError as refused:
        typer.echo(f"turnstile: {refused}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"\n{out}: {outcome}", err=True)
    raise typer.Exit(0 if outcome in ("end", "awaiting_input") else 1)


def _recorded(
    options: dict[str, Any], config: Path | None, out: Path, request: "TurnRequest"
) -> str:
    """Run a turn with its settings and return its outcome.

    Raises:
        ServiceError: it cannot begin.
        OSError: its answer could not be written; it was recorded to its end.
    """
    import anyio

    from service.cli.configuration import read_settings
    from service.errors import ServiceError
    from service.storage.recordings import OneFile
    from service.telemetry.logs import configure_logs
    from service.wiring import open_services

    # Nobody else comes in, and nothing but the recording is kept.
    alone = {
        "authentication": {"by": "none", "allow_remote": True},
        "database": {"url": "sqlite://"},
        "transcripts": {},
        "log_level": "warning",
    }
    settings = read_settings({**options, **alone}, config)
    _check(settings, out)
    configure_logs(settings)
    services = open_services(settings, OneFile(out, settings.recording.turn_limit_bytes))
    standard_output()
    outcome = anyio.run(_record, services, request)
    if isinstance(outcome, OSError):
        raise outcome
    if isinstance(outcome, ServiceError):
        out.unlink(missing_ok=True)
        raise outcome
    return outcome if _is_whole(out) else f"{outcome}, and the recording is not whole"


def _is_whole(out: Path) -> bool:
    from statemachine import Ending, read_recording

    try:
        return read_recording(out.read_bytes()).ending is not Ending.CUT
    except OSError:
        return False


def _check(settings: "Settings", out: Path) -> None:
    """Refuse what cannot work before anybody is asked anything."""
    from service.errors import SettingsInvalid

    if settings.upstream.url is None:
        raise SettingsInvalid("There is no server to ask; name it with --upstream")
    if out.exists():
        raise SettingsInvalid(f"{out} exists already")
    try:
        out.touch(exist_ok=False)
        out.unlink()
    except OSError as refused:
        raise SettingsInvalid(f"{out} cannot be written: {refused.strerror}") from None


async def _record(services: "Services", request: "TurnRequest") -> "str | ServiceError | OSError":
    """Run one turn to its end and return its outcome, or why it did not begin or be written."""
    from service.errors import ServiceError
    from service.turns.start import start_turn

    async with services.running():
        try:
            turn = await start_turn(services, request)
        except ServiceError as refused:
            return refused
        lost = await _follow(services, turn)
        return lost or turn.refusal or str(turn.stream.summary.outcome)


async def _follow(services: "Services", turn: "RunningTurn") -> OSError | None:
    """Write the answer as it comes; a signal interrupts the turn, and then it ends too.

    An output that takes no more breaks no turn off: what goes wrong with it is returned at the end.
    """
    import anyio

    from statemachine import Interrupter, TextEncoder

    async def stop_on_signal() -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                turn.stop(Interrupter.USER)

    encoder = TextEncoder()
    lost: OSError | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stop_on_signal)
        reader = await services.log.reader(turn.ids.request_id, 0)
        with closing(reader), services.readers.following(turn.ids.request_id):
            ended = False
            while not ended:
                page = await reader.read(services.settings.heartbeat_s)
                lost = lost or _written(b"".join(map(encoder.encode, page.emissions)))
                ended = any(each.terminal for each in page.emissions)
        await turn.done.wait()
        tasks.cancel_scope.cancel()
    return lost


def _written(text: bytes) -> OSError | None:
    try:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    except OSError as lost:
        return lost
    return None
