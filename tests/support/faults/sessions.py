"""One session of many turns in one world: what people and upstreams do, step by step.

A step is done from outside of the loop, which stands still between them. A step for which there is
nobody does nothing, so that no choice depends on how far anything has come.
"""

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from statemachine import DECODERS, TurnStarted
from tests.support.faults.behaviours import assert_so_it_ended
from tests.support.faults.harms import Close, Play
from tests.support.faults.laws import assert_laws, assert_whole
from tests.support.faults.leaping_loop import LeapingLoop
from tests.support.faults.readers import Event, Reader
from tests.support.faults.upstreams import script_of
from tests.support.faults.worlds import World, world
from tests.support.laws import new_stream
from tests.support.redis_server import RedisServer

GRACE_S = 10
_IDLE_S = 60
_AT_MOST_S = 1_000
_AT_MOST_REAL_S = 60


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a session takes place: in one process whose time leaps, or on replicas of a Redis.

    `second_s` is how long a second takes.
    """

    redis: RedisServer | None = None
    replicas: int = 1
    second_s: float = 1.0

    @property
    def leaps(self) -> bool:
        """Tell whether time leaps."""
        return self.redis is None

    @property
    def settings(self) -> dict[str, Any]:
        """Settings under which something happens soon."""
        second = self.second_s
        return {
            "heartbeat_s": 7 * second,
            "idle_timeout_s": _IDLE_S * second,
            "first_chunk_timeout_s": _IDLE_S * second,
            "turn_timeout_s": 400 * second,
            "commit_wait_s": 2 * second,
            "disconnect_grace_s": GRACE_S * second,
            "retry_ms": round(1_000 * second),
            "streams": {"rotate_s": 30 * second, "per_turn_limit": 4},
            "redis": {"lease_s": 2.0, "timeout_s": 0.3, "patience_s": 0.05},
        }


@dataclass(slots=True, eq=False)
class Turn:
    """A question, and what stands between the upstream and its answer.

    `disturbed` tells that it may end otherwise than its play, and `silent_s` for how long its
    upstream has said nothing.
    """

    question: str
    play: Play
    gates: Sequence[anyio.Event]
    cancels: bool
    readers: list[Reader] = field(default_factory=list)
    stops: list[dict[str, Any]] = field(default_factory=list)
    disturbed: bool = False
    silent_s: int = 0

    @property
    def request_id(self) -> str:
        """Its id, once somebody knows it."""
        return self.readers[0].request_id

    @property
    def conversation_id(self) -> str:
        """The conversation that it began."""
        return self.readers[0].visits[0].headers["x-conversation-id"]

    @property
    def headers(self) -> dict[str, str]:
        """What its request is sent with: the key that makes it one."""
        return {"Idempotency-Key": self.question.replace(" ", "-")}

    @property
    def fields(self) -> dict[str, str]:
        """What its request says."""
        return {"on_disconnect": "cancel"} if self.cancels else {}


class Session:
    """See the module. `busy` are readers with the task that reads; `gone` do not come back."""

    def __init__(self, stage: Stage) -> None:
        if stage.redis is not None:
            # The turns of another session have the same keys.
            stage.redis.flush()
        self.stage = stage
        self.turns: list[Turn] = []
        self.busy: dict[Reader, asyncio.Task[None]] = {}
        self.gone: set[Reader] = set()
        self._runner = asyncio.Runner(loop_factory=LeapingLoop if stage.leaps else None)
        self._over: asyncio.Event | None = None
        self._holding: asyncio.Task[None] | None = None
        self.world: World = self.run(self._opened())

    def run[Result](self, step: Awaitable[Result]) -> Result:
        """Do something, and let everybody notice."""

        async def done() -> Result:
            result = await step
            for _ in range(10):
                await asyncio.sleep(0 if self.stage.leaps else 0.001)
            return result

        return self._runner.run(done())

    async def _opened(self) -> World:
        """Open a world, which a task of its own holds."""
        opened: asyncio.Future[World] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._holding = asyncio.create_task(self._hold(opened, self._over), name="world")
        return await opened

    async def _hold(self, opened: asyncio.Future[World], over: asyncio.Event) -> None:
        stage = self.stage
        url = stage.redis.url if stage.redis else None
        async with world(stage.replicas, redis_url=url, **stage.settings) as here:
            opened.set_result(here)
            await over.wait()

    @property
    def known(self) -> list[Turn]:
        """The turns whose ids are known."""
        return [each for each in self.turns if each.request_id]

    @property
    def away(self) -> list[Reader]:
        """Readers who may come back."""
        readers = [reader for turn in self.known for reader in turn.readers]
        stay = (*self.busy, *self.gone)
        knows = [each for each in readers if each.request_id and not each.refused]
        return [each for each in knows if each not in stay]

    def ask(self, play: Play, *, together: int, cancels: bool, ahead: int) -> None:
        """Begin a turn; of its payloads so many come at once."""
        gates = [anyio.Event() for _ in range(len(play.payloads) + 1)]
        for gate in gates[:ahead]:
            gate.set()
        question = self.world.upstream.says(script_of(play, gates, together=together))
        turn = Turn(question, play, gates, cancels, disturbed=cancels)
        self.turns.append(turn)
        self.ask_again(turn, len(self.turns))

    def ask_again(self, turn: Turn, replica: int) -> None:
        """Send the question of a turn, and read its answer."""
        reader = self.world.reader(replica)
        turn.readers.append(reader)

        async def ask_and_follow() -> None:
            await reader.ask(turn.question, turn.headers, **turn.fields)
            await reader.follow()

        self.goes_on(reader, ask_and_follow())

    def goes_on(self, reader: Reader, reading: Coroutine[Any, Any, None]) -> None:
        """Let somebody read beside everything else."""

        async def start() -> None:
            self.busy[reader] = asyncio.create_task(reading, name="reader")

        self.run(start())

    def open_gates(self, turn: Turn, count: int) -> None:
        """Let the upstream of a turn go on."""

        async def open_some() -> None:
            for gate in [each for each in turn.gates if not each.is_set()][:count]:
                gate.set()

        turn.silent_s = 0
        self.run(open_some())

    def drop(self, reader: Reader) -> None:
        """Let somebody lose the connection."""

        async def drops() -> None:
            task = self.busy.pop(reader)
            if task.done():
                task.result()
            task.cancel()
            await asyncio.wait((task,))
            await reader.drop()

        self.run(drops())

    def come_back(self, reader: Reader, *, size: int | None, narrow: bool) -> None:
        """Let somebody resume, for good or for so many bytes."""

        async def comes_back() -> None:
            await reader.resume(narrow=narrow)
            if size is None:
                await reader.follow(pause_s=self.stage.second_s if narrow else 0)
            else:
                await reader.read(size=size)
                await reader.drop()

        self.goes_on(reader, comes_back())

    def open_tab(self, turn: Turn, replica: int, after: int) -> None:
        """Let somebody else read a turn, after an event that somebody has seen."""
        after = min(after, max(len(each.numbered) for each in turn.readers))
        reader = self.world.reader(replica, of=turn.readers[0], after=str(after) if after else "")
        turn.readers.append(reader)
        self.goes_on(reader, reader.follow())

    def stop(self, turn: Turn, replica: int) -> None:
        """Interrupt a turn."""
        turn.disturbed = True
        turn.stops.append(self.run(self.world.reader(replica, of=turn.readers[0]).interrupt()))

    def pass_time(self, seconds: int) -> None:
        """Let time pass; a turn that is to be cancelled and that nobody reads ends then."""
        for turn in self.turns:
            turn.silent_s += seconds
            turn.disturbed |= turn.silent_s > _IDLE_S / 2
        unread = [each for each in self.turns if self._is_unread(each)]
        self.run(asyncio.sleep(seconds * self.stage.second_s))
        if seconds > GRACE_S and self.stage.leaps:
            assert not any(self._runs(each) for each in unread), "nobody reads it"

    def pause_redis(self, time_s: float) -> None:
        """Let Redis answer nobody for some time."""
        assert self.stage.redis is not None
        with self.stage.redis.paused():
            self.run(asyncio.sleep(time_s))

    def _runs(self, turn: Turn) -> bool:
        return any(turn.request_id in each.services.live for each in self.world.replicas)

    def _is_unread(self, turn: Turn) -> bool:
        return turn.cancels and self._runs(turn) and not any(r in self.busy for r in turn.readers)

    def end(self) -> None:
        """Let everything come to its end, and hold all that was said against the laws."""
        try:
            at_most_s = _AT_MOST_S if self.stage.leaps else _AT_MOST_REAL_S
            self.run(asyncio.wait_for(self._ended(), at_most_s))
        finally:
            self._runner.close()

    async def _ended(self) -> None:
        for turn in self.turns:
            for gate in turn.gates:
                gate.set()
        await asyncio.gather(*self.busy.values())
        for turn in self.known:
            await self._judge(turn)
        assert self._over is not None
        assert self._holding is not None
        self._over.set()
        await self._holding

    async def _judge(self, turn: Turn) -> None:
        first = turn.readers[0]
        whole = [await self.world.undisturbed(first, each) for each in range(self.stage.replicas)]
        for each in whole:
            assert_whole(each, like=whole[0])
        for each in turn.readers:
            if not each.refused:
                assert_laws(each, like=whole[0])
        if turn.stops and not turn.cancels:
            assert_so_it_ended(whole[0], *turn.stops)
        # Where time is real, the upstream may have been silent for too long just so.
        if self.stage.leaps and not turn.disturbed and turn.play.close is not Close.NEVER:
            assert [each.name for each in whole[0].numbered] == names_of(turn.play)


def names_of(play: Play) -> list[str]:
    """Return the events that a play gives when nothing happens to it."""
    stream = new_stream(DECODERS[play.dialect]())
    said = stream.begin(TurnStarted())
    for payload in play.payloads:
        said += stream.feed_payload(payload)
    said += stream.finish(reset=play.close is Close.RESET)
    return [Event("", each.payload).name for each in said]
