"""JSON Web Tokens of one issuer, checked with its keys (RFC 7519, RFC 8725)."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import jwt

from service.access.authenticators.exchange import open_exchange
from service.access.authenticators.jwks import IssuerKeys
from service.access.authenticators.tokens import as_time, presented
from service.access.claims import claim, is_user
from service.domain import Identity
from service.errors import CredentialExpired, CredentialInvalid, SettingsInvalid
from service.settings.access import JwtSettings

_CAUSES: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.InvalidSignatureError, "Its signature is not that of the issuer."),
    (jwt.ImmatureSignatureError, "It is not valid yet."),
    (jwt.InvalidAudienceError, "It is for another audience."),
    (jwt.InvalidIssuerError, "It is from another issuer."),
    (jwt.MissingRequiredClaimError, "A claim that is needed is missing."),
)


class JsonWebTokens:
    """Recognises who an issuer says somebody is."""

    def __init__(self, settings: JwtSettings, keys: IssuerKeys) -> None:
        self._settings = settings
        self._keys = keys

    def running(self) -> AbstractAsyncContextManager[None]:
        """See `Authenticator`."""
        return self._keys.running()

    async def identify(self, token: str | None) -> Identity:
        """Return whose token this is.

        Raises:
            CredentialMissing: there is none.
            CredentialInvalid, CredentialExpired: it is not taken.
            AuthenticationUnavailable: its key is not known, and the issuer cannot be asked.
        """
        token = presented(token)
        kid, algorithm = self._header(token)
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise CredentialInvalid("Its key is none of the issuer's.")
        return self._identity(self._claims(token, key))

    def _header(self, token: str) -> tuple[str | None, str]:
        """Return which key a token says it was signed with; nothing of it is proved yet."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise CredentialInvalid("It is not a JSON Web Token.") from None
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._settings.algorithms:
            raise CredentialInvalid("Its algorithm is not taken here.")
        return header.get("kid"), algorithm

    def _claims(self, token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
        settings = self._settings
        try:
            # The key has one algorithm, whatever the token says.
            return jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=settings.audience,
                issuer=settings.issuer,
                leeway=settings.leeway_s,
                options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
            )
        except jwt.ExpiredSignatureError:
            raise CredentialExpired("The token has ended.") from None
        except jwt.PyJWTError as refused:
            causes = (cause for kind, cause in _CAUSES if isinstance(refused, kind))
            raise CredentialInvalid(next(causes, "It cannot be read.")) from None

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        settings = self._settings
        user, name = claim(claims, settings.user_claim), claim(claims, settings.name_claim)
        if not is_user(user):
            raise CredentialInvalid(f"Its claim {settings.user_claim} names no user.")
        listed = claim(claims, settings.roles_claim) if settings.roles_claim else ()
        roles = listed if isinstance(listed, list) else ()
        # The library takes a text as well, which no issuer has any business to send.
        ends_at = as_time(claims["exp"])
        if ends_at is None:
            raise CredentialInvalid("Its claim exp is no time.")
        return Identity(
            user=user,
            name=name if is_user(name) else "",
            roles=tuple(each for each in roles if isinstance(each, str)),
            claims=claims,
            expires_at=ends_at + settings.leeway_s,
        )


def open_json_web_tokens(settings: JwtSettings) -> JsonWebTokens:
    """Return what recognises tokens; the issuer is asked when it runs.

    Raises:
        SettingsInvalid: it cannot work with these settings.
    """
    url = settings.jwks_url
    if url is None or not settings.issuer or not settings.audience:
        raise SettingsInvalid(
            "authentication.by is `jwt`, which needs jwt.jwks_url, jwt.issuer and jwt.audience"
        )
    exchange = open_exchange("jwt", url, settings.ca_file, settings.timeout_s)
    return JsonWebTokens(settings, IssuerKeys(exchange, settings))
