"""The loop of a turn, where the application cannot lead it."""

import time
from collections.abc import Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from service.domain import Conversation, Plan, TurnIds
from service.errors import Stopping
from service.settings import Settings
from service.storage.memory_log import MemoryLog
from service.storage.recordings import NoRecorder
from service.storage.turn_buffer import Bounds
from service.turns.drive import Driver
from service.turns.live import LiveTurns
from service.turns.record import Opening, begun
from service.turns.turn import RunningTurn
from service.wiring import services_on
from statemachine import Emission, Interrupted, Interrupter, TurnStream
from tests.support.upstreams import NEVER, Script, ScriptedUpstream, answer, opening_chunk

IDS = TurnIds("request", "conversation", "alice")
BOUNDS = Bounds(10, 1 << 20, 1 << 20, 60.0)


@asynccontextmanager
async def running_turn(script):
    """Yield services and a turn that is ready to be driven."""
    services = services_on(ScriptedUpstream(script), Settings())
    plan = Plan("Hi", Conversation("conversation"))
    prepared = services.upstream.prepare(plan)
    stream = TurnStream(prepared.decoder, conversation_id="conversation", request_id="request")
    record = begun(IDS, plan, "request", Opening(time.time()))
    turn = RunningTurn(IDS, prepared, stream, anyio.current_time(), plan, record)
    async with services.database.running():
        await services.turns.begin(record, opens=True, tokens=0)
        await services.log.open(IDS, turn.estate, turn)
        yield services, turn


def driver_on(log, services):
    """Return a driver that works with another log."""
    beside = (services.afterwards, services.metrics, services.settings)
    return Driver(log, services.settler, NoRecorder(), *beside)


async def test_a_turn_whose_process_is_torn_down_still_ends_in_order():
    """Nobody has stopped the turn: its task was cancelled."""
    async with running_turn(Script((opening_chunk(), NEVER))) as (services, turn):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(services.live._drive, turn)
            await turn.settled.wait()
            tasks.cancel_scope.cancel()

        page = await (await services.log.reader("request", 0)).read(0.001)
        assert page.emissions[-1] == turn.terminal
        assert isinstance(turn.terminal.output, Interrupted)
        assert turn.terminal.output.by == "drain"


async def test_turns_are_only_taken_while_they_can_run():
    async with running_turn(Script()) as (services, turn):
        assert services.live.accepting is False
        with pytest.raises(Stopping):
            services.live.launch(turn)
        async with services.live.running():
            assert services.live.accepting is True


async def test_stopping_twice_is_stopping_once():
    async with running_turn(Script((NEVER,))) as (services, turn):
        async with services.live.running():
            services.live.launch(turn)
            services.live.stop_all()
            services.live.stop_all()

        assert turn.done.is_set()
        assert isinstance(turn.terminal, Emission)


async def test_a_turn_is_settled_and_done_even_if_driving_it_fails():
    async def drive(_):
        raise ZeroDivisionError

    async with running_turn(Script()) as (_, turn):
        live = LiveTurns(drive, 1.0)
        async with live.running():
            live.launch(turn)
            await turn.done.wait()
            accepting = live.accepting

        assert turn.settled.is_set()
        assert accepting
        assert not live._turns


@pytest.mark.parametrize("suspensions", range(12))
async def test_an_interrupt_at_any_moment_loses_and_doubles_nothing(suspensions):
    async with running_turn(Script(answer("Hel", "lo"))) as (services, turn):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(services.live._drive, turn)
            for _ in range(suspensions):
                await anyio.lowlevel.checkpoint()
            turn.stop(Interrupter.USER)

        page = await (await services.log.reader("request", 0)).read(0.001)
        assert [each.number for each in page.emissions] == list(range(1, len(page.emissions) + 1))
        assert [each.terminal for each in page.emissions].count(True) == 1
        assert page.emissions[-1].terminal
        assert page.emissions[-1].seal.count == len(page.emissions)


class LostLog(MemoryLog):
    """A log that tells, at the end of a turn, that another process owns it."""

    def __init__(self) -> None:
        super().__init__(BOUNDS)

    async def flush(self, request_id: str) -> bool:
        return False


async def test_a_turn_that_another_process_has_taken_over_is_neither_stored_nor_ended_here():
    async with running_turn(Script(answer("Hel", "lo"))) as (services, turn):
        log = LostLog()
        await log.open(IDS, turn.estate, turn)

        await driver_on(log, services).drive(turn)

        page = await (await log.reader("request", 0)).read(0.001)
        assert not page.emissions[-1].terminal
        assert (await services.turns.known("request", None)).outcome is None


async def test_a_turn_that_is_lost_reads_its_upstream_no_more():
    async with running_turn(Script((opening_chunk(), NEVER))) as (services, turn):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(services.live._drive, turn)
            await turn.settled.wait()
            turn.lose()

        assert (await services.log.reader("request", 0)).ended is False


async def test_a_turn_that_was_stopped_counts_as_interrupted_before_it_has_ended():
    """An interrupt does not wait for ever for an upstream that does not let itself be closed."""
    async with running_turn(Script()) as (_, turn):
        before = turn.interrupted
        turn.stop(Interrupter.USER)
        turn.stop(Interrupter.DRAIN)

        assert (before, turn.interrupted) == (False, True)
        assert turn.stopped_by is Interrupter.USER


class ForgetfulLog(MemoryLog):
    """A log that fails once, at the terminal emission."""

    def __init__(self) -> None:
        super().__init__(BOUNDS)
        self.failed = False

    def append(self, request_id: str, emissions: Sequence[Emission]) -> None:
        if emissions[-1].terminal and not self.failed:
            self.failed = True
            raise ZeroDivisionError
        super().append(request_id, emissions)


async def test_a_bug_at_the_end_of_a_turn_leaves_its_readers_an_end():
    async with running_turn(Script(answer("Hel", "lo"))) as (services, turn):
        log = ForgetfulLog()
        await log.open(IDS, turn.estate, turn)

        await driver_on(log, services).drive(turn)

        page = await (await log.reader("request", 0)).read(0.001)
        assert [each.number for each in page.emissions] == list(range(1, len(page.emissions) + 1))
        assert page.emissions[-1].output.code == "internal_error"
        assert page.emissions[-1].seal.count == len(page.emissions)
