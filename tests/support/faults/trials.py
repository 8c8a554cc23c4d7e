"""One client, one fault, one turn: the trial of which a matrix is made."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import cycle

from tests.support.faults.behaviours import BEHAVIOURS
from tests.support.faults.harms import GARBAGE, Fault, Harm, Play, every_harm
from tests.support.faults.laws import assert_laws, assert_whole
from tests.support.faults.upstreams import script_of
from tests.support.faults.worlds import World

type Case = tuple[Play, Harm]
type Trial = tuple[str, Case]
"""A behaviour of a client, and what its upstream does."""

_AT_ONCE = 20
_REFUSALS = frozenset({500, 502, 503, 504})


def every_case(plays: Iterable[Play]) -> list[Case]:
    """Return every harm to every play, and no harm at all."""
    return [(play, harm) for play in plays for harm in (Harm(), *every_harm(len(play.payloads)))]


def one_kind_each(cases: Iterable[Case]) -> list[Case]:
    """Leave one kind of garbage at every place, each time another one."""
    kinds = list(GARBAGE)
    return [
        (play, harm)
        for play, harm in cases
        if harm.fault is not Fault.GARBAGE or harm.kind == kinds[harm.at % len(kinds)]
    ]


def by_turns(cases: Sequence[Case]) -> Iterable[Trial]:
    """Give every case to one client, so that all behaviours have their turn."""
    return zip(cycle(BEHAVIOURS), cases, strict=False)


async def undergo(world: World, trial: Trial, number: int, *, gaps: bool = False) -> None:
    """Let one client meet one fault, and hold everything that was sent against the laws."""
    behaviour, (play, harm) = trial
    script = script_of(play.harmed(harm), together=1 + number % 3)
    readers = await BEHAVIOURS[behaviour](world, script, number)
    whole = [await world.undisturbed(readers[0], each) for each in range(len(world.replicas))]
    for each in whole:
        assert_whole(each, like=whole[0], gaps=gaps)
    for each in readers:
        if each.refused:
            assert each.visit.status in _REFUSALS, each.visit.status
        else:
            assert_laws(each, like=whole[0], gaps=gaps)


async def undergo_all(world: World, trials: Iterable[Trial], *, gaps: bool = False) -> None:
    """Meet many faults, some at the same time; a failure names its trial."""
    waiting = iter(enumerate(trials))

    async def work() -> None:
        for number, trial in waiting:
            try:
                await undergo(world, trial, number, gaps=gaps)
            except Exception as failed:
                behaviour, (play, harm) = trial
                failed.add_note(f"{play.name}: {harm}; the client {behaviour}; trial {number}")
                raise

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_AT_ONCE):
            tasks.create_task(work(), name="client")
