"""What stands in an account of a quota: renewals, charges and refusals. Nothing here reads.

An account is renewed when somebody looks at it, by whole periods since its first use: nothing has
to happen at a certain time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from service.domain import Quota
from service.errors import QuotaExceeded
from service.settings.data import QuotaSettings

NEVER_FORGOTTEN = 0
"""The period of a reservation from which no renewal takes anything away: it only adds."""

_EVERYBODY = ""
_MOST = 2**53 - 1
"""What every reader of JSON can tell from its neighbours."""

_LAST_MS = 253_402_300_799_999
"""The end of the year 9999, after which there are no dates."""

type Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Account:
    """What is left of a quota, for one user or for all."""

    name: str
    user: str
    available: int
    period_began_ms: int

    @property
    def key(self) -> Key:
        """What tells accounts apart."""
        return self.name, self.user


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a turn has taken of an account, in which of its periods."""

    key: Key
    tokens: int
    period_began_ms: int


def new_account(limit: QuotaSettings, user: str, now_ms: int) -> Account:
    """Return the account of a user as it begins."""
    owner = user if limit.scope == "user" else _EVERYBODY
    return Account(limit.name, owner, _bounded(limit.initial_tokens), now_ms)


def renewed(account: Account, limit: QuotaSettings, now_ms: int) -> Account:
    """Return an account after the periods that are over."""
    period_ms = _period_ms(limit)
    if period_ms is None or now_ms < account.period_began_ms + period_ms:
        return account
    periods = (now_ms - account.period_began_ms) // period_ms
    left = limit.initial_tokens
    if limit.increase_tokens is not None:
        left = account.available + periods * limit.increase_tokens
    began_ms = account.period_began_ms + periods * period_ms
    return replace(account, available=_bounded(left), period_began_ms=began_ms)


def reserved(account: Account, limit: QuotaSettings, tokens: int) -> tuple[Account, Reservation]:
    """Return an account without the tokens of a turn, and what says so."""
    forgets = limit.increase_tokens is None
    period_began_ms = account.period_began_ms if forgets else NEVER_FORGOTTEN
    taken = replace(account, available=account.available - tokens)
    return taken, Reservation(account.key, tokens, period_began_ms)


def charged(account: Account, reservation: Reservation, used: int) -> Account:
    """Return an account that a turn has used, and not only reserved.

    A renewal that begins anew has forgotten what was reserved before, so that only what exceeds it
    is charged.
    """
    back = reservation.tokens - max(0, used)
    if reservation.period_began_ms not in (NEVER_FORGOTTEN, account.period_began_ms):
        back = min(0, back)
    return replace(account, available=_bounded(account.available + back))


def spent(account: Account, tokens: int) -> Account:
    """Return an account of which tokens were used beside any reservation."""
    return replace(account, available=_bounded(account.available - tokens))


def exceeded(
    lacking: Sequence[tuple[Account, QuotaSettings]], tokens: int, now_ms: int
) -> QuotaExceeded:
    """Return what to tell of those that have too few tokens: of who takes longest to have them."""
    waits = [(_enough_ms(account, limit, tokens), account, limit) for account, limit in lacking]
    enough_ms, account, limit = max(waits, key=lambda each: (each[0] is None, each[0] or 0))
    at_ms = renews_ms(account, limit)
    renewal = "is not renewed" if at_ms is None else f"is renewed at {_utc(at_ms)}"
    cause = (
        f"The quota {limit.name} has {account.available} tokens left, and this turn needs {tokens} "
        f"to start; it {renewal}."
    )
    retry_after_s = None if enough_ms is None else max(1, -((now_ms - enough_ms) // 1_000))
    return QuotaExceeded(cause, retry_after_s)


def told(account: Account, limit: QuotaSettings) -> Quota:
    """Return an account as its users see it."""
    at_ms = renews_ms(account, limit)
    renews_at = None if at_ms is None else at_ms / 1_000
    return Quota(limit.name, limit.scope, account.available, renews_at)


def renews_ms(account: Account, limit: QuotaSettings) -> int | None:
    """Return when an account is renewed next, None for never."""
    period_ms = _period_ms(limit)
    if period_ms is None or account.period_began_ms + period_ms > _LAST_MS:
        return None
    return account.period_began_ms + period_ms


def _enough_ms(account: Account, limit: QuotaSettings, tokens: int) -> int | None:
    """Return when an account has so many tokens if nobody takes any, None for never."""
    next_ms, period_ms = renews_ms(account, limit), _period_ms(limit)
    if next_ms is None or period_ms is None:
        return None
    if limit.increase_tokens is None:
        return next_ms if limit.initial_tokens >= tokens else None
    if limit.increase_tokens == 0:
        return None
    periods = -((account.available - tokens) // limit.increase_tokens)
    return next_ms + (periods - 1) * period_ms


def _period_ms(limit: QuotaSettings) -> int | None:
    if limit.period_s is None:
        return None
    return max(1, round(min(limit.period_s * 1_000, _LAST_MS)))


def _utc(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms / 1_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _bounded(tokens: int) -> int:
    return max(-_MOST, min(tokens, _MOST))
