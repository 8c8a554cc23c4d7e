"""Examples of streams: what recorded turns are told as, played when the document is made."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from statemachine import (
    EVENT_NAMES,
    AwaitingInput,
    Emission,
    Encoder,
    Interrupter,
    NativeEncoder,
    TextEncoder,
    Token,
    farewell,
    play,
    playback_stream,
    read_recording,
    retry,
    settle,
)

_RECORDINGS = Path(__file__).parents[2] / "recordings"
_SHORT, _LONG, _WITH_TOOL = "input-shield-violation", "plain-answer", "file-search"
_FIRST_FRAMES = 20
_RETRY_MS = 1_000
_UNAVAILABLE = "log_unavailable", "The turn cannot be followed from here for now.", _RETRY_MS
_ANSWER_WITHIN_S = 600
_EXAMPLE_BYTES = 1_500


class Examples(NamedTuple):
    """Bodies of streams by what they show, and what single events are on the wire, by their names.

    `events` are the payloads of the native dialect; `lines` what the text dialect makes of events
    other than text.
    """

    native: dict[str, object]
    text: dict[str, object]
    events: dict[str, object]
    lines: dict[str, object]


def play_examples() -> Examples:
    """Play every recording that comes along."""
    turns = {path.stem: tuple(_played(path)) for path in sorted(_RECORDINGS.glob("*.jsonl"))}
    stopped = turns["stopped"] = tuple(_stopped(_RECORDINGS / f"{_LONG}.jsonl"))
    native, text = NativeEncoder(), TextEncoder()
    gap, unavailable = native.gap(3, 9), native.unavailable(*_UNAVAILABLE)
    payloads = sorted((each.payload for turn in turns.values() for each in turn), key=_fullness)
    events = {each["event"]: each for each in map(json.loads, payloads)}
    return Examples(
        native={
            "whole": (retry(_RETRY_MS) + _told(turns[_SHORT], native)).decode(),
            "stopped": (retry(_RETRY_MS) + _told(stopped, native)).decode(),
            "sent away": farewell("busy", _RETRY_MS).decode(),
            "unavailable": unavailable.decode(),
        },
        text={
            "whole": _told(turns[_WITH_TOOL], TextEncoder()).decode(),
            "stopped": _told(stopped, TextEncoder()).decode(),
        },
        events=events | {"gap": _payload(gap), "unavailable": _payload(unavailable)},
        lines=_lines(turns.values())
        | {"gap": text.gap(3, 9).decode(), "unavailable": text.unavailable(*_UNAVAILABLE).decode()},
    )


def _played(path: Path) -> Iterator[Emission]:
    recording = read_recording(path.read_bytes())
    for _, emissions in play(recording, playback_stream(recording)):
        yield from map(_settled, emissions)


def _stopped(path: Path) -> Iterator[Emission]:
    """Play how a turn begins, and stop it."""
    recording = read_recording(path.read_bytes())
    stream = playback_stream(recording)
    for _, emissions in islice(play(recording, stream), _FIRST_FRAMES):
        yield from emissions
    yield from map(_settled, stream.interrupt(Interrupter.USER))


def _settled(emission: Emission) -> Emission:
    if emission.seal is None:
        return emission
    awaiting = isinstance(emission.output, AwaitingInput)
    return settle(
        emission,
        stored=True,
        available_quotas={"daily": 48_500},
        answer_within_s=_ANSWER_WITHIN_S if awaiting else None,
    )


def _told(emissions: Iterable[Emission], encoder: Encoder) -> bytes:
    return b"".join(map(encoder.encode, emissions))


def _fullness(payload: bytes) -> int:
    """Return how good an example this is: it shows much, but is not long."""
    return len(payload) if len(payload) <= _EXAMPLE_BYTES else -len(payload)


def _payload(frame: bytes) -> object:
    (line,) = [each for each in frame.split(b"\n") if each.startswith(b"data: ")]
    return json.loads(line.removeprefix(b"data: "))


def _lines(turns: Iterable[Iterable[Emission]]) -> dict[str, object]:
    """Return what the text dialect says at an event that is no piece of text."""
    lines: dict[str, object] = {}
    for turn in turns:
        encoder = TextEncoder()
        for each in turn:
            said = encoder.encode(each).decode()
            if said and not isinstance(each.output, Token):
                lines[EVENT_NAMES[type(each.output)]] = said
    return lines
