"""When quotas are renewed, and what is told until then."""

import pytest

from service.errors import QuotaExceeded
from tests.support.quota_accounts import A_PERIOD_MS, DAILY, GROWING, ONCE, SHARED, Accounts


@pytest.fixture
def accounts(database):
    def make(*limits):
        return Accounts(database, *limits)

    return make


@pytest.mark.parametrize(
    ("limit", "after_ms", "left"),
    [
        (DAILY, A_PERIOD_MS - 1, 40),
        (DAILY, A_PERIOD_MS, 100),
        (DAILY, 7 * A_PERIOD_MS + 1, 100),
        (GROWING, A_PERIOD_MS - 1, 40),
        (GROWING, A_PERIOD_MS, 60),
        (GROWING, 7 * A_PERIOD_MS + 1, 180),
        (ONCE, 1_000 * A_PERIOD_MS, 40),
        (DAILY, -A_PERIOD_MS, 40),
    ],
)
async def test_a_quota_is_renewed_after_whole_periods(accounts, limit, after_ms, left):
    own = accounts(limit)
    await own.reserve("a", 60)
    await own.settle("a", 60)
    own.now_ms += after_ms

    assert await own.left() == {limit.name: left}


async def test_periods_are_counted_from_the_first_use_on(accounts):
    own = accounts(DAILY)
    await own.reserve("a", 60)
    own.now_ms += A_PERIOD_MS + A_PERIOD_MS // 2
    await own.reserve("b", 60)
    own.now_ms += A_PERIOD_MS // 2

    assert await own.left() == {"daily": 100}


@pytest.mark.parametrize(
    ("before", "after", "left"), [(ONCE, GROWING, 40 + 3 * 20), (ONCE, DAILY, 100)]
)
async def test_a_period_that_is_added_counts_as_if_it_had_always_been_so(
    accounts, before, after, left
):
    own = accounts(before)
    await own.reserve("a", 60)
    own.now_ms += 3 * A_PERIOD_MS

    own.limits = (after.model_copy(update={"name": before.name}),)

    assert await own.left() == {before.name: left}


async def test_an_account_below_zero_is_renewed_as_well(accounts):
    own = accounts(DAILY, GROWING)
    await own.reserve("a", 10)
    await own.settle("a", 130)
    own.now_ms += A_PERIOD_MS

    assert await own.left() == {"daily": 100, "growing": -10}


@pytest.mark.parametrize(
    ("limit", "used", "left"),
    [(DAILY, 10, 100), (DAILY, 50, 90), (GROWING, 10, 110), (GROWING, 50, 70)],
)
async def test_a_turn_that_outlives_a_period_is_charged_once(accounts, limit, used, left):
    own = accounts(limit)
    await own.reserve("a", 40)
    own.now_ms += A_PERIOD_MS
    await own.settle("a", used)

    assert await own.left() == {limit.name: left}


@pytest.mark.parametrize(("limit", "left"), [(DAILY, 99), (GROWING, 119)])
async def test_what_is_released_after_a_renewal_is_given_back_once(accounts, limit, left):
    own = accounts(limit)
    await own.reserve("a", 40)
    own.now_ms += A_PERIOD_MS
    await own.reserve("b", 1)
    await own.release("a")

    assert await own.left() == {limit.name: left}


@pytest.mark.parametrize(
    ("limit", "tokens", "renewal", "retry_after_s"),
    [
        (DAILY, 50, "is renewed at 1970-01-01T00:16:50.000Z", 8),
        (DAILY, 100, "is renewed at 1970-01-01T00:16:50.000Z", 8),
        (DAILY, 101, "is renewed at 1970-01-01T00:16:50.000Z", None),
        (GROWING, 50, "is renewed at 1970-01-01T00:16:50.000Z", 8),
        (GROWING, 60, "is renewed at 1970-01-01T00:16:50.000Z", 8),
        (GROWING, 61, "is renewed at 1970-01-01T00:16:50.000Z", 18),
        (GROWING.model_copy(update={"increase_tokens": 0}), 50, "is renewed", None),
        (ONCE, 50, "is not renewed", None),
        (ONCE.model_copy(update={"period_s": 1e300}), 50, "is not renewed", None),
        (ONCE.model_copy(update={"period_s": float("inf")}), 50, "is not renewed", None),
    ],
)
async def test_who_is_refused_learns_what_is_left_and_when_to_come_back(
    accounts, limit, tokens, renewal, retry_after_s
):
    own = accounts(limit)
    await own.reserve("a", 60)
    own.now_ms += 2_500

    with pytest.raises(QuotaExceeded) as raised:
        await own.reserve("b", tokens)

    told = f"The quota {limit.name} has 40 tokens left, and this turn needs {tokens} to start; it "
    assert raised.value.cause.startswith(told + renewal)
    assert raised.value.retry_after_s == retry_after_s


async def test_who_is_refused_by_several_is_told_of_the_one_that_takes_longest(accounts):
    own = accounts(GROWING, SHARED, DAILY)
    await own.reserve("a", 100)
    with pytest.raises(QuotaExceeded, match="The quota shared has 0"):
        await own.reserve("b", 50)

    await own.settle("a", 0)
    own.limits = (DAILY, GROWING)
    await own.reserve("c", 100)
    with pytest.raises(QuotaExceeded, match="The quota growing has 0"):
        await own.reserve("d", 50)
