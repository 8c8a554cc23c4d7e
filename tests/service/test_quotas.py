"""Quotas of tokens, in either database: reserved, settled and seen."""

import pytest

from service.errors import QuotaExceeded, StorageUnavailable
from service.settings.data import QuotaSettings
from service.storage.database.quotas import SqlQuotas
from service.storage.database.tables import quotas as quotas_table
from service.storage.database.tables import reservations
from tests.support.clock import Clock
from tests.support.databases import running_database
from tests.support.kept_rows import count
from tests.support.quota_accounts import A_PERIOD_MS, DAILY, ONCE, SHARED, START_MS, Accounts

pytestmark = pytest.mark.slow

MOST = 2**53 - 1


@pytest.fixture
def accounts(database):
    def make(*limits):
        return Accounts(database, *limits)

    return make


async def test_a_turn_takes_what_it_reserves_and_is_given_back_what_it_has_not_used(accounts):
    own = accounts(DAILY)
    await own.reserve("a", 30)
    during = await own.left()
    await own.settle("a", 12)

    assert during == {"daily": 70}
    assert await own.left() == {"daily": 88}


async def test_a_turn_is_charged_for_more_than_it_reserved_even_below_zero(accounts):
    own = accounts(DAILY)
    await own.reserve("a", 100)
    await own.settle("a", 130)

    assert await own.left() == {"daily": -30}
    with pytest.raises(QuotaExceeded):
        await own.reserve("b", 1)


async def test_the_last_token_can_be_reserved_and_no_more(accounts):
    own = accounts(DAILY)
    await own.reserve("a", 60)

    with pytest.raises(QuotaExceeded):
        await own.reserve("b", 41)
    await own.reserve("c", 40)


async def test_a_turn_that_will_not_run_is_given_everything_back(accounts):
    own = accounts(DAILY, SHARED)
    await own.reserve("a", 30)
    await own.release("a")
    await own.settle("a", 50)

    assert await own.left() == {"daily": 100, "shared": 100}


async def test_a_turn_is_settled_once(accounts):
    own = accounts(DAILY)
    await own.reserve("a", 30)
    await own.settle("a", 10)
    await own.settle("a", 10)
    await own.release("a")

    assert await own.left() == {"daily": 90}


async def test_a_turn_that_has_reserved_nothing_costs_nothing(accounts, database):
    own = accounts(DAILY)
    await own.settle("a", 10)

    assert await own.left() == {"daily": 100}
    assert await count(database, quotas_table) == 0


async def test_each_user_has_an_account_of_its_own_and_all_share_that_of_the_cluster(accounts):
    own = accounts(DAILY, SHARED)
    await own.reserve("a", 30)
    await own.reserve("b", 20, user="bob")

    assert await own.left() == {"daily": 70, "shared": 50}
    assert await own.left("bob") == {"daily": 80, "shared": 50}
    assert await own.left("carol") == {"daily": 100, "shared": 50}


async def test_a_turn_takes_of_all_quotas_or_of_none(accounts, database):
    own = accounts(DAILY, SHARED)
    await own.reserve("a", 80)
    await own.settle("a", 5)
    await own.reserve("b", 90, user="bob")

    with pytest.raises(QuotaExceeded):
        await own.reserve("c", 20)

    assert await own.left() == {"daily": 95, "shared": 5}
    assert await count(database, reservations) == 2


async def test_to_look_at_a_quota_changes_nothing(accounts, database):
    own = accounts(DAILY, SHARED)

    assert await own.left() == {"daily": 100, "shared": 100}
    assert await count(database, quotas_table) == 0


async def test_without_quotas_nothing_is_reserved(accounts, database):
    own = accounts()
    await own.reserve("a", 30)
    await own.settle("a", 30)

    assert await own.left() == {}
    assert await count(database, reservations) == 0


async def test_a_quota_that_is_in_the_settings_no_more_is_settled_all_the_same(accounts):
    own = accounts(DAILY, SHARED)
    await own.reserve("a", 40)
    own.limits = (SHARED,)
    await own.settle("a", 10)
    own.limits = (DAILY, SHARED)

    assert await own.left() == {"daily": 90, "shared": 90}


async def test_an_account_that_somebody_has_deleted_begins_anew(accounts, database):
    own = accounts(DAILY)
    await own.reserve("a", 40)
    async with database.writing() as connection:
        await connection.execute(quotas_table.delete())
    await own.settle("a", 10)

    assert await own.left() == {"daily": 100}


async def test_accounts_stay_within_what_a_number_can_be(accounts):
    vast = QuotaSettings(name="vast", initial_tokens=10**30, increase_tokens=10**30, period_s=10)
    own = accounts(vast, ONCE)
    full = await own.left()
    await own.reserve("a", 10)
    await own.settle("a", 10**40)
    emptied = await own.left()
    own.now_ms += A_PERIOD_MS

    assert full == {"vast": MOST, "once": 100}
    assert emptied == {"vast": -MOST, "once": -MOST}
    assert await own.left() == {"vast": MOST, "once": -MOST}


async def test_what_was_used_beside_a_turn_is_charged_even_below_zero(accounts, database):
    own = accounts(DAILY, SHARED)
    clock = Clock()
    quotas = SqlQuotas(database, own.limits, clock)
    await quotas.charge("alice", 30)
    during = await own.left()
    await quotas.charge("alice", 90)
    await SqlQuotas(database, (), clock).charge("alice", 5)

    assert during == {"daily": 70, "shared": 70}
    assert await own.left() == {"daily": -20, "shared": -20}
    assert await own.left("bob") == {"daily": 100, "shared": -20}


async def test_nothing_is_gained_by_using_less_than_nothing(accounts):
    own = accounts(DAILY)
    await own.reserve("a", 10)
    await own.settle("a", -50)

    assert await own.left() == {"daily": 100}


async def test_users_of_any_name_have_accounts(accounts):
    own = accounts(DAILY)
    await own.reserve("a", 10, user="a\0b")
    await own.reserve("b", 20, user="\ud800")

    assert await own.left("a\0b") == {"daily": 90}
    assert await own.left("\ud800") == {"daily": 80}


async def test_out_of_reach_nothing_can_be_reserved(mortal_postgres):
    async with running_database(mortal_postgres.url(), timeout_s=1.0) as database:
        own = Accounts(database, DAILY)
        mortal_postgres.kill()

        with pytest.raises(StorageUnavailable):
            await own.reserve("a", 1)
        with pytest.raises(StorageUnavailable):
            await SqlQuotas(database, (DAILY,)).of("alice")


async def test_a_user_sees_all_quotas_by_their_names_with_their_renewal(accounts, database):
    own = accounts(SHARED, DAILY)
    clock = Clock()
    clock.now = START_MS / 1_000
    await own.reserve("a", 30)
    clock.forward(2)

    seen = await SqlQuotas(database, own.limits, clock).of("alice")
    of_bob = await SqlQuotas(database, own.limits, clock).of("bob")

    assert [(each.name, each.scope, each.available, each.renews_at) for each in seen] == [
        ("daily", "user", 70, 1_010.0),
        ("shared", "cluster", 70, None),
    ]
    assert of_bob[0].available == 100
    assert of_bob[0].renews_at == 1_012.0
    assert await SqlQuotas(database, (), clock).of("alice") == ()
