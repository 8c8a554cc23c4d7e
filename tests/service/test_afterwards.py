"""What is done when a turn has ended: one thing after the other, and nothing of it is lost."""

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from service.domain import TurnRecord
from service.turns.afterwards import Afterwards
from tests.support.applications import application
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says

HELLO = Script(answer("Hel", "lo"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))


def record(name):
    """Return a turn that has ended."""
    return TurnRecord(name, "c", "alice", name, "Hi", 1.0, outcome="end")


class Written:
    """Takes transcripts when it may, and fails at some; see `Transcripts`."""

    def __init__(self, *fails):
        self.fails = fails
        self.names = []
        self.free = anyio.Event()

    async def write(self, turn):
        await self.free.wait()
        if turn.request_id in self.fails:
            raise ZeroDivisionError
        self.names.append(turn.request_id)


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_every_turn_that_the_end_of_a_process_cuts_is_exported(tmp_path, count):
    async with application(ENDLESS, transcripts={"directory": tmp_path}) as app:
        for _ in range(count):
            async with app.turn() as turn:
                await turn.part()
                turn.disconnect()

    assert len(list(tmp_path.rglob("*.json"))) == count


async def test_the_last_turn_before_a_process_ends_is_exported(tmp_path):
    async with application(HELLO, transcripts={"directory": tmp_path}) as app:
        turn = await app.ended()

    (written,) = tmp_path.rglob("*.json")
    assert written.stem == turn.headers["x-request-id"]


async def test_what_fails_at_one_turn_is_done_for_the_others(log):
    written = Written("r1")
    afterwards = Afterwards(written, None)
    for name in ("r1", "r2"):
        afterwards.export(record(name))
    written.free.set()
    await afterwards.last()

    assert written.names == ["r2"]
    (line,) = [each for each in log if each["event"] == "afterwards.crashed"]
    assert line["what"] == "transcript"


async def test_turns_are_exported_in_their_order():
    written = Written()
    afterwards = Afterwards(written, None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(afterwards.run)
        for name in ("r1", "r2", "r3"):
            afterwards.export(record(name))
            await wait_all_tasks_blocked()
        written.free.set()
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert written.names == ["r1", "r2", "r3"]


async def test_what_was_begun_when_that_ends_is_done_again():
    written = Written()
    afterwards = Afterwards(written, None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(afterwards.run)
        afterwards.export(record("r1"))
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    written.free.set()
    await afterwards.last()

    assert written.names == ["r1"]


async def test_of_too_many_the_oldest_are_left(log):
    written = Written()
    afterwards = Afterwards(written, None)
    for number in range(1_002):
        afterwards.export(record(f"r{number}"))
    written.free.set()
    await afterwards.last()

    assert len(written.names) == 1_000
    assert written.names[0] == "r2"
    assert [each["event"] for each in log].count("afterwards.left") == 2
