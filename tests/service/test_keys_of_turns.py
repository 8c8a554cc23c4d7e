"""The key of a question is its turn's from the same moment on in which that is kept."""

import pytest

from service.domain import Handover, TurnRecord
from service.errors import LogUnavailable, QuotaExceeded
from service.settings.data import QuotaSettings
from service.storage.database.claims import SqlClaims
from tests.support.clock import Clock
from tests.support.turn_stores import Told, turns_on

START_S, LONG_S = 60.0, 1_000.0
KEY = Handover("key", "a starting", "a started", LONG_S)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def claims(any_database, clock):
    return SqlClaims(any_database, clock)


@pytest.fixture
def told(any_database, clock):
    quota = QuotaSettings(name="tokens", initial_tokens=100)
    return Told(turns_on(any_database, clock, quotas=(quota,)), clock)


async def begin(told, tokens=10):
    """Begin a turn that was asked under the key."""
    record = TurnRecord("a", "1", "alice", "a", "a?", told.clock())
    await told.store.begin(record, opens=True, tokens=tokens, key=KEY)


async def test_a_key_is_held_for_longer_from_the_beginning_of_its_turn_on(told, claims, clock):
    await claims.claim("key", "a starting", START_S)
    await begin(told)
    clock.forward(LONG_S - 1)
    during = await claims.claim("key", "b", START_S)
    clock.forward(1)

    assert during == "a started"
    assert await claims.claim("key", "b", START_S) == "b"


@pytest.mark.parametrize("late_s", [None, START_S], ids=["never claimed", "too late"])
async def test_without_its_key_no_turn_begins(told, claims, clock, late_s):
    if late_s is not None:
        await claims.claim("key", "a starting", START_S)
        clock.forward(late_s)

    with pytest.raises(LogUnavailable):
        await begin(told)

    assert await told.store.known("a", None) is None
    assert await claims.claim("key", "b", START_S) == "b"


async def test_a_turn_that_may_not_begin_has_not_got_its_key(told, claims, clock):
    await claims.claim("key", "a starting", START_S)

    with pytest.raises(QuotaExceeded):
        await begin(told, tokens=1_000)

    assert await claims.claim("key", "b", START_S) == "a starting"
    clock.forward(START_S)
    assert await claims.claim("key", "b", START_S) == "b"
