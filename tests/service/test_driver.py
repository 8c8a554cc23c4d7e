"""The loop of a turn, where the application cannot lead it."""

import anyio
import pytest

from service.domain import TurnIds, TurnRequest
from service.errors import Stopping
from service.settings import Settings
from service.turns.live import LiveTurns
from service.turns.turn import RunningTurn
from statemachine import Emission, Interrupted, Interrupter, TurnStream
from tests.support.applications import services_with
from tests.support.upstreams import NEVER, Script, ScriptedUpstream, opening_chunk

IDS = TurnIds("request", "conversation")


async def running_turn(script):
    """Return services and a turn that is ready to be driven."""
    services = services_with(ScriptedUpstream(script), Settings())
    prepared = await services.upstream.prepare(TurnRequest("Hi"))
    stream = TurnStream(prepared.decoder, conversation_id="conversation", request_id="request")
    await services.log.open(IDS)
    return services, RunningTurn(IDS, prepared, stream, anyio.current_time())


async def test_a_turn_whose_process_is_torn_down_still_ends_in_order():
    """Nobody has stopped the turn: its task was cancelled."""
    services, turn = await running_turn(Script((opening_chunk(), NEVER)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(services.live._drive, turn)
        await turn.settled.wait()
        tasks.cancel_scope.cancel()

    page = await (await services.log.reader("request", 0)).read(0.001)
    assert page.emissions[-1] == turn.terminal
    assert isinstance(turn.terminal.output, Interrupted)
    assert turn.terminal.output.by == "drain"


async def test_turns_are_only_taken_while_they_can_run():
    services, turn = await running_turn(Script())

    assert services.live.accepting is False
    with pytest.raises(Stopping):
        services.live.launch(turn)
    async with services.live.running():
        assert services.live.accepting is True


async def test_stopping_twice_is_stopping_once():
    services, turn = await running_turn(Script((NEVER,)))
    async with services.live.running():
        services.live.launch(turn)
        services.live.stop_all()
        services.live.stop_all()

    assert turn.done.is_set()
    assert isinstance(turn.terminal, Emission)


async def test_a_turn_is_settled_and_done_even_if_driving_it_fails():
    async def drive(_):
        raise ZeroDivisionError

    _, turn = await running_turn(Script())
    live = LiveTurns(drive)
    with pytest.raises(ExceptionGroup):
        async with live.running():
            live.launch(turn)

    assert (turn.settled.is_set(), turn.done.is_set()) == (True, True)
    assert not live._turns


async def test_a_turn_that_was_stopped_counts_as_interrupted_before_it_has_ended():
    """An interrupt does not wait for ever for an upstream that does not let itself be closed."""
    _, turn = await running_turn(Script())
    before = turn.interrupted
    turn.stop(Interrupter.USER)
    turn.stop(Interrupter.DRAIN)

    assert (before, turn.interrupted) == (False, True)
    assert turn.stopped_by is Interrupter.USER
