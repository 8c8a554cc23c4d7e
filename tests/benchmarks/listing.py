"""How long it takes to list and open conversations, when there are many of them.

One user has 10,000 conversations of 50 turns each. They are put into the tables directly; what is
measured are the stores of the service, one question after another. The PostgreSQL is a private one
with 32 MB of shared buffers, on the same machine; it is told once what its tables hold
(`ANALYZE`), which a server otherwise does by itself.
"""

import argparse
import asyncio
import json
import random
import sqlite3
import statistics
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import uvloop

from service.storage.database.conversations import (
    SqlConversations,
    latest_turns,
    newest_conversations,
)
from service.storage.database.cursors import Place
from service.storage.database.engine import SqlDatabase
from tests.support.databases import running_database
from tests.support.explained import explained
from tests.support.postgres_server import running_postgres

CONVERSATIONS = 10_000
TURNS = 50
QUICK = 10
REPETITIONS = 200
LIMIT_MS = 50.0
USER = "somebody"
PAGE, LARGE_PAGE = 20, 100
INDICES = (
    "ix_conversations_user_last_ms_conversation_id",
    "ix_conversations_last_ms_conversation_id",
    "ix_turns_conversation_id_began_ms_request_id",
)
CONVERSATION = ("conversation_id", "user", "title", "titled_by", "model", "version")
CONVERSATION += ("message_count", "created_ms", "last_ms")
TURN = ("request_id", "conversation_id", "user", "key", "process", "touched_ms", "question")
TURN += ("attachments", "redactions", "model", "outcome", "finish_reason", "truncated", "answer")
TURN += ("told", "tool_calls", "tool_results", "shields", "referenced_documents", "rag_chunks")
TURN += ("input_tokens", "output_tokens", "usage", "began_ms", "ended_ms")

type Use = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Bench:
    """A database that is full; `load` fills it."""

    name: str
    url: str
    load: Callable[["Rows"], Awaitable[None]]


class Rows:
    """What is put into the tables: always the same."""

    def __init__(self, conversations: int) -> None:
        self.ids = [str(uuid.UUID(int=number * 7_919 + 1)) for number in range(conversations)]
        self._chance = random.Random(1)

    def conversations(self) -> Iterator[tuple[Any, ...]]:
        """Yield the conversations, the oldest first."""
        for number, name in enumerate(self.ids):
            last_ms = (number + 1) * TURNS * 1_000
            title = f"What is the matter with pod {number}?"
            yield (name, USER, title, "question", MODEL, TURNS, TURNS, last_ms - 50_000, last_ms)

    def turns(self) -> Iterator[tuple[Any, ...]]:
        """Yield the turns of all conversations."""
        words = self._chance.choices(["pod", "node", "taint", "drain", "cluster", "image"], k=400)
        for number, name in enumerate(self.ids):
            for turn in range(TURNS):
                at_ms = (number * TURNS + turn) * 1_000
                begin = self._chance.randrange(200)
                answer = " ".join(words[begin : begin + 120])
                listed = (TOOL_CALLS, TOOL_RESULTS) if turn % 5 == 0 else ("[]", "[]")
                request_id = str(uuid.UUID(int=self._chance.getrandbits(128)))
                asked = (request_id, name, USER, request_id, "p", at_ms, "What is it?", "[]", 0)
                said = (MODEL, "end", "stop", False, answer, True, *listed, "[]", "[]", "[]")
                yield (*asked, *said, 900, 150, "exact", at_ms, at_ms + 900)


MODEL = json.dumps({"model_id": "m", "provider": "vllm", "name": "granite", "generates": True})
TOOL_CALLS = json.dumps([{"id": "c", "name": "get_pods", "arguments": {"namespace": "default"}}])
TOOL_RESULTS = json.dumps([{"id": "c", "status": "ok", "content": "web-1 Running " * 20}])


def _into_file(path: Path, rows: Rows) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, columns, values in _tables(rows):
            names, marks = ", ".join(f'"{each}"' for each in columns), ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)  # noqa: S608 # ours


async def _into_server(url: str, rows: Rows) -> None:
    connection = await asyncpg.connect(url)
    try:
        for table, columns, values in _tables(rows):
            await connection.copy_records_to_table(table, records=values, columns=columns)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


def _tables(rows: Rows) -> Iterator[tuple[str, tuple[str, ...], Iterator[tuple[Any, ...]]]]:
    yield "conversations", CONVERSATION, rows.conversations()
    yield "turns", TURN, rows.turns()


@contextmanager
def benches() -> Iterator[list[Bench]]:
    """Run what the databases need, until the context is left."""
    with TemporaryDirectory(prefix="turnstile-listing-") as directory, running_postgres() as server:
        path = Path(directory) / "turnstile.db"
        url = server.url(server.create())

        async def fill_file(rows: Rows) -> None:
            _into_file(path, rows)

        async def fill_server(rows: Rows) -> None:
            await _into_server(url, rows)

        yield [
            Bench("SQLite", f"sqlite:///{path}", fill_file),
            Bench("PostgreSQL", url, fill_server),
        ]


async def uses_of(store: SqlConversations, rows: Rows) -> dict[str, Use]:
    """Return what is measured; a deep page is one after nine tenths of the list."""
    chance, cursor = random.Random(2), None
    for _ in range(len(rows.ids) * 9 // 10 // LARGE_PAGE):
        cursor = (await store.page(USER, LARGE_PAGE, cursor)).following
    name = rows.ids[len(rows.ids) // 2]
    earlier = (await store.read(name, USER, PAGE, None)).earlier
    return {
        f"list, first {PAGE}": lambda: store.page(USER, PAGE, None),
        f"list, first {LARGE_PAGE}": lambda: store.page(USER, LARGE_PAGE, None),
        f"list, a deep page of {PAGE}": lambda: store.page(USER, PAGE, cursor),
        f"list of everybody, first {PAGE}": lambda: store.page(None, PAGE, None),
        f"open any, last {PAGE} turns": lambda: store.read(
            chance.choice(rows.ids), USER, PAGE, None
        ),
        f"open any, all {TURNS} turns": lambda: store.read(
            chance.choice(rows.ids), USER, TURNS, None
        ),
        f"open, {PAGE} turns before": lambda: store.read(name, USER, PAGE, earlier),
    }


async def timed(use: Use) -> tuple[float, float]:
    """Return the median and the 95th percentile of many times, in ms."""
    taken = []
    for _ in range(REPETITIONS):
        begun = time.perf_counter()
        await use()
        taken.append((time.perf_counter() - begun) * 1_000)
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


async def indexed(database: SqlDatabase, rows: Rows) -> bool:
    """Print whether every question is answered from its index, in order; tell whether so."""
    place = Place(1_000_000, rows.ids[0])
    questions = (
        newest_conversations(USER, PAGE, place),
        newest_conversations(None, PAGE, place),
        latest_turns(rows.ids[0], PAGE, place),
    )
    plans = [(await explained(database, each)).lower() for each in questions]
    used = [index in plan for index, plan in zip(INDICES, plans, strict=True)]
    sorts = any("sort" in plan or "temp b-tree" in plan for plan in plans)
    print(f"  indices used: {sum(used)} of {len(used)}; sorts: {'some' if sorts else 'none'}")
    return all(used) and not sorts


async def measure(bench: Bench, conversations: int) -> bool:
    """Print what one database takes; tell whether it is within the limit."""
    rows = Rows(conversations)
    async with running_database(bench.url) as database:
        begun = time.perf_counter()
        await bench.load(rows)
        taken_s = time.perf_counter() - begun
        print(f"{bench.name}: {conversations * TURNS:,} turns put there in {taken_s:.0f} s")
        fits = await indexed(database, rows)
        for name, use in (await uses_of(SqlConversations(database), rows)).items():
            median, late = await timed(use)
            fits = fits and late < LIMIT_MS
            sign = "ok" if late < LIMIT_MS else "over the limit"
            print(f"  {name:34} p50 {median:6.2f} ms  p95 {late:6.2f} ms  {sign}")
    return fits


def main() -> None:
    """Measure both databases; the exit status is 1 when one is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the conversations")
    conversations = CONVERSATIONS // (QUICK if parser.parse_args().quick else 1)
    fits = True
    with benches() as all_of_them, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for each in all_of_them:
            fits = runner.run(measure(each, conversations)) and fits
    sys.exit(not fits)


if __name__ == "__main__":
    main()
