"""A stream that its driver could not end: cut anywhere, read from a log, ended by a successor."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from statemachine import (
    EVENT_NAMES,
    FINAL,
    Emission,
    Failure,
    Inheritance,
    State,
    Summary,
    TurnStream,
    inherit,
    is_recording,
    pack,
    play,
    playback_stream,
    read_capture,
    read_recording,
    unpack,
)
from statemachine.events import TurnFailed
from statemachine.table import TRANSITIONS
from tests.support.laws import Run, check, digest_of, parsed
from tests.support.recordings import RecordedStream

type Emissions = tuple[Emission, ...]

PROMPT = "How are you?"
MOVES = {(row.source, row.dest) for row in TRANSITIONS}
CAN_FAIL = {row.source for row in TRANSITIONS if row.event is TurnFailed}


@dataclass(frozen=True, slots=True)
class _Ended:
    """What the laws want to know of a stream besides its emissions."""

    summary: Summary
    ended: bool = True


def played(recorded: RecordedStream) -> Emissions:
    """Return all that the machine says of a recording."""
    data = recorded.path.read_bytes()
    recording = read_recording(data) if is_recording(data) else read_capture(data)
    moments = play(recording, playback_stream(recording))
    return tuple(emission for _, emissions in moments for emission in emissions)


def through_a_log(emissions: Sequence[Emission]) -> Emissions:
    """Return emissions as another process reads them."""
    return tuple(unpack(each.number, *pack(each)) for each in emissions)


def succeed(emissions: Sequence[Emission], digest: str = "") -> Inheritance:
    """End a stream in the place of its driver."""
    return inherit(
        emissions, conversation_id="conv-1", request_id="req-1", prompt=PROMPT, digest=digest
    )


def told_states(emissions: Sequence[Emission]) -> list[State]:
    """Return the states that a reader is told, in order."""
    return [state for emission in emissions for state in emission.path]


def check_succession(emissions: Emissions) -> Inheritance:
    """Hold a whole stream and its successor's end of it against every law."""
    inheritance = succeed(emissions)
    everything = emissions + inheritance.emissions
    check(Run(cast("TurnStream", _Ended(inheritance.summary)), everything))
    assert inheritance.summary == Summary.of(everything, PROMPT)
    assert set(pairwise([State.IDLE, *told_states(everything)])) <= MOVES
    assert told_states(everything)[-1] in FINAL
    *closing, last = inheritance.emissions
    names = {EVENT_NAMES[type(each.output)] for each in closing}
    assert names <= ({"tool_result"} if emissions else {"start"})
    _check_failure(last)
    return inheritance


def check_trimmed(emissions: Emissions, first: int) -> None:
    """Hold the end of a stream that has lost its first emissions against the laws that are left."""
    digest, number = digest_of(each.payload for each in emissions), len(emissions) + 1

    (last,) = succeed(emissions[first:], digest).emissions

    data = cast("dict[str, object]", parsed(last.payload)["data"])
    assert (last.number, data["id"], data["count"]) == (number, number, number)
    assert data["digest"] == digest
    assert last.terminal
    assert set(pairwise(told_states((*emissions[first:], last)))) <= MOVES
    _check_failure(last)


def _check_failure(last: Emission) -> None:
    assert isinstance(last.output, Failure)
    assert (last.output.code, last.output.status_code) == ("owner_lost", 503)
    assert last.output.state in CAN_FAIL - {State.IDLE}
