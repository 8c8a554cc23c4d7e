"""The keys of an issuer of tokens: fetched beside the requests, and kept while it is away."""

import math
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from jwt import PyJWK, PyJWTError

from service.access.authenticators.exchange import Exchange, NoAnswer
from service.errors import AuthenticationUnavailable
from service.settings.access import JwtSettings
from service.supervision import kept_running

logger = structlog.get_logger()

type Keys = Mapping[tuple[str | None, str], PyJWK]
"""By their id and the algorithm that they are used with."""

_RETRY_S = 10.0
"""When an issuer that could not be reached is asked again."""

_COOLDOWN_S = 5.0
"""How long tokens with unknown keys cause no other look: anybody can send those.

It is never longer than keys live: whoever comes when they end waits for the next look.
"""

_KEYS_LIMIT = 100


class IssuerKeys:
    """Keeps the keys of one issuer fresh.

    One task asks, so there is never more than one question; whoever misses a key waits for it.
    """

    def __init__(self, exchange: Exchange, settings: JwtSettings) -> None:
        self._exchange = exchange
        self._url = str(settings.jwks_url)
        self._algorithms = settings.algorithms
        self._ttl_s = settings.keys_ttl_s
        self._cooldown_s = min(_COOLDOWN_S, settings.keys_ttl_s)
        self._good_for_s = settings.keys_ttl_s + settings.keys_stale_s
        self._patience_s = 2 * settings.timeout_s
        self._keys: Keys = {}
        self._fetched_at = -math.inf
        self._tried_at = -math.inf
        self._answering = False
        self._wanted = anyio.Event()
        self._tried = anyio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the keys fresh until the context is left; nobody waits for them here."""
        async with self._exchange.running(), anyio.create_task_group() as tasks:
            tasks.start_soon(kept_running, self._keep_fresh)
            yield
            tasks.cancel_scope.cancel()

    async def find(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """Return a key; None: the issuer has none of this name for this algorithm.

        Raises:
            AuthenticationUnavailable: the issuer cannot be asked whether it has.
        """
        key = self._known().get((kid, algorithm))
        if key is None and self._may_ask():
            tried = self._tried
            self._wanted.set()
            with anyio.move_on_after(self._patience_s):
                await tried.wait()
            key = self._known().get((kid, algorithm))
        if key is None and not self._answering:
            raise AuthenticationUnavailable("The issuer of tokens cannot be reached.")
        return key

    def _known(self) -> Keys:
        too_old = anyio.current_time() > self._fetched_at + self._good_for_s
        return {} if too_old else self._keys

    def _may_ask(self) -> bool:
        return anyio.current_time() >= self._tried_at + self._cooldown_s

    async def _keep_fresh(self) -> None:
        while True:
            await self._renew()
            self._tried_at = anyio.current_time()
            if self._answering:
                self._fetched_at = self._tried_at
            tried, self._tried, self._wanted = self._tried, anyio.Event(), anyio.Event()
            tried.set()
            with anyio.move_on_after(self._ttl_s if self._answering else _RETRY_S):
                await self._wanted.wait()

    async def _renew(self) -> None:
        try:
            self._keys = keys_of(await self._exchange.ask("GET", self._url), self._algorithms)
        except NoAnswer as failed:
            self._answering = False
            logger.warning("keys.not_renewed", reason=str(failed), known=len(self._known()))
            return
        self._answering = True
        if not self._keys:
            logger.warning("keys.none_usable")


def keys_of(answer: Mapping[str, object], algorithms: tuple[str, ...]) -> Keys:
    """Return the keys of a set that can be used; others are left out.

    Raises:
        NoAnswer: it is no set of keys.
    """
    listed = answer.get("keys")
    if not isinstance(listed, list) or len(listed) > _KEYS_LIMIT:
        raise NoAnswer(f"the answer is not a list of at most {_KEYS_LIMIT} keys")
    found: dict[tuple[str | None, str], PyJWK] = {}
    for each in listed:
        if isinstance(each, dict) and _is_for_signatures(each):
            for algorithm, key in _uses(each, algorithms):
                found.setdefault((each.get("kid"), algorithm), key)
    return found


def _is_for_signatures(jwk: dict[str, Any]) -> bool:
    """Tell whether a key is meant to check signatures; one with a private part is nobody's."""
    operations = jwk.get("key_ops", ["verify"])
    return (
        isinstance(jwk.get("kid", ""), str)
        and jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and "d" not in jwk
    )


def _uses(jwk: dict[str, Any], algorithms: tuple[str, ...]) -> Iterator[tuple[str, PyJWK]]:
    """Yield what a key can be used for: its own algorithm, else all that fit its kind."""
    for algorithm in algorithms:
        if jwk.get("alg", algorithm) != algorithm:
            continue
        try:
            key = PyJWK(jwk, algorithm)
            prepared = key.Algorithm.prepare_key(key.key)
        except (PyJWTError, UnsupportedAlgorithm):
            continue
        if key.Algorithm.check_key_length(prepared) is None:
            yield algorithm, key
