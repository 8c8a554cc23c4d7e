"""Anything may happen to a turn and its readers, in any order: the laws hold."""

import asyncio
import os
from dataclasses import dataclass, field
from functools import partial

import anyio
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from statemachine import DECODERS, TurnStarted
from tests.support.faults.behaviours import assert_so_it_ended
from tests.support.faults.harms import GARBAGE, Close, Fault, Harm, Play
from tests.support.faults.laws import assert_laws, assert_whole
from tests.support.faults.leaping_loop import LeapingLoop
from tests.support.faults.readers import Event, Reader
from tests.support.faults.upstreams import play_of, script_of
from tests.support.faults.worlds import World, world
from tests.support.laws import new_stream
from tests.support.recordings import captures
from tests.support.redis_server import RedisServer

PLAYS = {each.name: play_of(each) for each in captures() if 1 < len(each.payloads) < 25}
HARMS = st.builds(
    Harm,
    st.sampled_from([Fault.NONE, Fault.NONE, *Fault]),
    st.integers(0, 20),
    st.sampled_from(list(GARBAGE)),
)
GRACE_S = 10
SETTINGS = {
    "suppress_health_check": list(HealthCheck),
    "phases": set(Phase)
    - {Phase.explain}
    - ({Phase.shrink} if os.environ.get("NOSHRINK") else set()),
}
TURNS = {
    "name": st.sampled_from(list(PLAYS)),
    "harm": HARMS,
    "together": st.integers(1, 4),
    "cancels": st.booleans(),
    "ahead": st.integers(0, 8),
}
ANY = st.integers(0, 1_000)
"""Stands for one of those that there are."""


@dataclass(eq=False)
class Turn:
    """A question, and what stands between the upstream and its answer."""

    question: str
    play: Play
    gates: list[anyio.Event]
    fields: dict[str, str]
    readers: list[Reader] = field(default_factory=list)
    stops: list[dict[str, object]] = field(default_factory=list)
    disturbed: bool = False
    silent: int = 0
    """For how many seconds the upstream has said nothing."""

    @property
    def request_id(self):
        return self.readers[0].request_id

    @property
    def conversation_id(self):
        return self.readers[0].visits[0].headers.get("x-conversation-id")

    @property
    def key(self):
        return {"Idempotency-Key": self.question.replace(" ", "-")}


@dataclass
class Stage:
    """How fast things go, and where."""

    loop_factory: type | None
    redis: RedisServer | None
    replicas: int
    second_s: float
    """How long a second takes."""

    @property
    def redis_url(self):
        return self.redis.url if self.redis else None

    def settings(self):
        second = self.second_s
        return {
            "heartbeat_s": 7 * second,
            "idle_timeout_s": 60 * second,
            "first_chunk_timeout_s": 60 * second,
            "turn_timeout_s": 400 * second,
            "commit_wait_s": 2 * second,
            "disconnect_grace_s": GRACE_S * second,
            "retry_ms": round(1_000 * second),
            "streams": {"rotate_s": 30 * second, "per_turn_limit": 4},
            "redis": {"lease_s": 2.0},
        }


class TurnMachine(RuleBasedStateMachine):
    """Plays one session of many turns in one world."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.turns: list[Turn] = []
        self.busy: dict[Reader, asyncio.Task[None]] = {}
        self.gone: set[Reader] = set()
        self.runner = asyncio.Runner(loop_factory=stage.loop_factory)

    def run(self, act):
        """Do something, and let everybody notice."""

        async def acted():
            result = await act
            for _ in range(10):
                await asyncio.sleep(0.001 if self.stage.redis else 0)
            return result

        return self.runner.run(acted())

    def begin(self):
        async def hold(opened, over):
            stage = self.stage
            about = stage.settings()
            async with world(stage.replicas, redis_url=stage.redis_url, **about) as here:
                opened.set_result(here)
                await over.wait()

        async def open_world():
            opened, self.over = asyncio.get_running_loop().create_future(), asyncio.Event()
            self.holding = asyncio.create_task(hold(opened, self.over), name="world")
            return await opened

        self.world: World = self.run(open_world())

    @initialize(**TURNS)
    def begin_with_a_turn(self, name, harm, together, cancels, ahead):
        self.begin()
        self.ask(name, harm, together, cancels, ahead)

    @rule(**TURNS)
    def ask(self, name, harm, together, cancels, ahead):
        spoilt = PLAYS[name].harmed(harm)
        gates = [anyio.Event() for _ in range(len(spoilt.payloads) + 1)]
        for gate in gates[:ahead]:
            gate.set()
        question = self.world.upstream.says(script_of(spoilt, gates, together=together))
        fields = {"on_disconnect": "cancel"} if cancels else {}
        turn = Turn(question, spoilt, gates, fields, disturbed=cancels)
        self.turns.append(turn)
        self.asks(turn, self.world.reader(len(self.turns)))

    def asks(self, turn, reader, **fields):
        """Send the question of a turn, and read its answer."""
        turn.readers.append(reader)

        async def ask_and_follow():
            await reader.ask(turn.question, turn.key, **turn.fields, **fields)
            await reader.follow()

        self.goes_on(reader, ask_and_follow())

    def goes_on(self, reader, act):
        async def start():
            self.busy[reader] = asyncio.create_task(act, name="reader")

        self.run(start())

    def some_turn(self, number):
        return self.turns[number % len(self.turns)]

    def known(self):
        """The turns whose ids are known."""
        return [each for each in self.turns if each.request_id]

    @precondition(lambda self: self.turns)
    @rule(number=ANY, count=st.integers(1, 12))
    def the_upstream_goes_on(self, number, count):
        async def open_gates():
            for gate in [each for each in turn.gates if not each.is_set()][:count]:
                gate.set()

        turn = self.some_turn(number)
        turn.silent = 0
        self.run(open_gates())

    @precondition(lambda self: self.busy)
    @rule(number=ANY, for_good=st.booleans())
    def a_reader_loses_its_connection(self, number, for_good):
        reader = list(self.busy)[number % len(self.busy)]
        self.run(self.drops(reader))
        if for_good:
            self.gone.add(reader)

    @precondition(lambda self: self.known())
    @rule(number=ANY)
    def everybody_leaves_a_turn(self, number):
        turn = self.known()[number % len(self.known())]
        for reader in [each for each in turn.readers if each in self.busy]:
            self.run(self.drops(reader))

    async def drops(self, reader):
        task = self.busy.pop(reader)
        if task.done():
            task.result()
        task.cancel()
        await asyncio.wait((task,))
        await reader.drop()

    def away(self):
        """Readers who may come back."""
        readers = [reader for turn in self.known() for reader in turn.readers]
        return [
            each
            for each in readers
            if each not in self.busy
            and each not in self.gone
            and each.request_id
            and not each.refused
        ]

    @precondition(lambda self: self.away())
    @rule(number=ANY, replica=ANY, size=st.none() | st.integers(1, 400), narrow=st.booleans())
    def a_reader_comes_back(self, number, replica, size, narrow):
        """For good, or for so many bytes."""
        away = self.away()
        reader = away[number % len(away)]
        reader.dial = self.world.dial(replica)

        async def comes_back():
            await reader.resume(narrow=narrow)
            if size is None:
                await reader.follow(pause_s=self.stage.second_s if narrow else 0)
            else:
                await reader.read(size=size)
                await reader.drop()

        self.goes_on(reader, comes_back())

    @precondition(lambda self: self.known())
    @rule(number=ANY, replica=ANY, after=st.integers(0, 12))
    def somebody_opens_a_tab(self, number, replica, after):
        turn = self.known()[number % len(self.known())]
        seen = max(len(each.numbered) for each in turn.readers)
        after = min(after, seen)
        reader = self.world.reader(replica, of=turn.readers[0], after=str(after) if after else "")
        turn.readers.append(reader)
        self.goes_on(reader, reader.follow())

    @precondition(lambda self: self.known())
    @rule(number=ANY, replica=ANY)
    def somebody_stops_a_turn(self, number, replica):
        turn = self.known()[number % len(self.known())]
        turn.disturbed = True
        turn.stops.append(self.run(self.world.reader(replica, of=turn.readers[0]).interrupt()))

    @precondition(lambda self: self.known())
    @rule(number=ANY, replica=ANY)
    def somebody_looks_at_the_head(self, number, replica):
        turn = self.known()[number % len(self.known())]
        reader = self.world.reader(replica, of=turn.readers[0])
        self.run(reader.head())
        assert_laws(reader)

    @precondition(lambda self: self.turns)
    @rule(number=ANY, replica=ANY)
    def the_question_comes_again(self, number, replica):
        self.asks(self.some_turn(number), self.world.reader(replica))

    @precondition(lambda self: self.turns)
    @rule(number=ANY, replica=ANY)
    def another_question_has_the_same_key(self, number, replica):
        turn = self.some_turn(number)
        reader = self.world.reader(replica)
        self.run(reader.ask("Something else?", turn.key))
        assert reader.visit.status == 409

    @precondition(lambda self: self.known())
    @rule(number=ANY, replica=ANY)
    def another_question_comes_to_the_conversation(self, number, replica):
        """It is refused while a turn runs there; else it is asked, and answered at once."""
        turn = self.known()[number % len(self.known())]
        question = self.world.upstream.says(script_of(PLAYS["agents-0.3.5/text"]))
        reader = self.world.reader(replica)

        async def ask_and_read():
            await reader.ask(question, conversation_id=turn.conversation_id)
            await reader.follow()

        self.run(ask_and_read())
        if reader.visit.status == 409:
            running = [
                each.request_id
                for each in self.turns
                if each.conversation_id == turn.conversation_id
            ]
            assert running
        else:
            assert_whole(reader)

    @rule(seconds=st.sampled_from((1, 8, 20, 70)))
    def time_passes(self, seconds):
        for turn in self.turns:
            turn.silent += seconds
            turn.disturbed |= turn.silent > 40
        assert not self.stage.redis or self.stage.redis.keys_without_expiry() == []
        unread = [each for each in self.turns if self.is_unread(each)]
        self.run(asyncio.sleep(seconds * self.stage.second_s))
        if seconds > GRACE_S and self.stage.loop_factory is not None:
            assert [each for each in unread if self.runs(each)] == []

    def runs(self, turn):
        return any(turn.request_id in each.services.live for each in self.world.replicas)

    def is_unread(self, turn):
        """Tell whether a turn is to be cancelled that nobody reads, or is about to."""
        reads = any(each in self.busy for each in turn.readers)
        return bool(turn.fields) and self.runs(turn) and not reads

    def teardown(self):
        try:
            if hasattr(self, "world"):
                self.run(asyncio.wait_for(self.end(), 1_000 if self.stage.loop_factory else 60))
        finally:
            self.runner.close()

    async def end(self):
        """Let everything come to its end, and hold all that was said against the laws."""
        for turn in self.turns:
            for gate in turn.gates:
                gate.set()
        await asyncio.gather(*self.busy.values())
        for turn in self.turns:
            await self.judge(turn)
        self.over.set()
        await self.holding

    async def judge(self, turn):
        if not turn.request_id:
            return
        whole = [
            await self.world.undisturbed(turn.readers[0], number)
            for number in range(self.stage.replicas)
        ]
        for each in whole:
            assert_whole(each, like=whole[0])
        for each in turn.readers:
            if not each.refused:
                assert_laws(each, like=whole[0])
        for each in turn.stops:
            assert_so_it_ended(whole[0], each)
        # Where time is real, the upstream may have been silent for too long just so.
        told = not turn.disturbed and turn.play.close is not Close.NEVER
        if told and self.stage.loop_factory is not None:
            assert [each.name for each in whole[0].numbered] == names_of(turn.play)


def names_of(play):
    """Return the events that a play gives when nothing happens."""
    stream = new_stream(DECODERS[play.dialect]())
    said = stream.begin(TurnStarted())
    for payload in play.payloads:
        said += stream.feed_payload(payload)
    said += stream.finish(reset=play.close is Close.RESET)
    return [Event("", each.payload).name for each in said]


ALONE = Stage(LeapingLoop, None, 1, 1.0)


def play_sessions(stage, sessions, steps):
    """Let anything happen, in so many sessions of so many steps."""
    chosen = settings(max_examples=sessions, stateful_step_count=steps, **SETTINGS)
    run_state_machine_as_test(partial(TurnMachine, stage), settings=chosen)


def test_anything_may_happen_in_one_process():
    play_sessions(ALONE, sessions=50, steps=25)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_anything_may_happen_in_one_process_at_length():
    play_sessions(ALONE, sessions=150, steps=50)


def test_anything_may_happen_on_two_replicas(redis_server):
    play_sessions(Stage(None, redis_server, 2, 0.02), sessions=3, steps=25)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_anything_may_happen_on_two_replicas_at_length(redis_server):
    play_sessions(Stage(None, redis_server, 2, 0.02), sessions=25, steps=40)
