"""What turns do to the quotas of one database, and some quotas."""

from service.settings.data import QuotaSettings
from service.storage.database import quotas
from service.storage.database.engine import SqlDatabase

A_PERIOD_MS = 10_000
START_MS = 1_000_000
DAILY = QuotaSettings(name="daily", initial_tokens=100, period_s=10)
GROWING = QuotaSettings(name="growing", initial_tokens=100, increase_tokens=20, period_s=10)
SHARED = QuotaSettings(name="shared", scope="cluster", initial_tokens=100)
ONCE = QuotaSettings(name="once", initial_tokens=100)


class Accounts:
    """What turns do, at a time that is set by hand."""

    def __init__(self, database: SqlDatabase, *limits: QuotaSettings) -> None:
        self.database = database
        self.limits = limits
        self.now_ms = START_MS

    async def reserve(self, request_id: str, tokens: int, user: str = "alice") -> None:
        """Let a turn begin."""
        async with self.database.writing() as connection:
            await quotas.reserve(connection, self.limits, user, request_id, tokens, self.now_ms)

    async def settle(self, request_id: str, used: int) -> None:
        """Let a turn end."""
        async with self.database.writing() as connection:
            await quotas.settle(connection, request_id, used, self.now_ms, self.limits)

    async def settle_all(self, used: dict[str, int]) -> None:
        """Let turns end at once."""
        async with self.database.writing() as connection:
            await quotas.settle_all(connection, used, self.now_ms, self.limits)

    async def release(self, request_id: str) -> None:
        """Let a turn not run."""
        async with self.database.writing() as connection:
            await quotas.release(connection, request_id)

    async def left(self, user: str = "alice") -> dict[str, int]:
        """Return what is left of each quota."""
        async with self.database.reading() as connection:
            return await quotas.available(connection, self.limits, user, self.now_ms)
