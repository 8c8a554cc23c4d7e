"""Quotas as a list of what turns have taken: what must be left is added up anew each time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from service.settings.data import QuotaSettings


@dataclass(slots=True)
class Entry:
    """A turn: what it reserved and when, and what it had used when it ended."""

    user: str
    at_ms: int
    tokens: int
    ended_ms: int | None = None
    used: int = 0


@dataclass(slots=True)
class Ledger:
    """All turns that were let in, and when who first asked for what."""

    limits: Sequence[QuotaSettings]
    entries: dict[str, Entry] = field(default_factory=dict)
    _began_ms: dict[tuple[str, str], int] = field(default_factory=dict)

    def reserve(self, request_id: str, user: str, tokens: int, now_ms: int) -> bool:
        """Note a turn if every quota has enough for it."""
        if any(self.left(limit, user, now_ms) < tokens for limit in self.limits):
            return False
        for limit in self.limits:
            self._began_ms.setdefault((limit.name, _holder(limit, user)), now_ms)
        self.entries[request_id] = Entry(user, now_ms, tokens)
        return True

    def running(self) -> list[str]:
        """Return the turns that have not ended."""
        return [name for name, each in self.entries.items() if each.ended_ms is None]

    def available(self, user: str, now_ms: int) -> dict[str, int]:
        """Return what is left of each quota."""
        return {limit.name: self.left(limit, user, now_ms) for limit in self.limits}

    def left(self, limit: QuotaSettings, user: str, now_ms: int) -> int:
        """Return what is left of a quota."""
        holder = _holder(limit, user)
        began_ms = self._began_ms.get((limit.name, holder), now_ms)
        now = _period(limit, began_ms, now_ms)
        spent = 0
        for entry in self.entries.values():
            if _holder(limit, entry.user) == holder:
                taken = _period(limit, began_ms, entry.at_ms)
                ended = None
                if entry.ended_ms is not None:
                    ended = _period(limit, began_ms, entry.ended_ms)
                spent += sum(_spent(limit, entry, taken=taken, ended=ended, now=now))
        added = 0 if limit.increase_tokens is None else limit.increase_tokens * now
        return limit.initial_tokens + added - spent


def _spent(
    limit: QuotaSettings, entry: Entry, *, taken: int, ended: int | None, now: int
) -> Iterator[int]:
    """Yield what a turn counts for in the period `now`."""
    whole = entry.tokens if ended is None else entry.used
    if limit.increase_tokens is not None or taken == now:
        yield whole
    elif ended == now:
        # What was reserved is forgotten, and with it what would be given back.
        yield max(0, entry.used - entry.tokens)


def _holder(limit: QuotaSettings, user: str) -> str:
    return user if limit.scope == "user" else "everybody"


def _period(limit: QuotaSettings, began_ms: int, at_ms: int) -> int:
    return 0 if limit.period_s is None else (at_ms - began_ms) // round(limit.period_s * 1_000)
