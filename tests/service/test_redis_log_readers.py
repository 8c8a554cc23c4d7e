"""Readers in other processes than the one that drives a turn, perhaps of another version."""

from dataclasses import replace

import anyio
import anyio.lowlevel
import pytest

from service.errors import LogUnavailable, TurnUnknown
from statemachine import Token
from tests.support.logs import (
    CANCELS,
    KEYS,
    OTHER,
    TURN,
    WAIT_S,
    WIDE,
    emission,
    member,
    numbers,
    take,
    take_all,
    terminal,
    token,
    tokens,
    until,
)

SHORT = replace(WIDE, turn_bytes=10_000)
USER = b"\r\nuser\r\n"


@pytest.fixture
async def owner(redis_server):
    async with member(redis_server) as owner:
        yield owner


@pytest.fixture
async def other(redis_server):
    async with member(redis_server) as other:
        yield other


async def test_a_turn_that_is_followed_takes_no_more_memory_than_one_that_is_driven(
    redis_server, owner
):
    async with member(redis_server, SHORT) as other:
        await owner.drives(0)
        reader = await other.log.reader("turn", 0)
        owner.log.append("turn", tokens(1, 200, "x" * 700))
        await until(lambda: reader._buffer.latest == 200)

        assert numbers((await reader.read(WAIT_S)).emissions)[-1] == 200
        assert reader._buffer.size_bytes <= SHORT.turn_bytes


@pytest.mark.parametrize("where", ["driven", "over", "followed", "elsewhere"])
async def test_a_stranger_waits_for_redis_as_for_what_is_not_there(owner, other, where):
    """Even where this process knows whose it is: who is refused faster would know that it does."""
    await owner.drives(1, replace(TURN, user="alice"))
    asked = owner if where in {"driven", "over"} else other
    if where == "over":
        owner.log.append("turn", (terminal(2),))
        await owner.log.flush("turn")
    if where == "followed":
        await other.log.reader("turn", 0, "alice")

    assert await whose(asked, "turn") == await whose(asked, "never was") == 1


async def whose(asked, request_id):
    """Return how often Redis is asked whose a turn is."""
    asked.cable.trips(USER)
    with pytest.raises(TurnUnknown):
        await asked.log.reader(request_id, 0, "bob")
    return len(asked.cable.trips(USER))


async def test_a_turn_that_nobody_reads_is_not_followed(owner, other):
    await owner.drives(1)
    readers = [await other.log.reader("turn", 0) for _ in range(2)]
    followed = other.log._elsewhere._followed, other.log._elsewhere._tail._followed
    both = [len(each) for each in followed]
    for reader in readers:
        reader.close()

    assert both == [1, 1]
    assert [len(each) for each in followed] == [0, 0]


async def test_a_reader_that_leaves_at_once_takes_no_other_with_it(owner, other):
    """The one that was first may still be waiting for Redis."""
    await owner.drives(1)
    read = []

    async def follow():
        read.extend(await take(await other.log.reader("turn", 0), 2))

    async with anyio.create_task_group() as tasks:
        with other.cable.held(at=b"wake") as caught:
            tasks.start_soon(follow)
            await caught.wait()
            (await other.log.reader("turn", 0)).close()
        owner.log.append("turn", (token(2),))

    assert numbers(read) == [1, 2]


async def test_a_reader_that_gives_up_before_it_has_begun_leaves_nothing(owner, other):
    await owner.drives(1)
    async with anyio.create_task_group() as tasks:
        with other.cable.held(at=b"wake") as caught:
            tasks.start_soon(other.log.reader, "turn", 0)
            await caught.wait()
            assert other.log._elsewhere._followed
            tasks.cancel_scope.cancel()
            await anyio.lowlevel.cancel_shielded_checkpoint()

    assert not other.log._elsewhere._followed
    assert not other.log._elsewhere._tail._followed


async def test_the_owner_hears_of_readers_as_long_as_there_are_any(redis_server, owner):
    async with member(redis_server, lease_s=0.15) as other:
        control = await owner.drives(1, estate=CANCELS)
        reader = await other.log.reader("turn", 0)
        await until(lambda: control.attended >= 3)
        reader.close()
        heard = []
        for _ in range(3):
            renewed_at = other.log._lease._renewed_at
            await until(lambda before=renewed_at: other.log._lease._renewed_at > before)
            heard.append(control.attended)

    assert heard[0] == heard[-1]


async def test_the_owner_does_not_hear_of_readers_when_that_changes_nothing(owner, other):
    control = await owner.drives(1)
    await other.log.reader("turn", 0)
    await other.drives(1, OTHER)
    await owner.log.reader("other", 0)

    assert (control.attended, control.told.is_set()) == (0, False)


async def test_what_another_version_says_sends_only_its_own_readers_away(
    owner, other, redis_server
):
    await owner.drives(1, TURN)
    await owner.drives(1, OTHER)
    readers = [await other.log.reader(each, 1) for each in ("turn", "other")]
    odd = emission(2, Token("x")).payload, b'{"path":["a state that there is not yet"]}'
    redis_server.ask("XADD", KEYS.log("turn"), "2-0", "p", odd[0], "r", odd[1])
    with pytest.raises(LogUnavailable):
        await take_all(readers[0])
    owner.log.append("other", (token(2),))

    assert numbers(await take(readers[1], 1)) == [2]
    with pytest.raises(LogUnavailable, match="another version"):
        await other.log.reader("turn", 0)


@pytest.mark.parametrize("fields", [("q", "x"), ("p",) * 2, ("p", "x", "r", "{")])
async def test_an_entry_that_is_none_of_ours_is_no_crash(owner, other, redis_server, fields):
    await owner.drives(1)
    redis_server.ask("XADD", KEYS.log("turn"), "2-0", *fields)

    with pytest.raises(LogUnavailable, match="another version"):
        await other.log.reader("turn", 0)


async def test_what_another_version_knows_besides_is_passed_over(owner, other, redis_server):
    control = await owner.drives(1)
    estate = b'{"key":"turn","question":"?","mood":"fine"}'
    redis_server.ask("HSET", KEYS.turn("turn"), "estate", estate, "weather", "fine")
    redis_server.ask("XADD", KEYS.log("turn"), "2-0", "p", token(2).payload, "z", "more")
    inbox = KEYS.inbox(owner.name)
    redis_server.ask("XADD", inbox, "*", "r", "turn", "s", "a signal that there is not yet")
    redis_server.ask("XADD", inbox, "*", "r", "turn", "s", "user", "z", "more")
    redis_server.ask("PEXPIRE", inbox, 10_000)
    with anyio.fail_after(WAIT_S):
        await control.told.wait()

    assert numbers(await take(await other.log.reader("turn", 0), 2)) == [1, 2]
    assert control.stopped == ["user"]


@pytest.mark.parametrize("estate", [b"", b"[]", b"{", b'{"key":1}', b"\xff"])
async def test_an_estate_that_is_none_of_ours_is_no_crash(owner, other, redis_server, estate):
    await owner.drives(1)
    redis_server.ask("HSET", KEYS.turn("turn"), "estate", estate)

    with pytest.raises(LogUnavailable, match="another version"):
        await other.log.reader("turn", 0)
