"""What may not be left behind when all is over, in this process and in others."""

import asyncio
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from service.turns.services import Services
from tests.support.redis_server import RedisServer

_POLL_S = 0.05
_NO_CONNECTION = frozenset({"06", "0A"})
"""States in /proc/net/tcp: one that is over for both sides, and a listener."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What this process has open: its tasks by name, and its descriptors."""

    tasks: Counter[str]
    descriptors: frozenset[str]

    @classmethod
    def now(cls) -> "Traces":
        """Look."""
        return cls(
            Counter(_kind(each) for each in asyncio.all_tasks()), descriptors_of(os.getpid())
        )


async def assert_no_traces(before: Traces) -> None:
    """Nothing is open now that was not before."""
    now = Traces.now()
    for _ in range(20):
        if now.tasks <= before.tasks and now.descriptors <= before.descriptors:
            return
        # What was closed a moment ago leaves with the next turns of the loop.
        await asyncio.sleep(_POLL_S)
        now = Traces.now()
    left = sorted((now.tasks - before.tasks).elements())
    assert not left, left
    assert now.descriptors <= before.descriptors, now.descriptors - before.descriptors


def assert_services_idle(services: Services) -> None:
    """No turn runs, nobody reads, nobody waits, and the log holds no more than it says."""
    assert services.live.turns == ()
    assert services.readers.open == 0
    assert not services.readers._of_turns
    assert not services.readers._of_users
    turns = services.log._turns  # type: ignore[attr-defined] # as both logs have them
    assert not turns._running
    assert [each.ids for each in turns.kept if each.readers or each.waiters] == []
    assert turns._size_bytes == sum(each.size_bytes for each in turns.kept)


def assert_redis_forgets(server: RedisServer, within_s: float) -> None:
    """Every key expires, and soon nothing is left."""
    assert server.keys_without_expiry() == []
    server.age(within_s)
    assert server.keys() == []


def descriptors_of(pid: int) -> frozenset[str]:
    """Return the files, sockets and pipes that a process has open."""
    found = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            target = str(each.readlink())
            # Event loops keep one in reserve, for when there are no more descriptors.
            if target != os.devnull:
                found.add(f"{each.name} {target}")
    return frozenset(found)


def memory_kib_of(pid: int) -> int:
    """Return how much memory a process uses."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    message = f"process {pid} has no memory"
    raise LookupError(message)


def connections_at(port: int) -> list[str]:
    """Return the states of all connections that clients have at a port of this machine."""
    rows = (each.split() for each in Path("/proc/net/tcp").read_text().splitlines()[1:])
    states = [row[3] for row in rows if row[1].endswith(f":{port:04X}")]
    return [each for each in states if each not in _NO_CONNECTION]


def _kind(task: asyncio.Task[object]) -> str:
    """A task by its first word: requests and turns have ids in their names."""
    return task.get_name().split(" ")[0].rstrip("0123456789")
