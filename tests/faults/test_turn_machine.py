"""Anything may happen to a turn and its readers, in any order: the laws hold."""

from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests.support.faults.harms import GARBAGE, Fault, Harm
from tests.support.faults.laws import assert_laws, assert_whole
from tests.support.faults.sessions import Session, Stage
from tests.support.faults.upstreams import play_of, script_of
from tests.support.recordings import captures

# When an example fails, Hypothesis looks for a shorter one for up to five minutes.
pytestmark = pytest.mark.timeout(400)

PLAYS = {each.name: play_of(each) for each in captures() if 1 < len(each.payloads) < 25}
ANY = st.integers(0, 1_000)
"""Stands for one of those that there are."""

TURNS = {
    "name": st.sampled_from(list(PLAYS)),
    "fault": st.sampled_from([Fault.NONE, Fault.NONE, *Fault]),
    "at": st.integers(0, 20),
    "kind": st.sampled_from(list(GARBAGE)),
    "together": st.integers(1, 4),
    "cancels": st.booleans(),
    "ahead": st.integers(0, 3),
}


def one_of(things, number):
    """Return one thing as a list, or none when there is none."""
    return [things[number % len(things)]] if things else []


class TurnMachine(RuleBasedStateMachine):
    """Plays one session."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.session = Session(stage)

    @initialize(**TURNS)
    def the_first_question_comes(self, name, fault, at, kind, **how):
        self.session.ask(PLAYS[name].harmed(Harm(fault, at, kind)), **how)

    @rule(**TURNS)
    def a_question_comes(self, name, fault, at, kind, **how):
        self.session.ask(PLAYS[name].harmed(Harm(fault, at, kind)), **how)

    @rule(number=ANY, count=st.integers(1, 12))
    def an_upstream_goes_on(self, number, count):
        for turn in one_of(self.session.turns, number):
            self.session.open_gates(turn, count)

    @rule(number=ANY, for_good=st.booleans())
    def a_reader_loses_its_connection(self, number, for_good):
        for reader in one_of(list(self.session.busy), number):
            self.session.drop(reader)
            self.session.gone |= {reader} if for_good else set()

    @rule(number=ANY, seconds=st.sampled_from((0, 8, 20)))
    def everybody_leaves_a_turn_for_a_while(self, number, seconds):
        for turn in one_of(self.session.known, number):
            for reader in [each for each in turn.readers if each in self.session.busy]:
                self.session.drop(reader)
        self.session.pass_time(seconds)

    @rule(number=ANY, replica=ANY, size=st.none() | st.integers(1, 400), narrow=st.booleans())
    def a_reader_comes_back(self, number, replica, size, narrow):
        for reader in one_of(self.session.away, number):
            reader.dial = self.session.world.dial(replica)
            self.session.come_back(reader, size=size, narrow=narrow)

    @rule(number=ANY, replica=ANY, after=st.integers(0, 12))
    def somebody_opens_a_tab(self, number, replica, after):
        for turn in one_of(self.session.known, number):
            self.session.open_tab(turn, replica, after)

    @rule(number=ANY, replica=ANY)
    def somebody_stops_a_turn(self, number, replica):
        for turn in one_of(self.session.known, number):
            self.session.stop(turn, replica)

    @rule(number=ANY, replica=ANY)
    def somebody_looks_at_the_head(self, number, replica):
        for turn in one_of(self.session.known, number):
            reader = self.session.world.reader(replica, of=turn.readers[0])
            self.session.run(reader.head())
            assert_laws(reader)

    @rule(number=ANY, replica=ANY)
    def a_question_comes_again(self, number, replica):
        for turn in one_of(self.session.turns, number):
            self.session.ask_again(turn, replica)

    @rule(number=ANY, replica=ANY)
    def another_question_has_the_same_key(self, number, replica):
        for turn in one_of(self.session.turns, number):
            reader = self.session.world.reader(replica)
            self.session.run(reader.ask("Something else?", turn.headers))
            assert reader.visit.status == 409

    @rule(number=ANY, replica=ANY)
    def another_question_comes_to_a_conversation(self, number, replica):
        """It is refused while a turn runs there; else it is asked, and answered at once."""
        world = self.session.world
        question = world.upstream.says(script_of(PLAYS["agents-0.3.5/text"]))
        for turn in one_of(self.session.known, number):
            reader = world.reader(replica)
            self.session.run(reader.ask(question, conversation_id=turn.conversation_id))
            self.session.run(reader.follow())
            if reader.refused:
                assert reader.visit.status == 409
                assert reader.refusal["request_id"] == turn.request_id
            else:
                assert_whole(reader)

    @rule(seconds=st.sampled_from((1, 8, 20, 70)))
    def time_passes(self, seconds):
        self.session.pass_time(seconds)
        redis = self.session.stage.redis
        assert redis is None or redis.keys_without_expiry() == []

    def teardown(self):
        self.session.end()


class SharedTurnMachine(TurnMachine):
    """The same on replicas whose Redis is sometimes too slow."""

    @rule(time_s=st.sampled_from((0.02, 0.1, 0.6)))
    def redis_stands_still(self, time_s):
        self.session.pause_redis(time_s)


def play_sessions(machine, stage, sessions, steps):
    """Let anything happen, in so many sessions of so many steps."""
    chosen = settings(
        max_examples=sessions,
        stateful_step_count=steps,
        suppress_health_check=list(HealthCheck),
        phases=set(Phase) - {Phase.explain},
    )
    run_state_machine_as_test(partial(machine, stage), settings=chosen)


def test_anything_may_happen_in_one_process():
    play_sessions(TurnMachine, Stage(), sessions=50, steps=25)


@pytest.mark.slow
def test_anything_may_happen_in_one_process_at_length():
    play_sessions(TurnMachine, Stage(), sessions=80, steps=50)


def test_anything_may_happen_on_two_replicas(mortal_redis):
    play_sessions(SharedTurnMachine, Stage(mortal_redis, 2, 0.02), sessions=3, steps=25)


@pytest.mark.slow
def test_anything_may_happen_on_two_replicas_at_length(mortal_redis):
    play_sessions(SharedTurnMachine, Stage(mortal_redis, 2, 0.02), sessions=5, steps=40)
