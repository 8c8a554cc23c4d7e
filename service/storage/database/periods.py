"""Periods of quotas that were changed in the settings.

Another period counts from the start of the process that has it first: what was before has been
another quota. Not from the next question on, as who is refused keeps nothing.
"""

from typing import Any

from sqlalchemy import Update, and_, case, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from service.settings.data import QuotaSettings
from service.storage.database.accounts import full, kept_period_ms
from service.storage.database.tables import quotas

AT_ONCE = 1_000
"""How many accounts get another period in one transaction: others want to write as well."""


async def begin_changed(connection: AsyncConnection, limit: QuotaSettings, now_ms: int) -> int:
    """Let accounts begin another period where they have not that of the settings.

    Returns how many there were; there may be more when it is `AT_ONCE`.
    """
    return (await connection.execute(_begun(limit, now_ms))).rowcount


def _begun(limit: QuotaSettings, now_ms: int) -> Update:
    period_ms, key = kept_period_ms(limit), (quotas.c.name, quotas.c.user)
    values: dict[str, Any] = {"period_began_ms": now_ms, "period_ms": period_ms}
    if period_ms > 0 and limit.increase_tokens is None:
        # One that is over was due, although nobody has looked since.
        over = quotas.c.period_began_ms + quotas.c.period_ms <= now_ms
        due = and_(quotas.c.period_ms > 0, over)
        values["available"] = case((due, full(limit)), else_=quotas.c.available)
    others = (
        select(*key)
        .where(quotas.c.name == limit.name, quotas.c.period_ms != period_ms)
        .order_by(*key)
        .limit(AT_ONCE)
        .with_for_update()
    )
    return update(quotas).where(tuple_(*key).in_(others)).values(values)
