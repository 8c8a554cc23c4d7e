"""Emission logs under test: what is said in them, and processes that share one in Redis.

A process here is whatever Redis takes for one: it has a name and a lease of its own. It reaches
Redis through a cable, which a test can pull out: then it is dead, as far as the others can tell.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio

from service.domain import Estate, TurnIds
from service.errors import LogUnavailable
from service.ports import EmissionLog, LogReader, Orphan
from service.storage.redis.connection import open_redis
from service.storage.redis.keys import Keys
from service.storage.redis.log import RedisLog
from service.storage.redis.process import Process, Times
from service.storage.turn_buffer import Bounds, TurnBuffers
from statemachine import Emission, Interrupted, Interrupter, Output, Token, inherit
from statemachine.downstream.native import payload
from statemachine.emissions import Seal
from tests.support.asgi import beside
from tests.support.cables import Cable, cable_to
from tests.support.clock import Clock
from tests.support.redis_server import RedisServer

TURN = TurnIds("turn", "conversation")
OTHER = TurnIds("other", "conversation")
ESTATE = Estate("turn", "What is a pod?")
CANCELS = replace(ESTATE, cancels=True)

LEASE_S = 0.6
PATIENCE_S = 0.1
TIMEOUT_S = 0.4
RUN_S = 1_000.0
KEEP_S = 100.0
KEYS = Keys("turnstile")

WAIT_S = 10.0
"""How long anything may take before a test fails."""

WIDE = Bounds(running_turns=1_000, turn_bytes=1_000_000, total_bytes=10_000_000, ttl_s=KEEP_S)


@dataclass(slots=True)
class Control:
    """Drives no turn, but notes what it is told."""

    stopped: list[Interrupter] = field(default_factory=list)
    attended: int = 0
    lost: bool = False
    told: anyio.Event = field(default_factory=anyio.Event)

    def stop(self, by: Interrupter) -> None:
        """See `TurnControl.stop`."""
        self.stopped.append(by)
        self.told.set()

    def attend(self) -> None:
        """See `TurnControl.attend`."""
        self.attended += 1
        self.told.set()

    def lose(self) -> None:
        """See `TurnControl.lose`."""
        self.lost = True
        self.told.set()


def emission(number: int, output: Output, seal: Seal | None = None) -> Emission:
    """Return an emission with its own payload."""
    return Emission(number, output, payload(number, output, seal), seal=seal)


def token(number: int, text: str = "x") -> Emission:
    """Return a token."""
    return emission(number, Token(text))


def tokens(first: int, last: int, text: str = "x") -> tuple[Emission, ...]:
    """Return tokens, from the first number to the last."""
    return tuple(token(number, text) for number in range(first, last + 1))


def terminal(number: int, digest: str = "digest") -> Emission:
    """Return a terminal emission."""
    return emission(number, Interrupted("turn", Interrupter.USER), Seal(number, digest))


def numbers(emissions: Sequence[Emission]) -> list[int]:
    """Return the numbers of emissions."""
    return [each.number for each in emissions]


async def take(reader: LogReader, count: int) -> list[Emission]:
    """Read until there are so many emissions."""
    taken: list[Emission] = []
    with anyio.fail_after(WAIT_S):
        while len(taken) < count:
            taken += (await reader.read(WAIT_S)).emissions
    return taken


async def take_all(reader: LogReader) -> list[Emission]:
    """Read until the turn has ended."""
    taken: list[Emission] = []
    with anyio.fail_after(WAIT_S):
        while not reader.at_end():
            taken += (await reader.read(WAIT_S)).emissions
    return taken


def entries(server: RedisServer, request_id: str = "turn") -> list[int]:
    """Return the numbers in the stream of a turn; the second part of an id is not used."""
    said = server.ask("XRANGE", KEYS.log(request_id), "-", "+")
    names = [name.decode().split("-") for name, _ in said]
    assert {second for _, second in names} <= {"0"}
    return [int(first) for first, _ in names]


async def comes_back(log: EmissionLog, after: int) -> LogReader:
    """Return a reader, as a client that was sent away comes back."""
    with anyio.fail_after(WAIT_S):
        while True:
            try:
                return await log.reader("turn", after)
            except LogUnavailable:
                await anyio.sleep(0.01)


async def until(is_so: Callable[[], object]) -> None:
    """Wait until something is so that nothing tells of."""
    with anyio.fail_after(WAIT_S):
        while not is_so():  # noqa: ASYNC110 # see above
            await anyio.sleep(0.002)


@dataclass(frozen=True, slots=True)
class Member:
    """A process among others, and how it reaches Redis."""

    log: RedisLog
    process: Process
    cable: Cable

    @property
    def name(self) -> str:
        """What it is called in Redis."""
        return self.process.name

    async def drives(
        self, count: int, ids: TurnIds = TURN, estate: Estate = ESTATE, text: str = "x"
    ) -> Control:
        """Open a turn and say so many tokens, which Redis has then."""
        control = Control()
        await self.log.open(ids, estate, control)
        self.log.append(ids.request_id, tokens(1, count, text))
        assert await self.log.flush(ids.request_id)
        return control

    async def inherits(self) -> Orphan:
        """Wait for an orphan and end it as the service does."""
        with anyio.fail_after(WAIT_S):
            orphan = await self.log.orphan()
        ids = orphan.ids
        inheritance = inherit(
            orphan.emissions,
            conversation_id=ids.conversation_id,
            request_id=ids.request_id,
            digest=orphan.digest,
        )
        self.log.append(ids.request_id, inheritance.emissions)
        await self.log.flush(ids.request_id)
        return orphan


def redis_log(
    port: int, bounds: Bounds = WIDE, clock: Clock | None = None, **times: float
) -> tuple[RedisLog, Process]:
    """Return the log of one more process; all times are short unless they are given."""
    usual = {"lease_s": LEASE_S, "patience_s": PATIENCE_S, "run_s": RUN_S, "keep_s": KEEP_S}
    url = f"redis://127.0.0.1:{port}/0"
    redis = open_redis(url, timeout_s=TIMEOUT_S, connections_limit=10)
    process = Process(redis, KEYS, Times(**usual | times))
    return RedisLog(process, TurnBuffers(bounds, clock or time.monotonic)), process


@asynccontextmanager
async def member(
    server: RedisServer, bounds: Bounds = WIDE, clock: Clock | None = None, **times: float
) -> AsyncIterator[Member]:
    """Run one more process; in the end it has left nothing open."""
    async with cable_to(server) as cable:
        log, process = redis_log(cable.port, bounds, clock, **times)
        async with running(log):
            yield Member(log, process, cable)
        await until(lambda: not cable.connections)


@asynccontextmanager
async def running(log: EmissionLog) -> AsyncIterator[None]:
    """Hold what a log needs; a failure of the test is not wrapped."""
    ready, done = anyio.Event(), anyio.Event()

    async def run() -> None:
        async with log.running():
            ready.set()
            await done.wait()

    async with beside(run):
        await ready.wait()
        try:
            yield
        finally:
            done.set()
