"""JSON Web Tokens: which are taken, as whom, and every way to forge one."""

import base64
import json
import time
from contextlib import suppress

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from service.access.authenticators.exchange import NoAnswer
from service.access.authenticators.jwks import keys_of
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
    signed,
    token,
)

__all__ = ["no_authorities_of_the_system"]

ALL = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
KINDS = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}


async def identity(sent=None, server=None, **settings):
    async with recognising(server, **settings) as authenticator:
        return await authenticator.identify(token() if sent is None else sent)


async def refused(sent, error=CredentialInvalid, **settings):
    """Return why a token is not taken."""
    async with recognising(**settings) as authenticator:
        with pytest.raises(error) as raised:
            await authenticator.identify(sent)
    assert type(raised.value) is error
    return raised.value.cause


def encoded(part):
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


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


async def test_an_issuer_that_is_no_text_is_refused():
    header, _, signature = token().split(".")

    assert await refused(f"{header}.{encoded(claims(iss=[ISSUER]))}.{signature}")


async def test_a_token_without_a_signature_is_refused():
    unsigned = jwt.encode(claims(), None, "none", headers={"kid": "k1"})
    header = encoded({"alg": "nOnE", "kid": "k1"})

    assert await refused(unsigned) == "Its algorithm is not taken here."
    assert await refused(f"{header}.{encoded(claims())}.") == "Its algorithm is not taken here."
    _, payload, _ = token().split(".")
    assert await refused(f"{encoded({'alg': 'RS256', 'kid': 'k1'})}.{payload}.")


async def test_a_public_key_cannot_sign():
    """HS256 with the public key as its secret, in every form that it may have."""
    public = private_key().public_key()
    forms = [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        jwk(private_key())["n"].encode(),
    ]
    head = f"{encoded({'alg': 'HS256', 'kid': 'k1'})}.{encoded(claims())}"
    for form in forms:
        made = HMACAlgorithm(HMACAlgorithm.SHA256).sign(head.encode(), form)
        assert await refused(f"{head}.{encoded(made)}") == "Its algorithm is not taken here."


async def test_the_algorithm_of_a_key_is_not_the_token_s_to_choose():
    server = KeyServer(publishes(jwk(private_key(), alg="RS256")))
    sent = signed(claims(), algorithm="RS512")

    told = await refused(sent, server=server, algorithms=["RS256", "RS512"])

    assert told == "Its key is none of the issuer's."


async def test_an_algorithm_that_is_not_allowed_is_refused():
    assert await refused(signed(claims(), algorithm="RS512")) == "Its algorithm is not taken here."


async def test_a_key_of_somebody_else_is_refused():
    told = await refused(signed(claims(), private_key("two")))

    assert told == "Its signature is not that of the issuer."


@pytest.mark.parametrize("kid", ["k2", "", "../../dev/null", "' OR 1=1", None])
async def test_a_key_that_the_issuer_has_not_is_refused(kid):
    told = await refused(signed(claims(), kid=kid))

    assert told == "Its key is none of the issuer's."


async def test_no_key_is_taken_from_the_token_itself():
    other = private_key("two")
    brought = {"jwk": jwk(other), "jku": "https://evil.test/keys", "x5u": "https://evil.test"}

    told = await refused(signed(claims(), other, **brought))

    assert told == "Its signature is not that of the issuer."


async def test_a_changed_claim_spoils_the_signature():
    header, _, signature = token().split(".")

    assert await refused(f"{header}.{encoded(claims(sub='root'))}.{signature}")


async def test_an_extension_that_must_be_understood_and_is_not_is_refused():
    assert await refused(signed(claims(), crit=["exp"], exp=1)) == "It is not a JSON Web Token."
    assert await refused(signed(claims(), crit=["b64"], b64=False))


async def test_what_is_longer_than_any_token_is_refused_before_it_is_read():
    assert await refused(token(more="x" * 16_384)) == "The token is too long."


@given(sent=st.text(st.characters(max_codepoint=255), min_size=1) | st.from_regex(r"\A[\w.-]*\Z"))
async def test_junk_is_refused(sent):
    await refused(sent, CredentialInvalid if sent else CredentialMissing)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
CLAIM = st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "preferred_username"])


@given(changed=st.dictionaries(CLAIM, JSON))
async def test_whatever_claims_hold_is_taken_or_refused(changed):
    """They are signed by the issuer, so this is about mistakes, not about forgery."""
    good = claims()
    head = f"{encoded({'alg': 'RS256', 'kid': 'k1'})}.{encoded(good | changed)}"
    made = RSAAlgorithm(RSAAlgorithm.SHA256)
    sent = f"{head}.{encoded(made.sign(head.encode(), private_key()))}"

    async with recognising() as authenticator:
        with suppress(CredentialInvalid):
            found = await authenticator.identify(sent)
            assert found.user == (good | changed)["sub"]
            assert found.expires_at < 1e12


@given(header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "zip"]), JSON))
async def test_whatever_a_header_holds_is_refused(header):
    payload = encoded(claims())

    await refused(f"{encoded(header)}.{payload}.{encoded(b'signature')}")


async def test_a_deep_token_is_refused():
    deep = encoded(b"[" * 10_000)

    assert await refused(f"{deep}.{encoded({})}.") == "It is not a JSON Web Token."


async def test_nothing_of_a_token_is_logged_or_told(log):
    sent = signed(claims(sub="ann-the-secret"), private_key("two"))

    told = await refused(sent)

    assert "ann-the-secret" not in repr(log) + told
    assert sent.split(".")[2] not in repr(log) + told


# Which keys can be used.


@pytest.mark.parametrize(
    "changed",
    [
        {"use": "enc"},
        {"use": None},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"alg": "RS512"},
        {"alg": "RSA-OAEP"},
        {"alg": "HS256"},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "EC"},
        {"kty": None},
        {"kid": 7},
        {"n": "AQAB"},
        {"n": 7},
        {"e": ""},
    ],
)
def test_a_key_that_is_not_for_this_is_left_out(changed):
    good = jwk(private_key())

    assert set(keys_of({"keys": [good]}, ("RS256", "ES256"))) == {("k1", "RS256")}
    assert keys_of({"keys": [good | changed]}, ("RS256", "ES256")) == {}


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("RSA", RSAAlgorithm), ("P-256", ECAlgorithm), ("Ed25519", OKPAlgorithm)],
)
def test_a_private_key_is_left_out(kind, algorithm):
    """Everybody can read it, so everybody can sign with it."""
    private = algorithm.to_jwk(private_key("one", kind), as_dict=True)
    private.pop("key_ops", None)

    assert keys_of({"keys": [private]}, tuple(ALL)) == {}


def test_a_key_that_is_too_short_is_left_out():
    assert keys_of({"keys": [jwk(private_key("short", "RSA-1024"))]}, ("RS256",)) == {}


def test_a_curve_belongs_to_one_algorithm():
    published = {"keys": [jwk(private_key("one", "P-384"))]}

    assert set(keys_of(published, ("ES256", "ES384", "ES512"))) == {("k1", "ES384")}


def test_a_bad_key_costs_no_other_its_place():
    published = {"keys": [None, 7, "key", {}, jwk(private_key()) | {"n": "?"}, jwk(private_key())]}

    assert set(keys_of(published, ("RS256",))) == {("k1", "RS256")}


@pytest.mark.parametrize("answer", [{}, {"keys": None}, {"keys": {}}, {"keys": [{}] * 101}])
def test_what_is_no_set_of_keys_is_no_answer(answer):
    with pytest.raises(NoAnswer):
        keys_of(answer, ("RS256",))


MEMBER = st.sampled_from(["kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x", "y"])
KIND = st.sampled_from(["RSA", "EC", "OKP", "oct"])


@given(changed=st.dictionaries(MEMBER, JSON | KIND), kind=st.sampled_from(["P-256", "Ed25519"]))
def test_whatever_a_key_holds_it_is_used_or_left_out(changed, kind):
    keys_of({"keys": [jwk(private_key("one", kind)) | changed, changed]}, tuple(ALL))
