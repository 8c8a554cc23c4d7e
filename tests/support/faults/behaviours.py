"""What clients do to a turn, from its question to its end: one by one, each by its name."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from tests.support.faults.readers import Reader
from tests.support.faults.worlds import World
from tests.support.upstreams import Script

type Behaviour = Callable[[World, Script, int], Awaitable[list[Reader]]]
"""Asks for what a script says, does its worst, and returns its readers; the number varies it."""

_CUTS = (1, 2, 17, 40, 61, 97, 150, 230)
"""How many bytes a reader gets before it loses its connection."""


async def stays(world: World, script: Script, number: int) -> list[Reader]:
    """Read all of it."""
    reader = await world.asked(script, number)
    await reader.follow()
    return [reader]


async def loses_its_connections(world: World, script: Script, number: int) -> list[Reader]:
    """Lose one connection after another, each time on another replica."""
    reader = await world.asked(script, number)
    for turned in range(number, number + len(_CUTS)):
        await reader.read(size=_CUTS[turned % len(_CUTS)])
        await reader.drop()
        if reader.refused:
            return [reader]
        reader.dial = world.dial(turned)
        await reader.resume()
    await reader.follow()
    return [reader]


async def leaves_for_good(world: World, script: Script, number: int) -> list[Reader]:
    """Leave early and never come back."""
    reader = await world.asked(script, number)
    await reader.read(size=1 + number % 300)
    await reader.drop()
    return [reader]


async def leaves_and_returns_late(world: World, script: Script, number: int) -> list[Reader]:
    """Come back when all is over."""
    [reader] = await leaves_for_good(world, script, number)
    await world.undisturbed(reader, number)
    reader.dial = world.dial(number + 1)
    if not reader.refused:
        await reader.follow()
    return [reader]


async def reads_slowly(world: World, script: Script, number: int) -> list[Reader]:
    """Take everything late, over a line that holds little."""
    reader = await world.asked(script, number, narrow=True)
    await reader.follow(pause_s=2 * world.upstream.pace_s)
    return [reader]


async def takes_nothing_for_long(world: World, script: Script, number: int) -> list[Reader]:
    """Take an event and then nothing, until it is cut off; then read on."""
    reader = await world.asked(script, number, narrow=True)
    reader.loses_lines = True
    await reader.read(events=1)
    limits = world.replicas[0].services.settings.streams
    await asyncio.sleep(2 * limits.write_timeout_s)
    await reader.follow()
    return [reader]


async def opens_tabs(world: World, script: Script, number: int) -> list[Reader]:
    """Read the same turn three times at once: from the start, on another replica, from an event."""
    first = await world.asked(script, number)
    await first.read(events=1 + number % 3)
    tabs = [world.reader(number, of=first), world.reader(number + 1, of=first)]
    if first.cursor:
        tabs.append(world.reader(number + 1, of=first, after=first.cursor))
    await asyncio.gather(*(each.follow() for each in (first, *tabs) if not first.refused))
    return [first, *(each for each in tabs if each.visits)]


async def stops_it(world: World, script: Script, number: int) -> list[Reader]:
    """Interrupt the turn after some event, from another replica."""
    reader = await world.asked(script, number)
    await reader.read(events=1 + number % 7)
    if not reader.refused:
        stopped = await world.reader(number + 1, of=reader).interrupt()
        await reader.follow()
        assert_so_it_ended(reader, stopped)
    return [reader]


async def stops_it_twice(world: World, script: Script, number: int) -> list[Reader]:
    """Interrupt the turn on two replicas at the same time; it ends once."""
    reader = await world.asked(script, number)
    await reader.read(events=1 + number % 5)
    if not reader.refused:
        stops = [world.reader(each, of=reader).interrupt() for each in (number, number + 1)]
        one, two = await asyncio.gather(*stops)
        await reader.follow()
        assert_so_it_ended(reader, one, two)
    return [reader]


def assert_so_it_ended(reader: Reader, *answers: Mapping[str, object]) -> None:
    """Who stops a turn is told whether that is how it has ended, unless it had ended before."""
    [last] = [each.name for each in reader.numbered if each.terminal]
    stopped = any(each["interrupted"] for each in answers)
    assert stopped is (last == "interrupted"), (answers, last)


async def looks_at_the_head(world: World, script: Script, number: int) -> list[Reader]:
    """Ask for the head while the turn runs and when it is over."""
    reader = await world.asked(script, number)
    await reader.read(events=1)
    looks = world.reader(number + 1, of=reader)
    if not reader.refused:
        await looks.head()
        await reader.follow()
        await looks.head()
    return [reader, *([looks] if looks.visits else [])]


async def asks_again(world: World, script: Script, number: int) -> list[Reader]:
    """Send the same request twice with one key: the second joins the turn of the first."""
    question = world.upstream.says(script)
    key = {"Idempotency-Key": question.replace(" ", "-")}
    first, second = world.reader(number), world.reader(number + 1)
    await asyncio.gather(first.ask(question, key), second.ask(question, key))
    assert first.request_id == second.request_id
    assert len(world.upstream.asked(question)) <= 1
    await asyncio.gather(*(each.follow() for each in (first, second) if not each.refused))
    return [first, second]


BEHAVIOURS: Mapping[str, Behaviour] = {
    each.__name__.replace("_", " "): each
    for each in (
        stays,
        loses_its_connections,
        leaves_for_good,
        leaves_and_returns_late,
        reads_slowly,
        takes_nothing_for_long,
        opens_tabs,
        stops_it,
        stops_it_twice,
        looks_at_the_head,
        asks_again,
    )
}
