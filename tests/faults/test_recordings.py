"""Every recording, spoiled at every frame, driven by the service: the laws of a stream hold."""

from contextlib import closing

import pytest

from service.domain import TurnRequest
from service.turns.start import start_turn
from tests.support.faults.harms import GARBAGE, Close, Fault, Harm, every_harm
from tests.support.faults.upstreams import play_of, script_of
from tests.support.faults.worlds import world
from tests.support.laws import Run, check, digest_of, parsed
from tests.support.recordings import recorded_streams

PLAYS = [play_of(each) for each in recorded_streams()]
LONG = 12
"""In recordings of more frames the frames share the faults: each has one."""

TOGETHER = 31
"""So many frames come together at most."""

IN_DETAIL = 7
"""Every so many streams are read event by event."""

FAULTS = [each for each in Fault if each is not Fault.NONE]
SETTINGS = {"log_limit_bytes": 1_000_000, "idle_timeout_s": 30.0}


def harms_of(play):
    """Return every fault at every frame, or one fault at every frame of a long recording."""
    count = len(play.payloads)
    if count <= LONG:
        return every_harm(count)
    kinds = list(GARBAGE)
    return [
        Harm(FAULTS[at % len(FAULTS)], at, kinds[at // len(FAULTS) % len(kinds)])
        for at in range(count)
    ]


async def run_of(services, question):
    """Drive a turn to its end, and return all that it said."""
    turn = await start_turn(services, TurnRequest(question))
    with closing(await services.log.reader(turn.ids.request_id, 0)) as reader:
        await turn.done.wait()
        return Run(turn.stream, tuple((await reader.read(1.0)).emissions))


async def check_all(plays, every=1):
    """Hold all that comes of spoiled recordings against the laws."""
    async with world(**SETTINGS) as here:
        [replica] = here.replicas
        cases = [(play, harm) for play in plays for harm in harms_of(play)]
        for number, (play, harm) in enumerate(cases[::every]):
            spoilt = play.harmed(harm)
            script = script_of(spoilt, together=1 + number % TOGETHER)

            run = await run_of(replica.services, here.upstream.says(script))

            assert_sealed(run)
            if number % IN_DETAIL == 0:
                check(run)
            outcome = run.stream.summary.outcome
            assert outcome != "interrupted", (play.name, harm)
            assert spoilt.close is Close.END or outcome == "error" or ended_before(play, harm)


def assert_sealed(run):
    """Numbers go up by one, and only the last emission is terminal and proves the others."""
    *before, last = run.emissions
    assert [each.number for each in run.emissions] == list(range(1, last.number + 1))
    assert last.terminal
    assert not any(each.terminal for each in before)
    seal = parsed(last.payload)["data"]
    digest = digest_of(each.payload for each in before)
    assert (seal["count"], seal["digest"]) == (last.number, digest)


def ended_before(play, harm):
    """Tell whether all that ends a turn comes before a fault: then the fault is never met."""
    return harm.at >= len(play.payloads) - 1 or play.close is not Close.END


async def test_a_sample_of_spoiled_recordings_keeps_the_laws():
    await check_all(PLAYS, every=23)


@pytest.mark.slow
@pytest.mark.parametrize("play", PLAYS, ids=lambda each: each.name)
async def test_a_recording_spoiled_at_every_frame_keeps_the_laws(play):
    await check_all([play])
