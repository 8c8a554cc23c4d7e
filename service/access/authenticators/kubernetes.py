"""Tokens that a Kubernetes cluster knows: service accounts, and people of its own issuer."""

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial

import jwt
import structlog

from service.access.authenticators.cluster import Cluster, User
from service.access.authenticators.exchange import NoAnswer, open_exchange
from service.access.authenticators.reviews import KeptVerdicts, Refusal, SharedReviews, Verdict
from service.access.authenticators.tokens import as_time, presented
from service.domain import Identity
from service.errors import (
    AuthenticationUnavailable,
    CredentialExpired,
    CredentialInvalid,
    Forbidden,
    SettingsInvalid,
)
from service.settings.access import KubernetesSettings

logger = structlog.get_logger()

_REFUSED_TTL_S = 5.0
"""How long a refusal is good for: short, because leave may be given at any time."""

_KEPT_LIMIT = 10_000
"""Tokens of each sort; nobody can push out good ones with bad ones."""


class Kubernetes:
    """Recognises whom a cluster recognises and lets in."""

    def __init__(
        self, cluster: Cluster, cache_ttl_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the cluster; `clock` says how old answers are."""
        self._cluster = cluster
        self._admitted = KeptVerdicts(cache_ttl_s, _KEPT_LIMIT, clock)
        self._refused = KeptVerdicts(min(cache_ttl_s, _REFUSED_TTL_S), _KEPT_LIMIT, clock)
        self._reviews = SharedReviews()
        self._lost = False

    def running(self) -> AbstractAsyncContextManager[None]:
        """See `Authenticator`."""
        return self._cluster.running()

    async def identify(self, token: str | None) -> Identity:
        """Return whose token this is.

        Raises:
            CredentialMissing: there is none.
            CredentialInvalid, CredentialExpired: the cluster does not take it.
            Forbidden: the cluster does not let this one use the service.
            AuthenticationUnavailable: the cluster cannot be asked.
        """
        token = presented(token)
        key = hashlib.sha256(token.encode()).hexdigest()
        verdict = self._admitted.get(key) or self._refused.get(key)
        if verdict is None:
            verdict = await self._reviews.verdict(key, partial(self._review, key, token))
        if isinstance(verdict, Refusal):
            raise verdict.error(verdict.cause)
        if verdict.expires_at is not None and time.time() >= verdict.expires_at:
            raise CredentialExpired("The token has ended.")
        return verdict

    async def _review(self, key: str, token: str) -> Verdict:
        """Ask the cluster, and keep what it says; that it says nothing is not kept."""
        try:
            verdict = await self._asked(token)
        except NoAnswer as failed:
            if not self._lost:
                self._lost = True
                logger.warning("cluster.lost", reason=str(failed))
            return Refusal(AuthenticationUnavailable, "The cluster cannot be asked.")
        if self._lost:
            self._lost = False
            logger.warning("cluster.recovered")
        kept = self._refused if isinstance(verdict, Refusal) else self._admitted
        kept.keep(key, verdict)
        return verdict

    async def _asked(self, token: str) -> Verdict:
        user = await self._cluster.owner(token)
        if user is None:
            return Refusal(CredentialInvalid, "The cluster does not know the token.")
        if not await self._cluster.admits(user):
            return Refusal(Forbidden, "The cluster does not let you use this service.")
        return _identity(user, token)


def open_kubernetes(settings: KubernetesSettings) -> Kubernetes:
    """Return what recognises tokens of a cluster, which is asked when they come.

    Raises:
        SettingsInvalid: it cannot work with these settings.
    """
    try:
        settings.token_file.read_text(encoding="ascii")
    except (OSError, ValueError) as refused:
        reason = refused.strerror if isinstance(refused, OSError) else "it is no token"
        file = f"kubernetes.token_file {settings.token_file}"
        raise SettingsInvalid(f"{file} cannot be read: {reason}") from None
    exchange = open_exchange("kubernetes", settings.api_url, settings.ca_file, settings.timeout_s)
    return Kubernetes(Cluster(exchange, settings), settings.cache_ttl_s)


def _identity(user: User, token: str) -> Identity:
    name = str(user["username"])
    return Identity(user=name, name=name, claims=user, expires_at=_end_of(token))


def _end_of(token: str) -> float | None:
    """Return when a token ends that the cluster has taken; None where that cannot be seen."""
    try:
        claims: Mapping[str, object] = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return None
    return as_time(claims.get("exp"))
