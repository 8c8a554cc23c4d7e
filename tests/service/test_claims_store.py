"""What every store of claims does."""

import anyio
import pytest

from service.errors import LogUnavailable, StorageUnavailable
from service.storage.database.claims import SWEPT_LIMIT, SqlClaims
from service.storage.database.tables import claims as claims_table
from service.storage.memory_claims import MemoryClaims
from service.storage.redis.claims import RedisClaims
from tests.support.clock import Clock
from tests.support.databases import running_database
from tests.support.kept_rows import count
from tests.support.redis_server import connected

pytestmark = pytest.mark.slow

TTL_S = 60.0

sql_only = pytest.mark.parametrize("kind", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(params=["memory", "redis", "sqlite", "postgresql"])
def kind(request):
    return request.param


@pytest.fixture
def database_kind(kind):
    return kind


@pytest.fixture
def clock(request, kind):
    return Clock(request.getfixturevalue("redis_server") if kind == "redis" else None)


@pytest.fixture
def claims(request, kind, clock):
    if kind == "memory":
        return MemoryClaims(limit=100, clock=clock)
    if kind in ("sqlite", "postgresql"):
        return SqlClaims(request.getfixturevalue("database"), clock)
    return RedisClaims(request.getfixturevalue("shared_redis"), "turnstile")


async def test_who_claims_first_holds_it(claims):
    assert await claims.claim("key", "a", TTL_S) == "a"
    assert await claims.claim("key", "b", TTL_S) == "a"
    assert await claims.claim("key", "a", TTL_S) == "a"


async def test_claims_of_other_keys_are_their_own(claims):
    await claims.claim("key", "a", TTL_S)

    assert await claims.claim("other", "b", TTL_S) == "b"


async def test_of_two_at_once_both_hear_the_same(claims):
    heard = []

    async def claim(holder):
        heard.append(await claims.claim("key", holder, TTL_S))

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(claim, str(number))

    assert len(heard) == 8
    assert len(set(heard)) == 1


async def test_a_claim_ends_after_its_time(claims, clock):
    await claims.claim("key", "a", TTL_S)
    clock.forward(TTL_S - 1)
    before = await claims.claim("key", "b", TTL_S)
    clock.forward(1)

    assert before == "a"
    assert await claims.claim("key", "b", TTL_S) == "b"


async def test_to_claim_again_does_not_extend(claims, clock):
    await claims.claim("key", "a", TTL_S)
    clock.forward(TTL_S - 1)
    await claims.claim("key", "a", TTL_S)
    clock.forward(1)

    assert await claims.claim("key", "b", TTL_S) == "b"


async def test_a_claim_that_was_extended_ends_later(claims, clock):
    await claims.claim("key", "a", TTL_S)
    clock.forward(TTL_S - 1)
    await claims.replace("key", "a", "a", TTL_S)
    clock.forward(TTL_S - 1)

    assert await claims.claim("key", "b", TTL_S) == "a"


async def test_a_claim_may_be_cut_short(claims, clock):
    await claims.claim("key", "a", TTL_S)
    await claims.replace("key", "a", "a", 0.5)
    clock.forward(0.5)

    assert await claims.claim("key", "b", TTL_S) == "b"


async def test_only_who_holds_it_can_extend(claims, clock):
    await claims.claim("key", "a", TTL_S)
    await claims.replace("key", "b", "b", 10 * TTL_S)
    clock.forward(TTL_S)

    assert await claims.claim("key", "c", TTL_S) == "c"


async def test_what_has_ended_is_not_extended(claims, clock):
    await claims.claim("key", "a", TTL_S)
    clock.forward(TTL_S)
    await claims.replace("key", "a", "a", TTL_S)

    assert await claims.claim("key", "b", TTL_S) == "b"


async def test_a_claim_may_be_handed_on_by_who_holds_it(claims):
    await claims.claim("key", "a", TTL_S)

    assert await claims.replace("key", "b", "c", TTL_S) is False
    assert await claims.replace("key", "a", "b", TTL_S) is True
    assert await claims.replace("key", "a", "c", TTL_S) is False
    assert await claims.claim("key", "d", TTL_S) == "b"


async def test_what_was_released_can_be_claimed(claims):
    await claims.claim("key", "a", TTL_S)
    await claims.release("key", "a")

    assert await claims.claim("key", "b", TTL_S) == "b"


async def test_only_who_holds_it_can_release(claims):
    await claims.claim("key", "a", TTL_S)
    await claims.release("key", "b")

    assert await claims.claim("key", "c", TTL_S) == "a"


async def test_what_nobody_holds_is_neither_extended_nor_released(claims):
    await claims.replace("key", "a", "a", TTL_S)
    await claims.release("key", "a")

    assert await claims.claim("key", "b", TTL_S) == "b"


async def test_in_memory_those_go_first_that_were_not_renewed_for_longest():
    claims = MemoryClaims(limit=2, clock=Clock())
    for key in "ab":
        await claims.claim(key, "first", TTL_S)
    await claims.replace("a", "first", "first", TTL_S)

    await claims.claim("c", "first", TTL_S)

    assert [await claims.claim(key, "second", TTL_S) for key in "acb"] == [
        "first",
        "first",
        "second",
    ]


async def test_every_process_respects_a_claim(redis_server, shared_redis):
    async with connected(redis_server) as other:
        await RedisClaims(shared_redis, "turnstile").claim("key", "a", TTL_S)

        assert await RedisClaims(other, "turnstile").claim("key", "b", TTL_S) == "a"
        assert await RedisClaims(other, "elsewhere").claim("key", "b", TTL_S) == "b"


async def test_a_claim_is_one_key_that_goes_by_itself(redis_server, shared_redis):
    claims = RedisClaims(shared_redis, "turnstile")
    await claims.claim("key", "a", TTL_S)

    assert redis_server.keys() == ["turnstile:claim:key"]
    assert TTL_S - 5 < redis_server.ttl_s("turnstile:claim:key") <= TTL_S


async def test_without_redis_nothing_can_be_claimed(mortal_redis):
    async with connected(mortal_redis) as redis:
        mortal_redis.kill()
        claims = RedisClaims(redis, "turnstile")

        with pytest.raises(LogUnavailable):
            await claims.claim("key", "a", TTL_S)
        with pytest.raises(LogUnavailable):
            await claims.replace("key", "a", "b", TTL_S)
        with pytest.raises(LogUnavailable):
            await claims.release("key", "a")


@sql_only
async def test_every_process_on_a_database_respects_a_claim(claims, clock, processes):
    await claims.claim("key", "a", TTL_S)

    async with processes() as database:
        elsewhere = SqlClaims(database, clock)

        assert await elsewhere.claim("key", "b", TTL_S) == "a"
        assert await elsewhere.replace("key", "a", "b", TTL_S) is True
    assert await claims.claim("key", "a", TTL_S) == "b"


@sql_only
async def test_what_is_over_falls_to_one_of_many_in_two_processes(claims, clock, processes):
    heard = []
    await claims.claim("key", "gone", TTL_S)
    clock.forward(TTL_S)

    async with processes() as database, anyio.create_task_group() as tasks:
        both = (claims, SqlClaims(database, clock))

        async def claim(number):
            heard.append(await both[number % 2].claim("key", str(number), TTL_S))

        for number in range(10):
            tasks.start_soon(claim, number)

    assert len(heard) == 10
    assert len(set(heard)) == 1
    assert heard[0] != "gone"


@sql_only
async def test_in_a_database_what_is_over_is_deleted_now_and_then(claims, clock, database):
    for key in "abc":
        await claims.claim(key, "x", TTL_S)
    clock.forward(TTL_S)
    before = await count(database, claims_table)

    await claims.claim("d", "x", TTL_S)

    assert before == 3
    assert await count(database, claims_table) == 1


@sql_only
async def test_in_a_database_not_everything_is_deleted_at_once(claims, clock, database):
    many = SWEPT_LIMIT + 1
    rows = [{"key": str(number), "holder": "x", "expires_ms": 0} for number in range(many)]
    async with database.writing() as connection:
        await connection.execute(claims_table.insert(), rows)
    left = []

    for _ in range(2):
        await claims.claim("own", "x", TTL_S)
        left.append(await count(database, claims_table))
        clock.forward(1)

    assert left == [2, 1]


@sql_only
async def test_claims_of_any_text_are_told_apart(claims):
    for key in ("a\0", "a\0\0", "\ud800", "k" * 300):
        await claims.claim(key, f"who has {key}", TTL_S)

    assert await claims.claim("a\0", "b", TTL_S) == "who has a\0"
    assert await claims.claim("\ud800", "b", TTL_S) == "who has \ud800"


async def test_without_its_database_nothing_can_be_claimed(mortal_postgres):
    async with running_database(mortal_postgres.url(), timeout_s=1.0) as database:
        claims = SqlClaims(database)
        mortal_postgres.kill()

        with pytest.raises(StorageUnavailable):
            await claims.claim("key", "a", TTL_S)
        with pytest.raises(StorageUnavailable):
            await claims.replace("key", "a", "b", TTL_S)
        with pytest.raises(StorageUnavailable):
            await claims.release("key", "a")
