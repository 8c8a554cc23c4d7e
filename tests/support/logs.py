"""Emission logs under test: what is said in them, and processes that share one in Redis.

A process here is whatever Redis takes for one: it has a name and a lease of its own. It reaches
Redis through a cable, which a test can pull out: then it is dead, as far as the others can tell.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace

import anyio
from anyio.abc import SocketAttribute, SocketStream

from service.domain import Estate, TurnIds
from service.ports import EmissionLog, LogReader, Orphan
from service.storage.memory_log import MemoryLog
from service.storage.redis.connection import open_redis
from service.storage.redis.keys import Keys
from service.storage.redis.log import RedisLog
from service.storage.redis.process import Process, Times
from service.storage.turn_buffer import Bounds, TurnBuffers
from statemachine import Emission, Interrupted, Interrupter, Output, Token, inherit
from statemachine.downstream.native import payload
from statemachine.emissions import Seal
from tests.support.asgi import beside
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
WAIT_S = 10.0
"""How long anything may take before a test fails."""

WIDE = Bounds(running_turns=1_000, turn_bytes=1_000_000, total_bytes=10_000_000, ttl_s=KEEP_S)

_LOST = (OSError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


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


async def until(is_so: Callable[[], object]) -> None:
    """Wait until something is so that nothing tells of."""
    with anyio.fail_after(WAIT_S):
        while not is_so():  # noqa: ASYNC110 # see above
            await anyio.sleep(0.002)


@dataclass(slots=True, eq=False)
class _Wire:
    """One connection: both its ends, and what has been asked that is not answered yet."""

    near: SocketStream
    far: SocketStream
    asked: bytearray | None = None


class Cable:
    """Passes on what a process and Redis say to each other, until it is pulled out or held."""

    def __init__(self, server: RedisServer) -> None:
        self.port = 0
        self.sent: list[bytearray] = []
        """What the process has sent, one piece for each round trip."""
        self._server = server
        self._open: set[SocketStream] = set()
        self._pulled = False
        self._hold_at: bytes | None = None
        self._caught, self._forth_free, self._back_free = (anyio.Event() for _ in range(3))
        self._free()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open) // 2

    def trips(self, word: bytes) -> list[bytearray]:
        """Return the round trips in which a word was said, since this was asked last."""
        sent, self.sent[:] = list(self.sent), []
        return [each for each in sent if word in each]

    async def pull(self) -> None:
        """End all connections, and take no new ones."""
        self._pulled = True
        for each in list(self._open):
            await anyio.aclose_forcefully(each)

    def plug(self) -> None:
        """Be there again."""
        self._pulled = False

    @contextmanager
    def held(self, at: bytes = b"", *, answers_only: bool = False) -> Iterator[anyio.Event]:
        """Pass nothing on until the context is left; nothing is lost either.

        That begins when something is said with `at` in it, and the event tells that it has.
        """
        self._caught = anyio.Event()
        if answers_only:
            self._back_free = anyio.Event()
        else:
            self._hold_at = at
        try:
            yield self._caught
        finally:
            self._free()

    def _free(self) -> None:
        self._hold_at = None
        self._forth_free.set()
        self._back_free.set()

    async def serve(self, near: SocketStream) -> None:
        """Serve one connection."""
        async with near:
            if self._pulled:
                return
            with suppress(*_LOST):
                async with await anyio.connect_tcp("127.0.0.1", self._server.port) as far:
                    self._open |= {near, far}
                    try:
                        await self._both_ways(_Wire(near, far))
                    finally:
                        self._open -= {near, far}

    async def _both_ways(self, wire: _Wire) -> None:
        async with anyio.create_task_group() as ways:
            ways.start_soon(self._forth, wire)
            await self._back(wire)
            ways.cancel_scope.cancel()

    async def _forth(self, wire: _Wire) -> None:
        with suppress(*_LOST):
            async for data in wire.near:
                if not wire.asked:
                    wire.asked = bytearray()
                    self.sent.append(wire.asked)
                wire.asked += data
                if self._hold_at is not None and self._hold_at in data:
                    self._hold_at = None
                    self._forth_free, self._back_free = anyio.Event(), anyio.Event()
                    self._caught.set()
                await self._forth_free.wait()
                await wire.far.send(data)
        await anyio.aclose_forcefully(wire.far)

    async def _back(self, wire: _Wire) -> None:
        with suppress(*_LOST):
            async for data in wire.far:
                wire.asked = None
                await self._back_free.wait()
                await wire.near.send(data)


@asynccontextmanager
async def cable_to(server: RedisServer) -> AsyncIterator[Cable]:
    """Lay a cable to a server."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    cable, serving = Cable(server), anyio.CancelScope()
    cable.port = listener.extra(SocketAttribute.local_port)  # noqa: S610 # this is no Django

    async def serve() -> None:
        with serving:
            await listener.serve(cable.serve)

    async with listener, beside(serve):
        try:
            yield cable
        finally:
            serving.cancel()


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
    process = Process(redis, Keys("turnstile"), Times(**usual | times))
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


@dataclass(frozen=True, slots=True)
class Pair:
    """The log in which turns are said, and the log in which they are read: perhaps the same."""

    owner: EmissionLog
    reading: EmissionLog

    async def open(self, ids: TurnIds = TURN, estate: Estate = ESTATE) -> Control:
        """Take a new turn."""
        control = Control()
        await self.owner.open(ids, estate, control)
        return control

    async def say(self, *emissions: Emission, ids: TurnIds = TURN) -> None:
        """Append to a turn, until others have it."""
        self.owner.append(ids.request_id, emissions)
        await self.owner.flush(ids.request_id)

    async def write(
        self, count: int, ids: TurnIds = TURN, *, text: str = "x", end: bool = True
    ) -> None:
        """Write a turn of so many tokens and, most often, an end."""
        await self.open(ids)
        for each in tokens(1, count, text):
            await self.say(each, ids=ids)
        if end:
            await self.say(terminal(count + 1), ids=ids)

    async def reader(self, after: int = 0, ids: TurnIds = TURN) -> LogReader:
        """Return a reader."""
        return await self.reading.reader(ids.request_id, after)

    async def found(self, after: int = 0, ids: TurnIds = TURN) -> tuple[list[int], int]:
        """Return the numbers that a new reader finds at once, and the first that is kept."""
        reader = await self.reader(after, ids)
        page = await reader.read(0.001)
        reader.close()
        return numbers(page.emissions), page.earliest


@asynccontextmanager
async def in_memory(bounds: Bounds, clock: Clock) -> AsyncIterator[Pair]:
    """Say and read in the memory of one process."""
    log = MemoryLog(bounds, clock)
    async with running(log):
        yield Pair(log, log)


@asynccontextmanager
async def in_redis(
    server: RedisServer, bounds: Bounds, clock: Clock, *, elsewhere: bool
) -> AsyncIterator[Pair]:
    """Say in one process, and read in it or `elsewhere`."""
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(member(server, bounds, clock))
        reading = owner
        if elsewhere:
            reading = await stack.enter_async_context(member(server, bounds, clock))
        yield Pair(owner.log, reading.log)
