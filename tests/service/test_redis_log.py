"""What an emission log in Redis keeps there, and what that costs."""

from dataclasses import replace

import anyio
import anyio.lowlevel
import pytest

from service.domain import TurnIds
from service.errors import LogUnavailable, TurnUnknown
from service.storage.redis.keys import Keys
from statemachine import State, Token
from statemachine.emissions import Emission
from tests.support.laws import digest_of
from tests.support.logs import (
    CANCELS,
    ESTATE,
    KEEP_S,
    OTHER,
    RUN_S,
    TURN,
    WAIT_S,
    WIDE,
    Control,
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
from tests.support.recordings import recorded_streams
from tests.support.succession import played

KEYS = Keys("turnstile")
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


def entries(server, request_id="turn"):
    """Return the numbers in the stream of a turn; the second part of an id is not used."""
    names = [name.split(b"-") for name, _ in server.ask("XRANGE", KEYS.log(request_id), "-", "+")]
    assert {second for _, second in names} <= {b"0"}
    return [int(first) for first, _ in names]


def trips(member):
    """Return the round trips in which something was appended, since this was asked last."""
    return member.cable.trips(b"EVALSHA")


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


async def test_the_digest_of_a_trimmed_turn_goes_along_with_all_that_it_covers(redis_server):
    """A heir that finds less than the digest covers would seal what nobody can check."""
    async with member(redis_server, replace(WIDE, turn_bytes=300_000), **PATIENT) as owner:
        await owner.drives(1)
        trips(owner)
        owner.log.append("turn", tokens(2, 2_000))
        await owner.log.flush("turn")

        assert len(entries(redis_server)) > 500
        assert len(trips(owner)) == 1


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


async def test_a_single_emission_waits_for_no_other(owner, other):
    await owner.drives(1)
    reader = await other.log.reader("turn", 1)
    trips(owner)
    for number in range(2, 5):
        owner.log.append("turn", (token(number),))
        assert numbers(await take(reader, 1)) == [number]

    assert len(trips(owner)) == 3


async def test_a_burst_is_one_round_trip(owner):
    await owner.drives(1)
    trips(owner)
    owner.log.append("turn", tokens(2, 100))
    for number in range(101, 201):
        owner.log.append("turn", (token(number),))
    await owner.log.flush("turn")

    assert len(trips(owner)) == 1


async def test_many_turns_share_a_round_trip(owner, redis_server):
    turns = [TurnIds(f"turn {number}", "conversation") for number in range(30)]
    for ids in turns:
        await owner.drives(1, ids)
    trips(owner)
    for ids in turns:
        owner.log.append(ids.request_id, tokens(2, 3))
    for ids in turns:
        await owner.log.flush(ids.request_id)

    assert len(trips(owner)) == 1
    assert all(entries(redis_server, ids.request_id) == [1, 2, 3] for ids in turns)


async def test_what_is_said_during_a_round_trip_shares_the_next(owner):
    await owner.drives(1, TURN)
    await owner.drives(1, OTHER)
    trips(owner)
    with owner.cable.held(at=b"EVALSHA") as caught:
        owner.log.append("turn", (token(2),))
        await caught.wait()
        for number in range(2, 100):
            owner.log.append("other", (token(number),))
            owner.log.append("turn", (token(number + 1),))
    await owner.log.flush("turn")
    await owner.log.flush("other")

    assert len(trips(owner)) == 2


async def test_a_long_backlog_does_not_hold_others_up(owner):
    await owner.drives(1, TURN)
    await owner.drives(1, OTHER)
    trips(owner)
    owner.log.append("turn", tokens(2, 1_201))
    owner.log.append("other", (token(2),))
    await owner.log.flush("turn")

    with_other = [KEYS.turn("other").encode() in each for each in trips(owner)]
    assert with_other == [True, False, False]


async def test_readers_are_told_nothing_that_redis_does_not_have(owner):
    await owner.drives(1)
    reader = await owner.log.reader("turn", 1)
    with owner.cable.held():
        owner.log.append("turn", (token(2),))
        early = await reader.read(0.05)

    assert early.emissions == ()
    assert numbers(await take(reader, 1)) == [2]


async def test_what_was_read_elsewhere_first_is_a_cursor_at_the_owner_too(owner, other):
    await owner.drives(1)
    elsewhere = await other.log.reader("turn", 1)
    with owner.cable.held(answers_only=True):
        owner.log.append("turn", tokens(2, 3))
        await take(elsewhere, 2)
        reader = await owner.log.reader("turn", 3)
    owner.log.append("turn", (token(4),))

    assert numbers(await take(reader, 1)) == [4]


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
