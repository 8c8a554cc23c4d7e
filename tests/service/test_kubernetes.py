"""Tokens that a Kubernetes cluster knows; its API server is played below httpx."""

import time
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.authenticators.cluster import Cluster
from service.access.authenticators.exchange import open_exchange
from service.access.authenticators.kubernetes import Kubernetes
from service.access.authenticators.reviews import KeptVerdicts
from service.domain import Identity
from service.errors import (
    AuthenticationUnavailable,
    CredentialExpired,
    CredentialInvalid,
    CredentialMissing,
    Forbidden,
)
from service.settings.access import KubernetesSettings
from tests.support.clock import Clock
from tests.support.fixtures import no_authorities_of_the_system
from tests.support.issuer import claims, signed
from tests.support.played_server import Answer, PlayedServer, held, says

__all__ = ["no_authorities_of_the_system"]

URL = "https://cluster.test/prefix"
TOKENS = "/prefix/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS = "/prefix/apis/authorization.k8s.io/v1/subjectaccessreviews"
TTL_S = 60.0
REFUSED_TTL_S = 5.0
SENT = "caller-s3cr3t"
OWN = "own-s3cr3t"
USER = {
    "username": "system:serviceaccount:apps:bot",
    "uid": "0b1c",
    "groups": ["system:serviceaccounts", "system:authenticated"],
    "extra": {"authentication.kubernetes.io/pod-name": ["bot-0"]},
}
DOWN = httpx.ConnectError("refused")


def review(kind, **status):
    return says({"kind": kind, "apiVersion": "x/v1", "status": status}, 201)


def known(**changed):
    return review("TokenReview", authenticated=True, user=USER, **changed)


UNKNOWN = review("TokenReview", error="[invalid bearer token]")
ADMITTED = review("SubjectAccessReview", allowed=True)
KEPT_OUT = review("SubjectAccessReview", allowed=False, reason="no RBAC policy matched")


@pytest.fixture
def server():
    """Return an API server that knows everybody and lets everybody in."""
    return PlayedServer("https://cluster.test").on(TOKENS, known()).on(ACCESS, ADMITTED)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(OWN + "\n")
    return path


@pytest.fixture
def running(server, clock, token_file):
    """Return what runs the authenticator on the server."""

    @asynccontextmanager
    async def run(**changed):
        given = {"api_url": URL, "token_file": token_file, "ca_file": None, "cache_ttl_s": TTL_S}
        settings = KubernetesSettings.model_validate(given | changed)
        exchange = open_exchange("kubernetes", settings.api_url, None, settings.timeout_s)
        authenticator = Kubernetes(Cluster(exchange, settings), settings.cache_ttl_s, clock)
        async with server.playing(), held(authenticator.running()):
            yield authenticator

    return run


async def refused(authenticator, error, sent=SENT):
    with pytest.raises(error) as raised:
        await authenticator.identify(sent)
    assert type(raised.value) is error
    return raised.value.cause


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


# What is kept.


async def test_a_good_answer_is_kept_for_a_while(running, server, clock):
    async with running() as authenticator:
        await authenticator.identify(SENT)
        clock.forward(TTL_S - 1)
        await authenticator.identify(SENT)
        assert len(server.asked) == 2

        server.on(TOKENS, UNKNOWN)
        clock.forward(1)
        await refused(authenticator, CredentialInvalid)


@pytest.mark.parametrize(("path", "answer"), [(TOKENS, UNKNOWN), (ACCESS, KEPT_OUT)])
async def test_a_refusal_is_kept_for_a_few_seconds(running, server, clock, path, answer):
    server.on(path, answer)
    error = CredentialInvalid if path == TOKENS else Forbidden
    async with running() as authenticator:
        await refused(authenticator, error)
        asked = len(server.asked)
        clock.forward(REFUSED_TTL_S - 1)
        await refused(authenticator, error)
        assert len(server.asked) == asked

        server.on(TOKENS, known()).on(ACCESS, ADMITTED)
        clock.forward(1)
        assert await authenticator.identify(SENT)


async def test_every_token_has_an_answer_of_its_own(running, server):
    async with running() as authenticator:
        await authenticator.identify(SENT)
        server.on(TOKENS, UNKNOWN)

        await refused(authenticator, CredentialInvalid, SENT + "x")
        assert await authenticator.identify(SENT)


def test_of_too_many_answers_the_oldest_go(clock):
    kept = KeptVerdicts(TTL_S, 2, clock)
    for name in ("a", "b", "a", "c"):
        kept.keep(name, Identity(name))

    assert [kept.get(name) for name in "abc"] == [Identity("a"), None, Identity("c")]


def test_an_answer_that_is_renewed_costs_no_other_its_place(clock):
    kept = KeptVerdicts(TTL_S, 2, clock)
    for name in ("a", "b", "b"):
        kept.keep(name, Identity(name))

    assert [kept.get(name) for name in "ab"] == [Identity("a"), Identity("b")]


async def test_tokens_that_come_together_share_one_review(running, server):
    arrived = anyio.Event()
    server.on(TOKENS, arrived, known())
    found = []

    async def ask():
        found.append(await authenticator.identify(SENT))

    async with running() as authenticator, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        arrived.set()

    assert len(found) == 20
    assert len(server.asked) == 2


async def test_who_leaves_spoils_the_review_of_nobody_else(running, server):
    never, begun = anyio.Event(), anyio.Event()
    server.on(TOKENS, never, known())
    found = []

    async def ask():
        begun.set()
        found.append(await authenticator.identify(SENT))

    async with running() as authenticator, anyio.create_task_group() as tasks:
        with anyio.CancelScope() as leaving:
            tasks.start_soon(ask)

            async def leave():
                await begun.wait()
                await anyio.wait_all_tasks_blocked()
                leaving.cancel()

            tasks.start_soon(leave)
            await authenticator.identify(SENT)

    assert [each.user for each in found] == [USER["username"]]
    assert len(server.to(TOKENS)) == 2


async def test_tokens_are_kept_and_logged_nowhere(running, server, log):
    async with running() as authenticator:
        await authenticator.identify(SENT)
        server.on(TOKENS, DOWN)
        told = await refused(authenticator, AuthenticationUnavailable, SENT + "-more")
        kept = repr(
            [vars(authenticator), vars(authenticator._admitted), vars(authenticator._refused)]
        )

    for secret in (SENT, OWN):
        assert secret not in repr(log) + told + kept


# Our own token, and outages.


async def test_our_own_token_is_read_again_when_it_changes(running, server, token_file):
    async with running() as authenticator:
        await authenticator.identify("one")
        token_file.write_text("newer")
        await authenticator.identify("two")

    sent = [each.headers["authorization"] for each in server.to(TOKENS)]
    assert sent == [f"Bearer {OWN}", "Bearer newer"]


@pytest.mark.parametrize("data", [b"", b"\n", b"a\nb", b"\xff", None])
async def test_without_a_token_of_our_own_the_cluster_cannot_be_asked(
    running, server, token_file, data
):
    async with running() as authenticator:
        token_file.unlink()
        if data is not None:
            token_file.write_bytes(data)

        await refused(authenticator, AuthenticationUnavailable)
    assert server.asked == []


@pytest.mark.parametrize("path", [TOKENS, ACCESS])
@pytest.mark.parametrize(
    "reply",
    [
        DOWN,
        httpx.ReadError("lost"),
        says({"kind": "Status", "code": 401}, 401),
        says({"kind": "Status", "code": 403}, 403),
        says({"kind": "Status", "code": 429}, 429),
        says({}, 500),
        says({}, 201),
        says([], 201),
        says({"kind": "TokenReview"}, 201),
        says({"kind": "SubjectAccessReview", "status": "allowed"}, 201),
        says({"kind": "Status", "status": {"authenticated": True, "allowed": True}}, 201),
        Answer(302, (), headers={"location": "https://cluster.test/elsewhere"}),
        Answer(201, (b"<html>",), "text/html"),
        Answer(201, (b" " * 1_048_577,)),
    ],
)
async def test_a_cluster_that_does_not_answer_is_unavailable(running, server, log, path, reply):
    server.on(path, reply)
    async with running() as authenticator:
        told = await refused(authenticator, AuthenticationUnavailable)
        await refused(authenticator, AuthenticationUnavailable)

        server.on(TOKENS, known()).on(ACCESS, ADMITTED)
        assert await authenticator.identify(SENT)
    assert told == "The cluster cannot be asked."
    assert [each["event"] for each in log] == ["cluster.lost", "cluster.recovered"]


async def test_a_cluster_that_is_silent_costs_a_bounded_time(running, server):
    server.on(TOKENS, anyio.Event())
    failed = []

    async def ask():
        failed.append(await refused(authenticator, AuthenticationUnavailable))

    async with running(timeout_s=0.1) as authenticator:
        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(ask)

        assert time.monotonic() - began < 2
    assert len(failed) == 20
    assert len(server.asked) == 1


async def test_known_tokens_are_taken_while_the_cluster_is_away(running, server, clock):
    async with running() as authenticator:
        await authenticator.identify(SENT)
        server.on(TOKENS, DOWN).on(ACCESS, DOWN)
        clock.forward(TTL_S - 1)

        assert await authenticator.identify(SENT)
        clock.forward(1)
        await refused(authenticator, AuthenticationUnavailable)
