"""A recording through the machine again: the same bytes come out as when it was made."""

from collections.abc import Iterator, Mapping

from statemachine.emissions import Emission
from statemachine.events import TurnFailed, TurnInterrupted, TurnResumed, TurnStarted
from statemachine.machine import TurnMachine
from statemachine.recording import Ending, Frame, Recording, Verdict
from statemachine.stream import TurnStream
from statemachine.summary import prompt_of
from statemachine.upstream import DECODERS

type Emissions = tuple[Emission, ...]

CONVERSATION_ID = "00000000-0000-4000-8000-000000000001"
REQUEST_ID = "00000000-0000-4000-8000-000000000002"
"""The ids of a replayed turn where its recording names none."""


def opening_of(recording: Recording) -> TurnStarted | TurnResumed:
    """Return how a recorded stream opened."""
    decoder = DECODERS[recording.header.dialect]
    return recording.header.resumed or decoder.opening(recording.first_chunk)


def playback_stream(recording: Recording, machine: TurnMachine | None = None) -> TurnStream:
    """Return the stream of a recorded turn before its begin."""
    header = recording.header
    return TurnStream(
        DECODERS[header.dialect](resumed=header.resumed is not None),
        conversation_id=header.conversation_id or CONVERSATION_ID,
        request_id=header.request_id or REQUEST_ID,
        prompt=_prompt(header.request),
        moderation=header.moderation,
        machine=machine,
    )


def _prompt(request: Mapping[str, object]) -> str:
    """Return what the model was sent, as a recording tells it: made by hand, it may tell less."""
    query, instructions = request.get("query"), request.get("system_prompt")
    attachments = request.get("attachments")
    contents = [
        content
        for each in (attachments if isinstance(attachments, list) else ())
        if isinstance(each, dict) and isinstance(content := each.get("content"), str)
    ]
    return prompt_of(
        query if isinstance(query, str) else "",
        instructions if isinstance(instructions, str) else "",
        contents,
    )


def play(recording: Recording, stream: TurnStream) -> Iterator[tuple[float, Emissions]]:
    """Yield what each recorded moment makes the machine emit, with its time in ms.

    A recording that was cut while it was made ends without a terminal emission.
    """
    yield 0.0, stream.begin(opening_of(recording))
    for each in recording.frames:
        yield each.at_ms, _apply(stream, each)
    yield recording.ended_ms, _end(stream, recording)


def _apply(stream: TurnStream, recorded: Frame | Verdict) -> Emissions:
    if isinstance(recorded, Verdict):
        return stream.judge(recorded.checked)
    return stream.feed_payload(recorded.payload)


def _end(stream: TurnStream, recording: Recording) -> Emissions:
    ending = recording.ending
    match ending:
        case TurnInterrupted():
            return stream.interrupt(ending.by)
        case TurnFailed():
            return stream.fail(
                ending.code, ending.response, status_code=ending.status_code, cause=ending.cause
            )
        case Ending.CUT:
            return ()
        case _:
            return stream.finish(reset=ending is Ending.RESET)
