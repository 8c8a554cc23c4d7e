"""JSON Web Tokens: which are taken, and as whom."""

import time

import pytest

from service.errors import CredentialExpired, CredentialInvalid, CredentialMissing
from tests.support.fixtures import no_authorities_of_the_system
from tests.support.issuer import (
    AUDIENCE,
    ISSUER,
    KeyServer,
    claims,
    jwk,
    private_key,
    publishes,
    recognising,
    refused,
    signed,
    token,
)

__all__ = ["no_authorities_of_the_system"]

ALL = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
KINDS = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}


async def identity(sent=None, server=None, **settings):
    async with recognising(server, **settings) as authenticator:
        return await authenticator.identify(token() if sent is None else sent)


# What is taken.


async def test_a_good_token_tells_who_somebody_is():
    expires_at = int(time.time()) + 300

    found = await identity(token(exp=expires_at))

    assert (found.user, found.name, found.roles) == ("f3b1", "ann", ())
    assert found.expires_at == expires_at + 10
    assert found.claims["iss"] == ISSUER


@pytest.mark.parametrize("algorithm", ALL)
@pytest.mark.parametrize("stated", [True, False])
async def test_every_algorithm_that_can_be_allowed_is_understood(algorithm, stated):
    key = private_key("one", KINDS.get(algorithm, "RSA"))
    published = jwk(key, alg=algorithm) if stated else jwk(key)
    sent = signed(claims(), key, algorithm)

    found = await identity(sent, KeyServer(publishes(published)), algorithms=ALL)

    assert found.user == "f3b1"


async def test_the_right_one_of_several_keys_is_used():
    other = private_key("two")
    server = KeyServer(publishes(jwk(private_key(), "k1"), jwk(other, "k2")))

    assert (await identity(signed(claims(), other, kid="k2"), server)).user == "f3b1"


async def test_a_token_that_names_no_key_is_checked_with_the_one_that_has_no_name():
    server = KeyServer(publishes(jwk(private_key("two")), jwk(private_key(), None)))

    assert (await identity(signed(claims(), kid=None), server)).user == "f3b1"


async def test_claims_may_stand_in_objects():
    """As Keycloak has them."""
    given = {"realm_access": {"roles": ["admin", "offline_access", 7]}, "who": {"id": "x"}}

    found = await identity(
        token(**given, **{"https://a.test/name": "Ann"}),
        user_claim="who.id",
        name_claim="https://a.test/name",
        roles_claim="realm_access.roles",
    )

    assert (found.user, found.name, found.roles) == ("x", "Ann", ("admin", "offline_access"))


@pytest.mark.parametrize("roles", ["admin", {"admin": True}, 7, [["admin"]]])
async def test_roles_are_a_list_of_texts(roles):
    assert (await identity(token(roles=roles), roles_claim="roles")).roles == ()


async def test_without_a_setting_no_claim_is_a_role():
    assert (await identity(token(roles=["admin"]))).roles == ()


@pytest.mark.parametrize("name", [None, 7, "", "a\nb"])
async def test_a_name_is_not_needed(name):
    assert (await identity(token(preferred_username=name))).name == ""


async def test_one_of_several_audiences_is_enough():
    assert await identity(token(aud=["other", AUDIENCE]))


async def test_clocks_may_differ_a_little():
    now = int(time.time())

    assert await identity(token(exp=now - 5, nbf=now + 5, iat=now + 5))
    assert await refused(token(exp=now - 5), CredentialExpired, leeway_s=0)
    assert await refused(token(nbf=now + 5), leeway_s=0)


@pytest.mark.parametrize("exp", [10**400, 1e300, 2**63])
async def test_an_end_that_nobody_will_see_is_one_that_fits_everywhere(exp):
    assert (await identity(token(exp=exp))).expires_at == 253_402_300_799 + 10


# What is not.


@pytest.mark.parametrize("sent", [None, ""])
async def test_without_a_token_nobody_is_recognised(sent):
    assert await refused(sent, CredentialMissing)


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"aud": "other"}, "It is for another audience."),
        ({"aud": ["other", "turnstile2"]}, "It is for another audience."),
        ({"aud": {"turnstile": True}}, "It is for another audience."),
        ({"aud": [["turnstile"]]}, "It is for another audience."),
        ({"aud": []}, "A claim that is needed is missing."),
        ({"aud": None}, "A claim that is needed is missing."),
        ({"iss": "https://issuer.test/realms/b"}, "It is from another issuer."),
        ({"iss": ISSUER + "/"}, "It is from another issuer."),
        ({"iss": None}, "A claim that is needed is missing."),
        ({"exp": None}, "A claim that is needed is missing."),
        ({"exp": "soon"}, "It cannot be read."),
        ({"exp": "99999999999"}, "Its claim exp is no time."),
        ({"exp": float("nan")}, "It cannot be read."),
        ({"exp": True}, "The token has ended."),
        ({"nbf": 99_999_999_999}, "It is not valid yet."),
        ({"iat": 99_999_999_999}, "It is not valid yet."),
        ({"sub": None}, "Its claim sub names no user."),
        ({"sub": ""}, "Its claim sub names no user."),
        ({"sub": "a\0b"}, "Its claim sub names no user."),
        ({"sub": "\ud800"}, "Its claim sub names no user."),
        ({"sub": 7}, "It cannot be read."),
        ({"exp": 1}, "The token has ended."),
    ],
)
async def test_claims_that_are_not_good_are_refused(changed, cause):
    error = CredentialExpired if cause == "The token has ended." else CredentialInvalid

    try:
        sent = token(**changed)
    except TypeError:  # the library signs no issuer that is not a text
        pytest.fail("cannot be signed")
    assert await refused(sent, error) == cause
