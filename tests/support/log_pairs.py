"""One log in which turns are said and one in which they are read: every way that there is."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass

import pytest

from service.domain import Estate, TurnIds
from service.ports import EmissionLog, LogReader
from service.storage.memory_log import MemoryLog
from service.storage.turn_buffer import Bounds
from statemachine import Emission
from tests.support.clock import Clock
from tests.support.logs import (
    ESTATE,
    TURN,
    WIDE,
    Control,
    member,
    numbers,
    running,
    terminal,
    tokens,
)
from tests.support.redis_server import RedisServer

MEMORY, OWNER, ELSEWHERE = "memory", "redis, its owner", "redis, elsewhere"
"""Where a turn is said and read."""


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


type Logs = Callable[..., AbstractAsyncContextManager[Pair]]


@pytest.fixture(params=[MEMORY, OWNER, ELSEWHERE])
def log_kind(request: pytest.FixtureRequest) -> str:
    """Every way in which a turn is said and read."""
    kind: str = request.param
    return kind


@pytest.fixture
def log_clock(log_kind: str, request: pytest.FixtureRequest) -> Clock:
    """The time of that log."""
    return Clock(None if log_kind == MEMORY else request.getfixturevalue("redis_server"))


@pytest.fixture
def logs(log_kind: str, log_clock: Clock, request: pytest.FixtureRequest) -> Logs:
    """What runs that log, with other bounds than wide ones."""

    def run(**bounds: float) -> AbstractAsyncContextManager[Pair]:
        wanted = Bounds(**asdict(WIDE) | bounds)
        if log_kind == MEMORY:
            return in_memory(wanted, log_clock)
        server = request.getfixturevalue("redis_server")
        return in_redis(server, wanted, log_clock, elsewhere=log_kind == ELSEWHERE)

    return run
