"""What identity and storage add to the time to the first byte, and what the end of a turn costs.

Before its first byte a question waits until it is known who asks, whose conversation it is, and
until its turn is kept, with all limits looked at. Times are ms of warm turns, one after another, in
one process; the state of PostgreSQL is that of a disk that loses nothing. A history is read where
the upstream has lost the conversation, and then after it has said so: that is shown, not held.
"""

import statistics
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from service.access.authenticators.api_keys import KEY_PREFIX, hash_of
from service.domain import Action, Leavings, Thread, TurnRecord
from service.settings import Settings
from service.turns.services import Services
from service.wiring import open_services
from tests.support.postgres_server import running_postgres

TURNS = 200
HISTORY_TURNS = 50
KEYS = 20
LIMIT_MS = 3.0
LOST = "the same, lost upstream"
KEY = f"{KEY_PREFIX}0"
THREAD = Thread("responses", ("resp_1",))
ANSWER = "A pod is the smallest unit that Kubernetes schedules. " * 10

type Times = dict[str, list[float]]


@contextmanager
def addresses() -> Iterator[dict[str, str]]:
    """Yield where an empty database of each kind is."""
    with TemporaryDirectory(prefix="turnstile-storage-") as directory, running_postgres() as server:
        yield {
            "sqlite": f"sqlite:///{Path(directory) / 'turnstile.db'}",
            "postgresql": server.url(server.create()),
        }


def settings(address: str) -> Settings:
    """Return settings in which everything has to be looked at: keys, quotas, a rate."""
    hashes = [hash_of(f"{KEY_PREFIX}{number}") for number in range(KEYS)]
    chosen: dict[str, Any] = {
        "database": {"url": address},
        "authentication": {"by": "api_keys"},
        "api_keys": [{"name": f"user-{at}", "hash": each} for at, each in enumerate(hashes)],
        "token_quotas": [
            {"name": "own", "initial_tokens": 10**12},
            {"name": "all", "scope": "cluster", "initial_tokens": 10**12},
        ],
        "turns_per_minute_limit": 10**6,
    }
    return Settings(**chosen)


class Stopwatch:
    """Takes the times of steps."""

    def __init__(self) -> None:
        self.times: Times = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Take the time of a step."""
        begun = time.perf_counter()
        yield
        self.times.setdefault(name, []).append((time.perf_counter() - begun) * 1_000)


async def ask(
    services: Services, watch: Stopwatch, conversation_id: str | None, *, is_lost: bool = False
) -> str:
    """Run a turn through everything that it waits for; returns its conversation."""
    with watch.step("admit"):
        principal = await services.gate.admit(KEY, Action.STREAMING_QUERY)
    opens, conversation_id = conversation_id is None, conversation_id or str(uuid.uuid4())
    version = 0
    if not opens:
        with watch.step("check"):
            await services.turns.check(conversation_id, principal.user)
        with watch.step("find"):
            found = await services.turns.find(conversation_id, principal.user)
            version = found.version
    request_id = str(uuid.uuid4())
    turn = TurnRecord(
        request_id, conversation_id, principal.user, request_id, "What is a pod?", time.time()
    )
    with watch.step("begin"):
        await services.turns.begin(turn, opens=opens, tokens=4)
    if is_lost:
        with watch.step("history"):
            await services.turns.history(conversation_id)
    ended = replace(
        turn, outcome="end", answer=ANSWER, told=True, output_tokens=140, ended_at=time.time()
    )
    with watch.step("end"):
        kept = await services.turns.end(ended, Leavings(THREAD, version))
    if kept is None:
        raise RuntimeError(request_id)
    return conversation_id


async def measured(address: str) -> dict[str, Times]:
    """Return the times of first and of later turns."""
    services = open_services(settings(address))
    first, later, lost = Stopwatch(), Stopwatch(), Stopwatch()
    async with services.database.running():
        for _ in range(10):
            await ask(services, Stopwatch(), None)
        for _ in range(TURNS):
            await ask(services, first, None)
        conversation_id = await ask(services, Stopwatch(), None)
        for _ in range(HISTORY_TURNS):
            await ask(services, Stopwatch(), conversation_id)
        for _ in range(TURNS):
            await ask(services, later, conversation_id)
            await ask(services, lost, conversation_id, is_lost=True)
    return {
        "first turn": first.times,
        f"turn after {HISTORY_TURNS} and more": later.times,
        LOST: lost.times,
    }


def report(kind: str, story: str, times: Times) -> bool:
    """Print what a turn waited for; tell whether that is within the limit."""
    before = [
        sum(each)
        for each in zip(*(each for name, each in times.items() if name != "end"), strict=True)
    ]
    steps = "  ".join(f"{name} {statistics.median(each):.2f}" for name, each in times.items())
    median, worst = statistics.median(before), statistics.quantiles(before, n=20)[-1]
    within = median <= LIMIT_MS or story == LOST
    sign = "" if story == LOST else "ok" if within else "over the limit"
    print(f"{kind:10} {story:23} before the first byte {median:5.2f} (p95 {worst:5.2f})  {sign}")
    print(f"{'':34} {steps}")
    return within


def measure(kind: str, address: str) -> bool:
    """Measure one database on the loop of the service; tell whether it is within the limit."""
    told = anyio.run(measured, address, backend_options={"use_uvloop": True})
    within = [report(kind, story, times) for story, times in told.items()]
    return all(within)


def main() -> None:
    """Measure both databases; the exit status is 1 when SQLite is over its limit."""
    with addresses() as found:
        within = {kind: measure(kind, address) for kind, address in found.items()}
    sys.exit(not within["sqlite"])


if __name__ == "__main__":
    main()
