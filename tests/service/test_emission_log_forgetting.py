"""What every emission log does with turns that were deleted, whichever process they are read in."""

import pytest

from service.domain import TurnIds
from service.errors import TurnUnknown
from tests.support.logs import OTHER, TURN, numbers, take, take_all, terminal, token

EVERYWHERE = ["owner", "reading"]


async def knows(log, ids=TURN):
    """Tell whether a turn can be read, which has to be so for all or for nobody."""
    found = []
    for name in EVERYWHERE:
        try:
            (await getattr(log, name).reader(ids.request_id, 0)).close()
        except TurnUnknown:
            found.append(False)
        else:
            found.append(True)
    assert len(set(found)) == 1
    return found[0]


@pytest.mark.parametrize("where", EVERYWHERE)
async def test_a_forgotten_turn_is_read_nowhere_and_others_are(logs, where):
    async with logs() as log:
        await log.write(3, TURN)
        await log.write(3, OTHER)

        await getattr(log, where).forget([TURN.request_id])

        assert (await knows(log, TURN), await knows(log, OTHER)) == (False, True)


async def test_whose_it_was_makes_no_difference(logs):
    ids = TurnIds("turn", "conversation", "alice")
    async with logs() as log:
        await log.write(1, ids)
        await log.reading.forget(["turn"])

        for user in ("alice", "bob"):
            with pytest.raises(TurnUnknown):
                await log.reading.reader("turn", 0, user)


async def test_who_is_reading_a_turn_comes_to_its_end(logs):
    async with logs() as log:
        await log.write(3)
        reader = await log.reader()

        await log.reading.forget(["turn"])

        assert numbers(await take_all(reader)) == [1, 2, 3, 4]


@pytest.mark.parametrize("where", EVERYWHERE)
async def test_a_running_turn_goes_on_and_is_forgotten_when_it_has_ended(logs, where):
    async with logs() as log:
        await log.write(1, end=False)

        await getattr(log, where).forget(["turn"])
        await log.say(token(2))
        running, reader = await knows(log), await log.reader()
        read = numbers(await take(reader, 2))
        await log.say(terminal(3))

        assert (running, read) == (True, [1, 2])
        assert numbers(await take_all(reader)) == [3]
        assert await knows(log) is False


async def test_what_is_not_kept_can_be_forgotten_and_twice(logs):
    async with logs() as log:
        await log.write(1)
        for _ in range(2):
            await log.reading.forget(["nobody", "turn"])
        await log.reading.forget([])

        assert await knows(log) is False


async def test_what_was_forgotten_makes_room(logs):
    async with logs(total_bytes=25_000) as log:
        turns = [TurnIds(f"turn {number}", "conversation") for number in range(3)]
        for ids in turns[:2]:
            await log.write(1, ids, text="x" * 10_000)
        await log.reading.forget([turns[1].request_id])
        await log.write(1, turns[2], text="x" * 10_000)

        assert [await knows(log, ids) for ids in turns] == [True, False, True]
