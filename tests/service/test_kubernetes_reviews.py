"""What a Kubernetes cluster has said is kept for a while, and may be all there is."""

import time

import anyio
import httpx
import pytest

from service.access.authenticators.reviews import KeptVerdicts
from service.domain import Identity
from service.errors import AuthenticationUnavailable, CredentialInvalid, Forbidden
from tests.support.cluster import (
    ACCESS,
    ADMITTED,
    DOWN,
    KEPT_OUT,
    OWN,
    REFUSED_TTL_S,
    SENT,
    TOKENS,
    TTL_S,
    UNKNOWN,
    USER,
    clock,
    known,
    refused,
    running,
    server,
    token_file,
)
from tests.support.fixtures import no_authorities_of_the_system
from tests.support.played_server import Answer, says

__all__ = ["clock", "no_authorities_of_the_system", "running", "server", "token_file"]


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
