"""What an emission log in Redis keeps there, and what comes out again."""

from dataclasses import replace

import anyio
import anyio.lowlevel
import pytest

from service.domain import TurnIds
from service.errors import TurnUnknown
from statemachine import Emission, Interrupter, State, Token
from tests.support.laws import digest_of
from tests.support.logs import (
    CANCELS,
    ESTATE,
    KEEP_S,
    KEYS,
    RUN_S,
    WAIT_S,
    WIDE,
    Control,
    entries,
    member,
    numbers,
    take,
    take_all,
    terminal,
    token,
    tokens,
)
from tests.support.recordings import recorded_streams
from tests.support.succession import played

PATIENT = {"patience_s": WAIT_S}
"""Redis has so long that nobody is told anything without it."""

SHORT = replace(WIDE, turn_bytes=10_000)


@pytest.fixture
async def owner(redis_server):
    async with member(redis_server, **PATIENT) as owner:
        yield owner


@pytest.fixture
async def other(redis_server):
    async with member(redis_server) as other:
        yield other


async def test_a_recording_comes_out_as_it_went_in(owner, other):
    for recorded in recorded_streams():
        ids = TurnIds(recorded.name, "conversation")
        said = played(recorded)
        await owner.log.open(ids, ESTATE, Control())
        reader = await other.log.reader(recorded.name, 0)
        owner.log.append(recorded.name, said)

        assert tuple(await take_all(reader)) == said


@pytest.mark.parametrize("text", ["half \ud83d", "\0 \r\n \u2028 \x7f", "\N{WOMAN}" * 100_000, ""])
async def test_any_text_comes_out_as_it_went_in(owner, other, text):
    await owner.drives(0)
    moved = Emission(2, Token(text), token(2, text).payload, (State.STEP_IN_PROGRESS,))
    owner.log.append("turn", (token(1, text), moved))

    assert await take(await other.log.reader("turn", 0), 2) == [token(1, text), moved]


async def test_the_numbers_of_the_emissions_are_those_in_the_stream(owner, redis_server):
    await owner.drives(3)
    owner.log.append("turn", (terminal(4),))
    await owner.log.flush("turn")

    assert entries(redis_server) == [1, 2, 3, 4]


async def test_a_long_turn_is_trimmed_in_redis_too(redis_server, other):
    async with member(redis_server, SHORT, **PATIENT) as owner:
        await owner.drives(0)
        for number in range(1, 51):
            owner.log.append("turn", (token(number, "x" * 700),))
            await owner.log.flush("turn")
        kept = entries(redis_server)
        page = await (await other.log.reader("turn", 3)).read(WAIT_S)

        assert kept == list(range(kept[0], 51))
        assert len(kept) < 15
        assert (numbers(page.emissions), page.earliest) == (kept, kept[0])


async def test_the_digest_of_a_trimmed_turn_covers_all_of_it(redis_server):
    async with member(redis_server, SHORT, **PATIENT) as owner:
        await owner.drives(0)
        untrimmed = redis_server.ask("HGET", KEYS.turn("turn"), "digest")
        said = tokens(1, 2_000)
        owner.log.append("turn", said)
        await owner.log.flush("turn")

        assert untrimmed is None
        digest = redis_server.ask("HGET", KEYS.turn("turn"), "digest")
        assert digest.decode() == digest_of(each.payload for each in said)


async def test_every_key_expires_at_any_time(owner, other, redis_server):
    control = await owner.drives(1, estate=CANCELS)
    reader = await other.log.reader("turn", 0)
    with anyio.fail_after(WAIT_S):
        await control.told.wait()
    names = set(redis_server.keys())
    running_s = [redis_server.ttl_s(each) for each in (KEYS.turn("turn"), KEYS.log("turn"))]
    without = redis_server.keys_without_expiry()
    owner.log.append("turn", (terminal(2),))
    await take_all(reader)
    ended_s = [redis_server.ttl_s(each) for each in (KEYS.turn("turn"), KEYS.log("turn"))]

    kinds = {KEYS.turn("turn"), KEYS.log("turn"), KEYS.running}
    each_has = {key(each.name) for each in (owner, other) for key in (KEYS.lease, KEYS.inbox)}
    assert names == kinds | each_has
    assert without == redis_server.keys_without_expiry() == []
    assert all(RUN_S - WAIT_S < each <= RUN_S for each in running_s)
    assert all(KEEP_S - WAIT_S < each <= KEEP_S for each in ended_s)


async def test_what_has_left_leaves_only_its_turns(redis_server):
    async with member(redis_server) as owner, member(redis_server) as other:
        await owner.drives(1)
        reader = await other.log.reader("turn", 0)
        owner.log.append("turn", (terminal(2),))
        await take_all(reader)

    assert redis_server.keys() == [KEYS.log("turn"), KEYS.turn("turn")]
    assert redis_server.clients() == 0


async def test_a_turn_is_read_when_the_process_that_drove_it_has_left(redis_server, other):
    async with member(redis_server) as owner:
        await owner.drives(2)
        owner.log.append("turn", (terminal(3),))

    assert numbers(await take_all(await other.log.reader("turn", 0))) == [1, 2, 3]


async def test_scripts_that_redis_forgets_are_sent_again(owner, other, redis_server):
    await owner.drives(1)
    reader = await other.log.reader("turn", 0)
    redis_server.ask("SCRIPT", "FLUSH")
    owner.log.append("turn", (token(2), terminal(3)))

    assert numbers(await take_all(reader)) == [1, 2, 3]


async def test_a_log_that_redis_gives_up_alone_is_brought_back(owner, other, redis_server):
    """As it may do when it is short of memory and told to evict keys."""
    await owner.drives(3)
    reader = await other.log.reader("turn", 3)
    redis_server.ask("DEL", KEYS.log("turn"))
    owner.log.append("turn", (token(4),))

    assert numbers(await take(reader, 1)) == [4]
    assert entries(redis_server) == [1, 2, 3, 4]
    assert redis_server.keys_without_expiry() == []


async def test_a_turn_of_which_only_the_end_is_known_is_no_longer_kept(owner, other, redis_server):
    await owner.drives(1)
    owner.log.append("turn", (terminal(2),))
    await owner.log.flush("turn")
    redis_server.ask("DEL", KEYS.log("turn"))

    with pytest.raises(TurnUnknown):
        await other.log.reader("turn", 0)


async def test_what_another_version_says_to_a_process_does_not_deafen_it(
    owner, other, redis_server
):
    inbox = KEYS.inbox(owner.name)
    for fields in (("r", "turn"), ("s", "stop", "x", "y", "z", "z"), ("odd", b"\xff\xfe")):
        redis_server.ask("XADD", inbox, "*", *fields)
    control = await owner.drives(1)
    await other.log.stop("turn", Interrupter.USER)
    with anyio.fail_after(WAIT_S):
        await control.told.wait()

    assert control.stopped == [Interrupter.USER]
