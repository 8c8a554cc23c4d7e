"""Tokens that a Kubernetes cluster knows: whose they are, and who is refused."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.authenticators.cluster import Cluster
from service.access.authenticators.exchange import open_exchange
from service.access.authenticators.kubernetes import Kubernetes
from service.errors import (
    AuthenticationUnavailable,
    CredentialExpired,
    CredentialInvalid,
    CredentialMissing,
    Forbidden,
)
from service.settings.access import KubernetesSettings
from tests.support.cluster import (
    ACCESS,
    KEPT_OUT,
    OWN,
    SENT,
    TOKENS,
    TTL_S,
    UNKNOWN,
    URL,
    USER,
    clock,
    known,
    refused,
    review,
    running,
    server,
    token_file,
)
from tests.support.fixtures import no_authorities_of_the_system
from tests.support.issuer import claims, signed

__all__ = ["clock", "no_authorities_of_the_system", "running", "server", "token_file"]


# Who it is.


async def test_whom_the_cluster_knows_and_lets_in_is_recognised(running):
    async with running() as authenticator:
        found = await authenticator.identify(SENT)

    assert (found.user, found.name, found.roles) == (USER["username"], USER["username"], ())
    assert found.claims == USER
    assert found.expires_at is None


async def test_the_cluster_is_asked_whose_the_token_is_and_whether_that_one_may(running, server):
    async with running() as authenticator:
        await authenticator.identify(SENT)

    first, second = server.asked
    assert (first.target, first.headers["authorization"]) == (TOKENS, f"Bearer {OWN}")
    assert first.body == {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": SENT},
    }
    assert (second.target, second.headers["authorization"]) == (ACCESS, f"Bearer {OWN}")
    assert second.body == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": USER["username"],
            "uid": USER["uid"],
            "groups": USER["groups"],
            "extra": USER["extra"],
            "nonResourceAttributes": {"path": "/turnstile", "verb": "get"},
        },
    }


async def test_what_a_caller_must_be_allowed_can_be_chosen(running, server):
    async with running(path="/elsewhere") as authenticator:
        await authenticator.identify(SENT)

    spec = server.to(ACCESS)[0].body["spec"]
    assert spec["nonResourceAttributes"]["path"] == "/elsewhere"


async def test_a_user_may_have_nothing_but_a_name(running, server):
    server.on(TOKENS, review("TokenReview", authenticated=True, user={"username": "ann"}))
    async with running() as authenticator:
        assert (await authenticator.identify(SENT)).user == "ann"

    assert set(server.to(ACCESS)[0].body["spec"]) == {"user", "nonResourceAttributes"}


async def test_a_stream_ends_when_the_token_says_that_it_does(running):
    exp = int(time.time()) + 600
    async with running() as authenticator:
        found = await authenticator.identify(signed(claims(exp=exp)))

    assert found.expires_at == exp


@pytest.mark.parametrize("exp", [None, "soon", True, float("nan")])
async def test_a_token_that_does_not_say_when_it_ends_has_no_end(running, exp):
    async with running() as authenticator:
        found = await authenticator.identify(signed(claims(exp=exp)))

    assert found.expires_at is None


async def test_an_answer_that_was_kept_is_not_used_after_the_end_of_its_token(running):
    """The cluster does not take it any more either."""
    async with running() as authenticator:
        told = await refused(authenticator, CredentialExpired, signed(claims(exp=1)))

    assert told == "The token has ended."


# Who is refused.


@pytest.mark.parametrize("sent", [None, ""])
async def test_without_a_token_nobody_is_recognised(running, server, sent):
    async with running() as authenticator:
        await refused(authenticator, CredentialMissing, sent)

    assert server.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        UNKNOWN,
        review("TokenReview"),
        review("TokenReview", authenticated="true", user=USER),
        review("TokenReview", authenticated=1, user=USER),
        review("TokenReview", authenticated=True),
        review("TokenReview", authenticated=True, user="ann"),
        review("TokenReview", authenticated=True, user={}),
        review("TokenReview", authenticated=True, user={"username": ""}),
        review("TokenReview", authenticated=True, user={"username": "a\0b"}),
        review("TokenReview", authenticated=True, user={"username": ["ann"]}),
    ],
)
async def test_whom_the_cluster_does_not_know_is_refused(running, server, answer):
    server.on(TOKENS, answer)
    async with running() as authenticator:
        told = await refused(authenticator, CredentialInvalid)

    assert told == "The cluster does not know the token."
    assert server.to(ACCESS) == []


@pytest.mark.parametrize(
    "answer",
    [
        KEPT_OUT,
        review("SubjectAccessReview"),
        review("SubjectAccessReview", allowed="yes"),
        review("SubjectAccessReview", allowed=True, denied=True),
    ],
)
async def test_whom_the_cluster_does_not_let_in_is_forbidden(running, server, answer):
    server.on(ACCESS, answer)
    async with running() as authenticator:
        told = await refused(authenticator, Forbidden)

    assert told == "The cluster does not let you use this service."


async def test_audiences_are_asked_for_and_looked_at(running, server):
    server.on(TOKENS, known(audiences=["turnstile"]))
    async with running(audiences=["other", "turnstile"]) as authenticator:
        assert await authenticator.identify(SENT)

    assert server.to(TOKENS)[0].body["spec"]["audiences"] == ["other", "turnstile"]


@pytest.mark.parametrize("audiences", [None, [], ["https://kubernetes.default.svc"], "turnstile"])
async def test_a_token_for_another_audience_is_refused(running, server, audiences):
    """A server that knows no audiences leaves them out, and takes every token for its own."""
    server.on(TOKENS, known() if audiences is None else known(audiences=audiences))
    async with running(audiences=["turnstile"]) as authenticator:
        await refused(authenticator, CredentialInvalid)


async def test_before_it_runs_nobody_is_recognised(token_file):
    settings = KubernetesSettings.model_validate({"api_url": URL, "token_file": token_file})
    exchange = open_exchange("kubernetes", settings.api_url, None, 1)

    await refused(Kubernetes(Cluster(exchange, settings), TTL_S), AuthenticationUnavailable)


@given(sent=st.text(min_size=1))
async def test_junk_is_asked_about_or_refused_unread(sent):
    """With a cluster that cannot be asked, whatever is asked about is unavailable."""
    settings = KubernetesSettings.model_validate({"api_url": "http://127.0.0.1:1"})
    exchange = open_exchange("kubernetes", settings.api_url, None, 1)
    authenticator = Kubernetes(Cluster(exchange, settings), TTL_S)

    sendable = sent.isascii() and sent.isprintable()
    await refused(authenticator, AuthenticationUnavailable if sendable else CredentialInvalid, sent)


async def test_what_is_longer_than_any_token_is_not_asked_about(running, server):
    async with running() as authenticator:
        await refused(authenticator, CredentialInvalid, "a" * 16_385)

    assert server.asked == []
