"""Keys that the settings list."""

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.authenticators.api_keys import ApiKeys, hash_of, new_key
from service.access.authenticators.nobody import Nobody
from service.domain import Identity
from service.errors import CredentialExpired, CredentialInvalid, CredentialMissing
from service.settings.access import ApiKeySettings
from tests.support.clock import Clock

KEYS = [new_key() for _ in range(3)]


def setting(name, key, **more):
    return ApiKeySettings.model_validate({"name": name, "hash": hash_of(key), **more})


def keys(*settings, clock=None):
    return ApiKeys(settings, clock or Clock())


async def refused(authenticator, token, error=CredentialInvalid):
    """Return why a token is not taken; it is never quoted."""
    with pytest.raises(error) as raised:
        await authenticator.identify(token)
    assert type(raised.value) is error
    assert not token or len(token) < 8 or token not in str(raised.value)
    return raised.value.cause


async def test_a_key_is_recognised():
    authenticator = keys(setting("ann", KEYS[0], roles=["admin"]))

    assert await authenticator.identify(KEYS[0]) == Identity("ann", "ann", roles=("admin",))


@pytest.mark.parametrize("at", range(3))
async def test_each_of_several_keys_is_recognised(at):
    authenticator = keys(*(setting(f"name{at}", key) for at, key in enumerate(KEYS)))

    assert (await authenticator.identify(KEYS[at])).user == f"name{at}"


async def test_keys_may_share_a_user():
    authenticator = keys(
        setting("laptop", KEYS[0], user="ann"), setting("phone", KEYS[1], user="ann")
    )

    found = [await authenticator.identify(each) for each in KEYS[:2]]
    assert [(each.user, each.name) for each in found] == [("ann", "laptop"), ("ann", "phone")]


@pytest.mark.parametrize("token", [None, ""])
async def test_without_a_key_nobody_is_recognised(token):
    told = await refused(keys(setting("ann", KEYS[0])), token, CredentialMissing)

    assert told == "Send a token in the header Authorization, after Bearer."


async def test_another_key_is_refused():
    authenticator = keys(setting("ann", KEYS[0]))

    for token in (KEYS[1], KEYS[0][:-1], KEYS[0] + "A", KEYS[0].upper(), hash_of(KEYS[0])):
        assert await refused(authenticator, token) == "There is no such key."


async def test_a_key_ends():
    clock = Clock()
    ends_at = datetime.fromtimestamp(clock.now + 60, UTC)
    authenticator = keys(setting("ann", KEYS[0], expires_at=ends_at), clock=clock)

    clock.forward(59)
    assert (await authenticator.identify(KEYS[0])).expires_at == ends_at.timestamp()
    clock.forward(1)
    assert await refused(authenticator, KEYS[0], CredentialExpired) == "The key has ended."


@given(token=st.text(min_size=1))
async def test_junk_is_refused(token):
    await refused(keys(setting("ann", KEYS[0])), token)


async def test_what_is_longer_than_any_token_is_refused():
    told = await refused(keys(setting("ann", KEYS[0])), "A" * 16_385)

    assert told == "The token is too long."


async def test_nothing_of_a_key_is_kept_or_logged(log):
    authenticator = keys(setting("ann", KEYS[0]))
    await authenticator.identify(KEYS[0])

    assert KEYS[0] not in repr(vars(authenticator))
    assert log == []


def test_new_keys_are_random_and_long():
    made = {new_key() for _ in range(100)}

    assert len(made) == 100
    assert {len(each.removeprefix("turnstile_")) for each in made} == {43}


def test_a_hash_is_the_sha256_of_the_key():
    assert hash_of("abc") == "sha256:" + hashlib.sha256(b"abc").hexdigest()


async def test_it_runs_by_itself():
    authenticator = keys(setting("ann", KEYS[0]))

    async with authenticator.running():
        assert (await authenticator.identify(KEYS[0])).user == "ann"


@pytest.mark.parametrize("token", [None, "", "whatever"])
async def test_without_authentication_everybody_is_one_developer(token):
    nobody = Nobody(("developer",))

    async with nobody.running():
        told = await nobody.identify(token)
    assert told == Identity("developer", "Developer", roles=("developer",))
