"""The keys of an issuer over time: fetched, renewed, replaced, and out of reach.

Time leaps here, so an hour of an outage costs nothing.
"""

import gzip
import json

import anyio
import httpx
import pytest

from service.errors import AuthenticationUnavailable, CredentialInvalid
from tests.support.faults.leaping_loop import LeapingLoop
from tests.support.fixtures import no_authorities_of_the_system
from tests.support.issuer import (
    PATH,
    KeyServer,
    claims,
    jwk,
    private_key,
    publishes,
    recognising,
    signed,
    token,
)
from tests.support.played_server import Answer, says

__all__ = ["no_authorities_of_the_system"]

TTL_S = 300.0
STALE_S = 3_600.0
RETRY_S = 10.0
COOLDOWN_S = 5.0
DOWN = httpx.ConnectError("refused")
GOOD = publishes(jwk(private_key()))
OTHER = publishes(jwk(private_key("two"), "k2"))


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio", {"loop_factory": LeapingLoop}


@pytest.fixture
def server():
    return KeyServer()


@pytest.fixture
def sent():
    """Return a token of the first key that is good for longer than any test."""
    return token()


@pytest.fixture
def sent_by_other():
    return signed(claims(), private_key("two"), kid="k2")


def running(server):
    return recognising(server, keys_ttl_s=TTL_S, keys_stale_s=STALE_S)


async def is_taken(authenticator, sent):
    return (await authenticator.identify(sent)).user == "f3b1"


async def is_refused(authenticator, sent, error=CredentialInvalid):
    with pytest.raises(error):
        await authenticator.identify(sent)
    return True


def events(log):
    return [each["event"] for each in log]


# While all is well.


async def test_keys_are_there_before_anybody_asks(server, sent):
    async with running(server) as authenticator:
        await anyio.wait_all_tasks_blocked()
        assert len(server.asked) == 1

        assert await is_taken(authenticator, sent)
    assert len(server.asked) == 1


async def test_keys_are_renewed_although_nobody_asks(server):
    async with running(server):
        await anyio.sleep(3.5 * TTL_S)

    assert len(server.asked) == 4


async def test_who_comes_before_the_keys_waits_for_them(server, sent):
    arrived = anyio.Event()
    server.says(arrived, GOOD)
    taken = []

    async def ask():
        taken.append(await is_taken(authenticator, sent))

    async with running(server) as authenticator, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask)
        await anyio.sleep(1)
        assert taken == []
        arrived.set()

    assert taken == [True] * 20
    assert len(server.asked) == 1


async def test_nothing_is_sent_to_the_issuer_but_the_question(server, sent):
    async with running(server) as authenticator:
        await authenticator.identify(sent)

    (asked,) = server.asked
    assert (asked.method, asked.target, asked.body) == ("GET", PATH, None)
    assert "authorization" not in asked.headers


async def test_who_comes_while_short_lived_keys_are_renewed_waits_for_them(server, sent):
    """They end before the issuer may be asked again because of a token."""
    arrived = anyio.Event()
    taken = []

    async def ask():
        taken.append(await is_taken(authenticator, sent))

    async with recognising(server, keys_ttl_s=2.0, keys_stale_s=0.0) as authenticator:
        assert await is_taken(authenticator, sent)
        server.says(arrived, GOOD)
        await anyio.sleep(2.1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.sleep(1)
            arrived.set()

    assert taken == [True]


# Rotation.


async def test_a_new_key_is_looked_for_when_its_first_token_comes(server, sent_by_other):
    async with running(server) as authenticator:
        await anyio.sleep(COOLDOWN_S)
        server.says(OTHER)

        assert await is_taken(authenticator, sent_by_other)
    assert len(server.asked) == 2


async def test_a_key_that_the_issuer_has_withdrawn_is_refused_at_the_next_look(server, sent):
    async with running(server) as authenticator:
        assert await is_taken(authenticator, sent)
        server.says(OTHER)
        await anyio.sleep(TTL_S + 1)

        assert await is_refused(authenticator, sent)


async def test_an_issuer_that_withdraws_all_keys_is_believed(server, sent, log):
    async with running(server) as authenticator:
        server.says(publishes())
        await anyio.sleep(TTL_S + 1)

        assert await is_refused(authenticator, sent)
    assert events(log) == ["keys.none_usable"]


async def test_tokens_with_unknown_keys_cause_one_look_in_a_while(server, sent_by_other):
    async def ask():
        await is_refused(authenticator, sent_by_other)

    async with running(server) as authenticator:
        await anyio.sleep(COOLDOWN_S)
        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                for _ in range(50):
                    tasks.start_soon(ask)

    assert len(server.asked) == 2


async def test_a_look_that_somebody_did_not_wait_for_serves_the_others(server, sent_by_other):
    arrived = anyio.Event()
    taken = []

    async def ask():
        taken.append(await is_taken(authenticator, sent_by_other))

    async with running(server) as authenticator:
        await anyio.sleep(COOLDOWN_S)
        server.says(arrived, OTHER)
        async with anyio.create_task_group() as tasks:
            with anyio.move_on_after(1):
                tasks.start_soon(ask)
                await authenticator.identify(sent_by_other)
            arrived.set()

    assert taken == [True]
    assert len(server.asked) == 2


# Outages.


async def test_an_issuer_that_is_away_at_the_start_is_asked_again(server, sent, log):
    server.says(DOWN, DOWN, GOOD)
    async with running(server) as authenticator:
        assert await is_refused(authenticator, sent, AuthenticationUnavailable)
        await anyio.sleep(2 * RETRY_S + 1)

        assert await is_taken(authenticator, sent)
    assert len(server.asked) == 3
    assert [(each["event"], each["reason"], each["known"]) for each in log] == [
        ("keys.not_renewed", "ConnectError", 0)
    ] * 2


async def test_known_keys_are_used_while_the_issuer_is_away(server, sent, log):
    async with running(server) as authenticator:
        await is_taken(authenticator, sent)
        server.says(DOWN)
        await anyio.sleep(TTL_S + STALE_S - 1)

        assert await is_taken(authenticator, sent)
    assert {each["known"] for each in log} == {1}
    assert len(server.asked) == pytest.approx(1 + STALE_S / RETRY_S, abs=2)


async def test_known_keys_are_not_used_for_ever(server, sent):
    async with running(server) as authenticator:
        await is_taken(authenticator, sent)
        server.says(DOWN)
        await anyio.sleep(TTL_S + STALE_S + 1)

        assert await is_refused(authenticator, sent, AuthenticationUnavailable)


async def test_whether_a_key_is_unknown_cannot_be_told_while_the_issuer_is_away(
    server, sent, sent_by_other
):
    async with running(server) as authenticator:
        await anyio.sleep(COOLDOWN_S)
        server.says(DOWN)

        assert await is_refused(authenticator, sent_by_other, AuthenticationUnavailable)
        assert await is_taken(authenticator, sent)


async def test_nobody_waits_for_an_issuer_that_is_silent_when_the_key_is_known(server, sent):
    async with running(server) as authenticator:
        await is_taken(authenticator, sent)
        server.says(anyio.Event())
        await anyio.sleep(TTL_S + 1)
        began = anyio.current_time()

        assert await is_taken(authenticator, sent)
        assert anyio.current_time() == began


async def test_an_issuer_that_is_silent_costs_a_bounded_time(server, sent):
    server.says(anyio.Event())
    async with running(server) as authenticator:
        began = anyio.current_time()

        assert await is_refused(authenticator, sent, AuthenticationUnavailable)
        assert anyio.current_time() - began == pytest.approx(5, abs=0.1)


async def test_a_body_that_drips_costs_a_bounded_time(server, sent):
    server.says(Answer(200, (b'{"keys"', anyio.Event(), b":[]}")))
    async with running(server) as authenticator:
        began = anyio.current_time()

        assert await is_refused(authenticator, sent, AuthenticationUnavailable)
        assert anyio.current_time() - began == pytest.approx(5, abs=0.1)


WHOLE = json.dumps({"keys": [jwk(private_key())]}).encode()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (says({}, 500), "status 500"),
        (says({"keys": [jwk(private_key())]}, 404), "status 404"),
        (Answer(302, (), headers={"location": "https://issuer.test/moved"}), "status 302"),
        (Answer(200, (b" " * 1_048_576, WHOLE)), "the answer has more than 1048576 bytes"),
        (
            Answer(200, (gzip.compress(WHOLE),), headers={"content-encoding": "gzip"}),
            "the answer is compressed, which was not asked for",
        ),
        (Answer(200, (b"<html>",), "text/html"), "the answer is not JSON"),
        (Answer(200, (b'{"keys": "\xff"}',)), "the answer is not JSON"),
        (Answer(200, (b"[" * 100_000,)), "the answer is not JSON"),
        (Answer(200, ()), "the answer is not JSON"),
        (says([jwk(private_key())]), "the answer is not a JSON object"),
        (says({"error": "x"}), "the answer is not a list of at most 100 keys"),
        (Answer(200, (WHOLE[:40], httpx.ReadError("lost"))), "ReadError"),
    ],
)
async def test_an_answer_that_is_no_set_of_keys_is_none(server, sent, log, reply, reason):
    server.on("/moved", GOOD).says(reply)
    async with running(server) as authenticator:
        assert await is_refused(authenticator, sent, AuthenticationUnavailable)

    assert [(each["event"], each["reason"]) for each in log] == [("keys.not_renewed", reason)]
    assert len(server.asked) == 1
