"""Quotas of tokens: what a turn takes before it starts, and what it has cost at its end.

1. Accounts are locked before they are read, by their names and then their users. So two processes
   never spend the same tokens, and never wait for each other in a circle. SQLite has one writer.
2. A turn that has used more than it reserved is charged for all of it: an account can go below
   zero, and then nothing starts until it is renewed.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain import Quota
from service.settings.data import QuotaSettings
from service.storage.database.accounts import (
    Account,
    Key,
    Reservation,
    charged,
    exceeded,
    new_account,
    renewed,
    reserved,
    spent,
    told,
)
from service.storage.database.engine import SqlDatabase
from service.storage.database.statements import insert
from service.storage.database.tables import quotas, reservations

_keys: BindParameter[Any] = bindparam("of_keys", expanding=True)
_READ = (
    select(quotas)
    .where(tuple_(quotas.c.name, quotas.c.user).in_(_keys))
    .order_by(quotas.c.name, quotas.c.user)
)
_LOCK = _READ.with_for_update()
_same = quotas.alias()
_there = (
    select(func.count()).select_from(_same).where(tuple_(_same.c.name, _same.c.user).in_(_keys))
)
# Where some are missing nothing is locked: who makes them waits for others that do, and must hold
# nothing then.
_LOCK_ALL = _LOCK.where(_there.scalar_subquery() == bindparam("of_all"))
_WRITE = (
    update(quotas)
    .where(quotas.c.name == bindparam("of_name"), quotas.c.user == bindparam("of_user"))
    .values(available=bindparam("left"), period_began_ms=bindparam("began_ms"))
)
_RESERVE = reservations.insert()
_SETTLE = (
    delete(reservations)
    .where(reservations.c.request_id.in_(bindparam("of_turns", expanding=True)))
    .returning(*reservations.columns)
)


async def reserve(  # noqa: PLR0913, PLR0917 # this is what a reservation is
    connection: AsyncConnection,
    limits: Sequence[QuotaSettings],
    user: str,
    request_id: str,
    tokens: int,
    now_ms: int,
) -> None:
    """Take tokens of every quota for a turn that is about to start.

    Raises:
        QuotaExceeded: one of them has too few; the transaction must be rolled back.
    """
    if not limits:
        return
    accounts = await _opened(connection, limits, user, now_ms)
    _see(accounts, tokens, now_ms)
    taken = [reserved(account, limit, tokens) for account, limit in accounts]
    await _write(connection, [account for account, _ in taken])
    rows = [_reservation_row(request_id, reservation) for _, reservation in taken]
    await connection.execute(_RESERVE, rows)


async def look(
    connection: AsyncConnection,
    limits: Sequence[QuotaSettings],
    user: str,
    tokens: int,
    now_ms: int,
) -> None:
    """Do nothing where every quota has tokens for one more turn now.

    Raises:
        QuotaExceeded: one of them has too few.
    """
    _see(await _standing(connection, limits, user, now_ms), tokens, now_ms)


async def settle(
    connection: AsyncConnection,
    request_id: str,
    used: int,
    now_ms: int,
    limits: Sequence[QuotaSettings],
) -> None:
    """Charge a turn that has ended for what it has used; doing it again changes nothing."""
    await settle_all(connection, {request_id: used}, now_ms, limits)


async def settle_all(
    connection: AsyncConnection,
    used: Mapping[str, int],
    now_ms: int,
    limits: Sequence[QuotaSettings],
) -> None:
    """Charge turns by their request ids; all that one transaction charges are charged at once."""
    deleted = await connection.execute(_SETTLE, {"of_turns": list(used)})
    taken = [
        (Reservation((row.name, row.user), row.tokens, row.period_began_ms), used[row.request_id])
        for row in deleted
    ]
    if not taken:
        return
    known = {each.name: each for each in limits}
    accounts = await _read(connection, _LOCK, {each.key for each, _ in taken})
    for key, account in accounts.items():
        if account.name in known:
            accounts[key] = renewed(account, known[account.name], now_ms)
    for reservation, cost in taken:
        # An account that somebody has deleted begins anew.
        if reservation.key in accounts:
            accounts[reservation.key] = charged(accounts[reservation.key], reservation, cost)
    await _write(connection, accounts.values())


async def release(connection: AsyncConnection, request_id: str) -> None:
    """Give back what a turn has reserved that will not run."""
    await settle_all(connection, {request_id: 0}, 0, ())


async def charge(
    connection: AsyncConnection,
    limits: Sequence[QuotaSettings],
    user: str,
    tokens: int,
    now_ms: int,
) -> None:
    """Take tokens of every quota of a user that were not reserved; less than none come back."""
    if limits:
        accounts = await _opened(connection, limits, user, now_ms)
        await _write(connection, [spent(account, tokens) for account, _ in accounts])


async def available(
    connection: AsyncConnection, limits: Sequence[QuotaSettings], user: str, now_ms: int
) -> dict[str, int]:
    """Return the tokens that are left of each quota, by its name."""
    accounts = await _standing(connection, limits, user, now_ms)
    return {account.name: account.available for account, _ in accounts}


class SqlQuotas:
    """See `Quotas`."""

    def __init__(
        self,
        database: SqlDatabase,
        limits: Sequence[QuotaSettings],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._limits = sorted(limits, key=lambda each: each.name)
        self._clock = clock

    async def of(self, user: str) -> Sequence[Quota]:
        """See `Quotas.of`."""
        if not self._limits:
            return ()
        now_ms = int(self._clock() * 1_000)
        async with self._database.reading() as connection:
            accounts = await _standing(connection, self._limits, user, now_ms)
        return [told(account, limit) for account, limit in accounts]

    async def charge(self, user: str, tokens: int) -> None:
        """See `Quotas.charge`."""
        now_ms = int(self._clock() * 1_000)
        async with self._database.writing() as connection:
            await charge(connection, self._limits, user, tokens, now_ms)


def _see(accounts: Sequence[tuple[Account, QuotaSettings]], tokens: int, now_ms: int) -> None:
    lacking = [each for each in accounts if each[0].available < tokens]
    if lacking:
        raise exceeded(lacking, tokens, now_ms)


async def _opened(
    connection: AsyncConnection, limits: Sequence[QuotaSettings], user: str, now_ms: int
) -> list[tuple[Account, QuotaSettings]]:
    """Return the accounts of a user, locked and renewed; those that are missing are made."""
    fresh = [new_account(limit, user, now_ms) for limit in limits]
    keys = [each.key for each in fresh]
    kept = await _read(connection, _LOCK_ALL, keys, of_all=len(keys))
    if not kept:
        rows = [_account_row(each) for each in sorted(fresh, key=lambda each: each.key)]
        made = insert(connection, quotas).values(rows).on_conflict_do_nothing()
        await connection.execute(made)
        kept = await _read(connection, _LOCK, keys)
    return [
        (renewed(kept[new.key], limit, now_ms), limit)
        for new, limit in zip(fresh, limits, strict=True)
    ]


async def _standing(
    connection: AsyncConnection, limits: Sequence[QuotaSettings], user: str, now_ms: int
) -> list[tuple[Account, QuotaSettings]]:
    """Return the accounts of a user as they are now, and change nothing."""
    if not limits:
        return []
    fresh = [new_account(limit, user, now_ms) for limit in limits]
    kept = await _read(connection, _READ, [each.key for each in fresh])
    return [
        (renewed(kept.get(new.key, new), limit, now_ms), limit)
        for new, limit in zip(fresh, limits, strict=True)
    ]


async def _read(
    connection: AsyncConnection, asked: Select[Any], keys: Iterable[Key], **more: int
) -> dict[Key, Account]:
    found = await connection.execute(asked, {"of_keys": sorted(keys), **more})
    return {(row.name, row.user): Account(*row) for row in found}


async def _write(connection: AsyncConnection, accounts: Iterable[Account]) -> None:
    values = [
        {
            "of_name": each.name,
            "of_user": each.user,
            "left": each.available,
            "began_ms": each.period_began_ms,
        }
        for each in accounts
    ]
    if values:
        await connection.execute(_WRITE, values)


def _account_row(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "user": account.user,
        "available": account.available,
        "period_began_ms": account.period_began_ms,
    }


def _reservation_row(request_id: str, reservation: Reservation) -> dict[str, object]:
    name, user = reservation.key
    return {
        "request_id": request_id,
        "name": name,
        "user": user,
        "tokens": reservation.tokens,
        "period_began_ms": reservation.period_began_ms,
    }
