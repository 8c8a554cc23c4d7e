"""The machine does what the table says, in every state, with every event."""

import subprocess
import sys
from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from transitions import Machine

from statemachine import (
    EVENT_NAMES,
    FINAL,
    TRANSITIONS,
    IllegalTransition,
    MachineMisuse,
    State,
    TurnMachine,
)
from statemachine.diagram.edges import wire_names
from statemachine.events import EVENTS, StepKind, StepStarted, TextDelta, TurnEvent, TurnStarted
from statemachine.guards import Context, Guard
from statemachine.machine import DELTAS, ENGINE, LANE, _trigger, compile_lane
from statemachine.states import MEANINGS
from statemachine.table import Row
from tests.support.recordings import ROOT
from tests.support.rules import Told
from tests.support.situations import (
    EVENTS_BY_KIND,
    OPEN,
    contexts,
    fingerprint,
    happened,
    machine_in,
    received,
    rows_for,
    verdict,
)
from tests.support.walks import any_context, any_event

ALL_EVENTS = [event for events in EVENTS_BY_KIND.values() for event in events]
GUARDED = [row for row in TRANSITIONS if row.when]


def name_of_row(row: Row) -> str:
    return "-".join(filter(None, [row.source, row.event.__name__, name_of(row.when)]))


def state_after(machine: TurnMachine, event: TurnEvent) -> State | None:
    try:
        machine.receive(event)
    except IllegalTransition:
        return None
    return machine.state


def name_of(value: object) -> str | None:
    return getattr(value, "__name__", None)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", EVENTS, ids=name_of)
def test_every_event_in_every_state_does_what_the_table_says(
    state: State, kind: type[TurnEvent]
) -> None:
    for context, event in product(contexts(state), EVENTS_BY_KIND[kind]):
        assert received(context, event) == verdict(context, event), (context, event)


def test_whatever_came_before_an_event_is_accepted_as_the_protocol_orders() -> None:
    waiting = [(Told(), Context("conv", "req"))]
    seen = {repr(each) for each in waiting}
    for (told, context), event in ((each, event) for each in waiting for event in ALL_EVENTS):
        machine, expected = machine_in(context), told.after(event)

        assert state_after(machine, event) == (expected and expected.state), (told, event)

        if expected and repr((expected, machine.context)) not in seen:
            seen.add(repr((expected, machine.context)))
            waiting.append((expected, machine.context))


@pytest.mark.parametrize("row", TRANSITIONS, ids=name_of_row)
def test_every_row_is_taken_by_some_event(row: Row) -> None:
    taken = [
        rows_for(context, event) == [row]
        for context, event in product(contexts(row.source), EVENTS_BY_KIND[row.event])
    ]

    assert any(taken)


@pytest.mark.parametrize("row", TRANSITIONS, ids=name_of_row)
def test_an_emitter_has_the_wire_name_of_what_it_makes(row: Row) -> None:
    """Drawings and successors go by that name."""
    made = [
        (wire_name, EVENT_NAMES[type(output)])
        for emit, wire_name in zip(row.emits, wire_names(row), strict=True)
        for context, event in product(contexts(row.source), EVENTS_BY_KIND[row.event])
        for output in emit(context, event)
    ]

    assert {wire_name for wire_name, _ in made} == set(wire_names(row))
    assert all(name == wire_name.split()[0] for wire_name, name in made)


@pytest.mark.parametrize("row", GUARDED, ids=name_of_row)
def test_every_guard_says_yes_to_some_events_and_no_to_others(row: Row) -> None:
    guard: Guard = row.when

    answers = {
        guard(context, event)
        for context, event in product(contexts(row.source), EVENTS_BY_KIND[row.event])
    }

    assert answers == {True, False}


@pytest.mark.parametrize("state", State)
def test_a_refused_event_leaves_the_machine_untouched(state: State) -> None:
    for context in list(contexts(state))[::5]:
        machine = machine_in(context)
        for event in ALL_EVENTS:
            if rows_for(context, event):
                continue

            with pytest.raises(IllegalTransition):
                machine.receive(event)

            assert machine.context == context


def test_a_refusal_names_state_event_guard_and_what_would_have_been_legal() -> None:
    machine = TurnMachine("conv", "req")
    machine.receive(TurnStarted())
    machine.receive(StepStarted("s1", StepKind.INFERENCE))

    with pytest.raises(IllegalTransition) as refused:
        machine.receive(TextDelta("s2", StepKind.INFERENCE, "Hi"))

    assert (refused.value.state, refused.value.event) == ("step_in_progress", "TextDelta")
    assert refused.value.needs == "in_open_inference"
    assert refused.value.legal[:2] == ("TextDelta", "ReasoningDelta")
    assert "TextDelta is not legal in step_in_progress unless in_open" in str(refused.value)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("odd", ["TurnStarted", None, TurnStarted], ids=repr)
def test_what_is_no_event_is_a_bug_of_ours(state: State, odd: object) -> None:
    machine = machine_in(Context("conv", "req", state))

    with pytest.raises(MachineMisuse, match="is not an event of a turn"):
        machine.receive(odd)

    assert machine.state is state


@pytest.mark.parametrize("state", sorted(FINAL))
def test_nothing_is_legal_after_the_end(state: State) -> None:
    machine = machine_in(Context("conv", "req", state))

    with pytest.raises(IllegalTransition, match="legal: nothing"):
        machine.receive(TurnStarted())

    assert machine.final
    assert machine.state is state


@pytest.mark.parametrize("state", OPEN)
def test_every_state_that_is_not_final_can_fail_and_be_interrupted(state: State) -> None:
    events = Counter(name_of(row.event) for row in TRANSITIONS if row.source is state)

    assert events["TurnFailed"] == events["TurnInterrupted"] == 1


@given(context=any_context(), event=any_event())
def test_guards_of_one_state_and_event_exclude_each_other(
    context: Context, event: TurnEvent
) -> None:
    assert len(rows_for(context, event)) <= 1


@pytest.mark.parametrize("state", State)
def test_rows_of_one_state_and_event_exclude_each_other(state: State) -> None:
    for context in contexts(state):
        for event in ALL_EVENTS:
            assert len(rows_for(context, event)) <= 1


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", EVENTS, ids=name_of)
def test_the_lane_does_what_the_engine_does(state: State, kind: type[TurnEvent]) -> None:
    for context, event in product(contexts(state), EVENTS_BY_KIND[kind]):
        own = machine_in(context).context

        assert received(context, event) == happened(own, lambda own, e=event: _trigger(own, e))


def test_the_lane_holds_exactly_the_deltas_of_the_table() -> None:
    assert set(LANE) == {(row.source, row.event) for row in TRANSITIONS if row.event in DELTAS}
    assert compile_lane(ENGINE) == LANE


def test_a_delta_that_leaves_its_state_cannot_be_compiled() -> None:
    engine = Machine(None, states=list(State), initial=None, auto_transitions=False)
    for delta in DELTAS:
        engine.add_transition(delta.__name__, State.IDLE, State.ERROR)

    with pytest.raises(MachineMisuse):
        compile_lane(engine)


def test_turns_are_never_registered_with_the_engine() -> None:
    machine = TurnMachine("conv", "req")

    machine.receive(TurnStarted())
    machine.receive(StepStarted("s1", StepKind.INFERENCE))

    assert ENGINE.models == []


def test_every_event_and_every_state_is_in_the_tables() -> None:
    assert {row.event for row in TRANSITIONS} == set(EVENTS) == set(EVENTS_BY_KIND)
    assert set(MEANINGS) == set(State)
    assert {row.dest for row in TRANSITIONS} | {State.IDLE} == set(State)


def test_the_table_has_no_row_twice() -> None:
    keys = Counter((row.source, row.event, row.when) for row in TRANSITIONS)

    assert keys.most_common(1)[0][1] == 1
    assert not [row for row in TRANSITIONS if row.source in FINAL]


def test_python_without_assertions_accepts_and_refuses_the_same() -> None:
    program = "from tests.support.situations import fingerprint; print(fingerprint())"

    optimised = subprocess.run(
        [sys.executable, "-O", "-c", program], cwd=ROOT, capture_output=True, check=True, text=True
    )

    assert optimised.stdout.strip() == fingerprint()
