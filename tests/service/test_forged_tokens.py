"""JSON Web Tokens: every way to forge one, and keys that are none."""

from contextlib import suppress

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from service.access.authenticators.exchange import NoAnswer
from service.access.authenticators.jwks import keys_of
from service.errors import CredentialInvalid, CredentialMissing
from tests.support.fixtures import no_authorities_of_the_system
from tests.support.issuer import (
    ISSUER,
    KeyServer,
    claims,
    encoded,
    jwk,
    private_key,
    publishes,
    recognising,
    refused,
    signed,
    token,
)

pytestmark = pytest.mark.slow

__all__ = ["no_authorities_of_the_system"]

ALL = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


# Forgery.


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


# Junk.


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
