"""Wherever a driver dies, its successor ends the stream within the laws (PROTOCOL, section 3)."""

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statemachine import DECODERS
from statemachine.events import TurnEvent
from tests.support.conversations import broken_conversations
from tests.support.laws import run_chunks
from tests.support.recordings import RecordedStream, recorded_streams
from tests.support.succession import (
    Emissions,
    check_succession,
    check_trimmed,
    played,
    succeed,
    through_a_log,
)
from tests.support.walks import ALL_EVENTS, ScriptedDecoder, legal_walks

RECORDED = recorded_streams()
every_recording = pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each.name)
MOMENTS = st.integers(0)


def cut_at(emissions: Emissions, at: int) -> Emissions:
    """Return what was said at some moment before the end."""
    return emissions[: at % len(emissions)]


def changes(emissions: Emissions) -> list[int]:
    """Return how much was said whenever another kind of emission begins, and one later."""
    kinds = groupby(emissions, key=lambda each: type(each.output))
    firsts = [next(run).number - 1 for _, run in kinds]
    return sorted({at for first in firsts for at in (first, first + 1) if at < len(emissions)})


@pytest.mark.slow
@every_recording
def test_a_recording_is_ended_after_every_emission(recorded: RecordedStream):
    emissions = played(recorded)
    stored = through_a_log(emissions)

    for count in range(len(emissions)):
        inheritance = check_succession(emissions[:count])

        assert succeed(stored[:count]) == inheritance


@every_recording
def test_a_recording_whose_beginning_is_lost_is_ended(recorded: RecordedStream):
    emissions = played(recorded)

    for count in changes(emissions):
        for first in {1, count // 2, count - 1} & set(range(1, count)):
            check_trimmed(emissions[:count], first)


@given(walk=legal_walks(), at=MOMENTS)
def test_a_walk_through_the_table_is_ended(walk: list[TurnEvent], at: int):
    run = run_chunks(ScriptedDecoder(), [(event,) for event in walk], begin=False)

    check_succession(cut_at(run.emissions, at))


@given(walk=st.lists(st.sampled_from(ALL_EVENTS), max_size=12), at=MOMENTS)
def test_events_in_any_order_are_ended(walk: list[TurnEvent], at: int):
    run = run_chunks(ScriptedDecoder(), [tuple(walk)])

    check_succession(cut_at(run.emissions, at))


@given(walk=legal_walks(), at=MOMENTS, then=MOMENTS)
def test_a_successor_that_dies_has_a_successor(walk: list[TurnEvent], at: int, then: int):
    run = run_chunks(ScriptedDecoder(), [(event,) for event in walk], begin=False)
    said = cut_at(run.emissions, at)

    said += cut_at(check_succession(said).emissions, then)

    check_succession(said)


@given(broken=broken_conversations(), at=MOMENTS)
def test_what_was_read_from_a_log_is_ended_the_same(broken: tuple[str, list[object]], at: int):
    dialect, chunks = broken
    said = cut_at(run_chunks(DECODERS[dialect](), chunks).emissions, at)

    inheritance = check_succession(said)

    assert succeed(through_a_log(said)).emissions == inheritance.emissions


@given(walk=legal_walks(), at=MOMENTS, first=MOMENTS)
def test_a_walk_whose_beginning_is_lost_is_ended(walk: list[TurnEvent], at: int, first: int):
    run = run_chunks(ScriptedDecoder(), [(event,) for event in walk], begin=False)
    said = cut_at(run.emissions, at)
    if len(said) > 1:
        check_trimmed(said, 1 + first % (len(said) - 1))
