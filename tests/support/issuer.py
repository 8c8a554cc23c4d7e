"""An issuer of JSON Web Tokens with real keys, whose server is played below httpx."""

import base64
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from service.access.authenticators.exchange import open_exchange
from service.access.authenticators.jwks import IssuerKeys
from service.access.authenticators.jwt import JsonWebTokens
from service.errors import CredentialInvalid, ServiceError
from service.settings.access import JwtSettings
from tests.support.played_server import Answer, PlayedServer, Reply, held, says

PATH = "/keys"
URL = f"https://issuer.test{PATH}"
ISSUER = "https://issuer.test/realms/a"
AUDIENCE = "turnstile"

type Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_CURVES: Mapping[str, type[Any]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}


@cache
def private_key(name: str = "one", kind: str = "RSA") -> Key:
    """Return the key of a name: `RSA`, `RSA-1024`, `Ed25519` or a curve."""
    assert name
    if kind.startswith("RSA"):
        bits = int(kind.partition("-")[2] or 2048)
        return rsa.generate_private_key(65537, bits)
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(_CURVES[kind]())


def jwk(key: Key, kid: str | None = "k1", **more: object) -> dict[str, Any]:
    """Return the public half of a key as an issuer publishes it."""
    made: dict[str, Any]
    if isinstance(key, rsa.RSAPrivateKey):
        made = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        made = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        made = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    made.pop("key_ops", None)
    return made | ({} if kid is None else {"kid": kid}) | {"use": "sig"} | more


def claims(**changed: object) -> dict[str, Any]:
    """Return good claims but for the changes; those that are None are left out."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "f3b1",
        "preferred_username": "ann",
        "exp": int(time.time()) + 600,
        "iat": int(time.time()),
    }
    return {name: value for name, value in (good | changed).items() if value is not None}


def signed(
    payload: dict[str, Any],
    key: Key | str | None = None,
    algorithm: str = "RS256",
    **headers: object,
) -> str:
    """Return a token; its key has the id `k1` unless a header says otherwise."""
    chosen: Any = private_key() if key is None else key
    wanted = {"kid": "k1"} | headers
    stated = {name: value for name, value in wanted.items() if value is not None}
    return jwt.encode(payload, chosen, algorithm, headers=stated)


def token(**changed: object) -> str:
    """Return a good token but for these claims."""
    return signed(claims(**changed))


class KeyServer(PlayedServer):
    """Where the keys of the issuer are."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__("https://issuer.test")
        self.says(*(replies or [publishes(jwk(private_key()))]))

    def says(self, *replies: Reply) -> None:
        """Give these from now on; the last one again and again."""
        self.on(PATH, *replies)


def publishes(*keys: object) -> Answer:
    """Return the answer that has these keys."""
    return says({"keys": keys})


def settings(**changed: object) -> JwtSettings:
    """Return settings for this issuer."""
    given = {"jwks_url": URL, "issuer": ISSUER, "audience": AUDIENCE} | changed
    return JwtSettings.model_validate(given)


@asynccontextmanager
async def recognising(
    server: KeyServer | None = None, **changed: object
) -> AsyncIterator[JsonWebTokens]:
    """Run what recognises tokens of this issuer."""
    given = settings(**changed)
    assert given.jwks_url is not None
    exchange = open_exchange("jwt", given.jwks_url, given.ca_file, given.timeout_s)
    authenticator = JsonWebTokens(given, IssuerKeys(exchange, given))
    async with (server or KeyServer()).playing(), held(authenticator.running()):
        yield authenticator


async def refused(
    sent: str | None, error: type[ServiceError] = CredentialInvalid, **more: Any
) -> str:
    """Return why a token is not taken; `more` is a server, or settings."""
    async with recognising(**more) as authenticator:
        with pytest.raises(error) as raised:
            await authenticator.identify(sent)
    assert type(raised.value) is error
    return raised.value.cause


def encoded(part: object) -> str:
    """Return a part of a token, as JSON unless it is bytes."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
