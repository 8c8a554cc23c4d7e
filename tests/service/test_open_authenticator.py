"""The authenticator of the settings, and settings that cannot work."""

import pytest

from service.access.authenticators import open_authenticator, refuse_exposed
from service.access.authenticators.api_keys import ApiKeys, hash_of
from service.access.authenticators.jwt import JsonWebTokens
from service.access.authenticators.kubernetes import Kubernetes
from service.access.authenticators.nobody import Nobody
from service.errors import SettingsInvalid
from service.settings import Settings
from tests.support.fixtures import no_authorities_of_the_system

__all__ = ["no_authorities_of_the_system"]

JWT = {
    "jwks_url": "https://issuer.test/keys",
    "issuer": "https://issuer.test",
    "audience": "turnstile",
}


def settings(by="none", **given):
    return Settings(authentication={"by": by, **given.pop("authentication", {})}, **given)


def refusal(*arguments, **given):
    with pytest.raises(SettingsInvalid) as raised:
        open_authenticator(settings(*arguments, **given))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def api_key(name, key="a key", **more):
    return {"name": name, "hash": hash_of(key), **more}


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("own token")
    return path


# Without authentication.


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "LocalHost", "::1"])
async def test_on_a_loopback_address_nobody_needs_a_credential(host):
    authenticator = open_authenticator(settings(host=host))

    assert isinstance(authenticator, Nobody)
    assert (await authenticator.identify(None)).roles == ("developer",)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",  # noqa: S104 # what is refused
        "::",
        "192.168.1.7",
        "2001:db8::1",
        "turnstile.example.com",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "127.1",
        "*",
    ],
)
def test_elsewhere_everybody_does(host):
    assert refusal(host=host) == (
        f"host {host!r} can be reached by others, and authentication.by is `none`: choose "
        "`api_keys`, `jwt` or `kubernetes`, a loopback address, or set authentication.allow_remote"
    )


def test_unless_the_settings_say_that_others_may():
    allowed = settings(host="::", authentication={"allow_remote": True})

    assert isinstance(open_authenticator(allowed), Nobody)


def test_who_asks_for_credentials_may_listen_anywhere():
    refuse_exposed(settings("api_keys", host="::"))


async def test_the_developer_has_the_roles_of_the_settings():
    authenticator = open_authenticator(settings(authorization={"developer_roles": ["admin"]}))

    assert (await authenticator.identify(None)).roles == ("admin",)


# Settings of another way.


RULE = {"claim": "groups", "value": "staff", "roles": ["admin"]}


def keys_of_ann():
    return {"api_keys": [api_key("ann")]}


@pytest.mark.parametrize(
    ("by", "given", "told"),
    [
        (
            "none",
            keys_of_ann(),
            "api_keys: they are only used when authentication.by is `api_keys`",
        ),
        ("jwt", keys_of_ann() | {"jwt": JWT}, "api_keys: they are only used"),
        ("none", {"jwt": JWT}, "jwt: they are only used when authentication.by is `jwt`"),
        ("api_keys", keys_of_ann() | {"jwt": {"issuer": "https://issuer.test"}}, "jwt: they are"),
        ("none", {"kubernetes": {"path": "/turnstile"}}, "kubernetes: they are only used"),
        ("jwt", {"jwt": JWT, "kubernetes": {}}, "kubernetes: they are only used"),
        ("none", {"role_rules": [RULE]}, "role_rules: they are only used when authentication.by"),
        ("api_keys", keys_of_ann() | {"role_rules": [RULE]}, "role_rules: they are only used"),
    ],
)
def test_settings_of_a_way_that_is_not_chosen_are_refused(by, given, told):
    """Who has set them would believe that nobody comes in without."""
    refused = refusal(by, **given)

    assert refused.startswith(told)
    assert refused.endswith(f", and it is `{by}`")


def test_an_empty_list_of_another_way_is_none():
    assert isinstance(open_authenticator(settings(api_keys=[], role_rules=[])), Nobody)


# API keys.


async def test_keys_of_the_settings_are_taken():
    authenticator = open_authenticator(
        settings("api_keys", api_keys=[api_key("ann"), api_key("bob", "another key", user="b")])
    )

    assert isinstance(authenticator, ApiKeys)
    assert (await authenticator.identify("another key")).user == "b"


def test_without_keys_nobody_could_come_in():
    assert refusal("api_keys") == (
        "authentication.by is `api_keys`, and there are no api_keys; `turnstile api-key` makes one"
    )


def test_a_key_cannot_have_a_role_that_does_not_exist():
    told = refusal("api_keys", api_keys=[api_key("ann", roles=["boss"])])

    assert told == "api_keys 'ann': roles: there is no role boss; there are user, developer, admin"


def test_a_key_can_have_a_role_of_the_settings():
    made = settings(
        "api_keys",
        api_keys=[api_key("ann", roles=["boss"])],
        authorization={"roles": {"boss": ["*"]}},
    )

    assert isinstance(open_authenticator(made), ApiKeys)


def test_two_people_cannot_have_the_same_key():
    keys = [api_key("ann"), api_key("bob", "another"), api_key("cat")]

    assert refusal("api_keys", api_keys=keys) == "api_keys 'ann' and 'cat' are the same key"


def test_a_user_is_printable():
    told = refusal("api_keys", api_keys=[api_key("ann", user="a\x07b")])

    assert told == "api_keys 'ann': the user has unprintable characters"


# JSON Web Tokens.


def test_tokens_of_an_issuer_are_taken():
    assert isinstance(open_authenticator(settings("jwt", jwt=JWT)), JsonWebTokens)


@pytest.mark.parametrize("missing", ["jwks_url", "issuer", "audience"])
def test_an_issuer_has_keys_a_name_and_an_audience(missing):
    given = {name: value for name, value in JWT.items() if name != missing}

    told = refusal("jwt", jwt=given)
    assert told == (
        "authentication.by is `jwt`, which needs jwt.jwks_url, jwt.issuer and jwt.audience"
    )


@pytest.mark.parametrize("name", ["issuer", "audience"])
def test_an_empty_name_is_none(name):
    assert refusal("jwt", jwt=JWT | {name: ""}).startswith("authentication.by is `jwt`, which")


@pytest.mark.parametrize("data", [None, b"", b"no certificate"])
def test_certificates_must_be_there(tmp_path, data):
    path = tmp_path / "ca.pem"
    if data is not None:
        path.write_bytes(data)

    told = refusal("jwt", jwt=JWT | {"ca_file": str(path)})
    assert told.startswith(f"jwt.ca_file {path} cannot be used: ")


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("https://issuer.test/keys", False),
        ("http://issuer.test/keys", True),
        ("http://127.0.0.1:8000/keys", False),
        ("http://[::1]:8000/keys", False),
        ("http://localhost/keys", False),
    ],
)
def test_keys_that_anybody_on_the_way_can_replace_are_warned_of(log, url, warned):
    open_authenticator(settings("jwt", jwt=JWT | {"jwks_url": url}))

    expected = {"event": "authentication.not_encrypted", "log_level": "warning", "setting": "jwt"}
    assert log == ([expected] if warned else [])


# Kubernetes.


def test_tokens_of_a_cluster_are_taken(token_file):
    given = {"token_file": str(token_file), "ca_file": None}

    assert isinstance(open_authenticator(settings("kubernetes", kubernetes=given)), Kubernetes)


@pytest.mark.parametrize(
    ("data", "reason"), [(None, "No such file or directory"), (b"\xff", "it is no token")]
)
def test_our_own_token_must_be_there(tmp_path, data, reason):
    path = tmp_path / "token"
    if data is not None:
        path.write_bytes(data)

    told = refusal("kubernetes", kubernetes={"token_file": str(path)})
    assert told == f"kubernetes.token_file {path} cannot be read: {reason}"


def test_the_certificates_of_the_cluster_must_be_there(tmp_path, token_file):
    given = {"token_file": str(token_file), "ca_file": str(tmp_path / "ca.crt")}

    told = refusal("kubernetes", kubernetes=given)
    assert told.startswith(f"kubernetes.ca_file {tmp_path / 'ca.crt'} cannot be used: ")


def test_a_cluster_behind_a_local_proxy_needs_no_certificates(token_file):
    """As `kubectl proxy` makes one."""
    given = {"token_file": str(token_file), "api_url": "http://127.0.0.1:8001"}

    assert isinstance(open_authenticator(settings("kubernetes", kubernetes=given)), Kubernetes)
