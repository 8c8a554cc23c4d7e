"""Every setting can be given by its variable, all of them together, with a value that it takes."""

import json
from pathlib import Path

import pytest
from pydantic import AnyHttpUrl, SecretStr

from service.cli.configuration import read_settings
from service.settings import Group, Settings, setting_names

KEY = {"name": "joe", "hash": "sha256:" + "0" * 64}
GIVEN = {
    "host": "localhost",
    "log_format": "json",
    "log_level": "debug",
    "upstream.url": "http://upstream.test/",
    "upstream.dialect": "agents",
    "upstream.api_key": "a-key",
    "upstream.ca_file": "/authorities.pem",
    "upstream.certificate_file": "/certificate.pem",
    "upstream.reasoning_effort": "low",
    "moderation.by": "nobody",
    "recording.directory": "/tapes",
    "redis.url": "redis://redis.test",
    "redis.prefix": "other",
    "streams.rotate_s": 60.0,
    "authentication.by": "jwt",
    "authentication.ticket_secret": "a" * 32,
    "jwt.jwks_url": "https://issuer.test/keys",
    "jwt.issuer": "https://issuer.test",
    "jwt.audience": "turnstile",
    "jwt.algorithms": ["EdDSA"],
    "jwt.user_claim": "email",
    "jwt.name_claim": "name",
    "jwt.roles_claim": "roles",
    "jwt.ca_file": "/issuer.pem",
    "kubernetes.api_url": "https://cluster.test/",
    "kubernetes.token_file": "/token",
    "kubernetes.ca_file": "/cluster.pem",
    "kubernetes.audiences": ["turnstile"],
    "kubernetes.path": "/other",
    "authorization.default_roles": ["reader"],
    "authorization.developer_roles": ["admin"],
    "authorization.roles": {"reader": ["get_models"]},
    "cors.origins": ["https://page.test"],
    "database.url": "sqlite:////turnstile.db",
    "transcripts.directory": "/transcripts",
    "retention.turns_s": 60.0,
    "retention.transcripts_s": 60.0,
    "redaction.kinds": ["emails"],
    "redaction.patterns": [{"name": "badge", "pattern": "B-[0-9]{6}"}],
    "api_keys": [KEY],
    "role_rules": [{"claim": "groups", "operator": "in", "value": ["a"], "roles": ["reader"]}],
    "token_quotas": [{"name": "daily", "initial_tokens": 1}],
    "turns_per_minute_limit": 1,
    "default_provider": "vllm",
    "default_model": "granite",
    "system_prompt": "Be brief.",
    "mcp_servers": [{"name": "pods", "url": "http://pods.test/", "headers": {"X-Key": "a"}}],
    "client_tools": [{"name": "add", "parameters": {"type": "object"}}],
    "recordings_directory": "/recordings",
    "default_session": "Hi",
    "on_disconnect": "cancel",
}
"""Those that are neither numbers nor true or false, which have another value by themselves."""


def another(name: str, default: object) -> object:
    """Return a value that a setting does not have by default."""
    if name in GIVEN:
        return GIVEN[name]
    if isinstance(default, bool):
        return not default
    assert isinstance(default, int | float), f"{name} is not among those that are given"
    return default + 1


VALUES = {name: another(name, default) for name, default in setting_names()}


def written(value: object) -> str:
    """Return a value as a variable holds it."""
    return value if isinstance(value, str) else json.dumps(value)


def plain(value: object) -> object:
    """Return a value as it is given."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Path() | AnyHttpUrl():
            return str(value)
        case Group():
            return {name: plain(getattr(value, name)) for name in value.model_fields_set}
        case tuple():
            return [plain(each) for each in value]
        case dict():
            return {name: plain(each) for name, each in value.items()}
    return value


def of(settings: Settings, name: str) -> object:
    """Return what a setting is."""
    value: object = settings
    for each in name.split("."):
        value = getattr(value, each)
    return plain(value)


@pytest.fixture
def variables(monkeypatch):
    for name, value in VALUES.items():
        monkeypatch.setenv(f"TURNSTILE_{name.replace('.', '_').upper()}", written(value))


@pytest.mark.usefixtures("variables")
def test_every_setting_can_be_given_by_its_variable():
    settings = read_settings({})

    assert {name: of(settings, name) for name in VALUES} == VALUES


def test_every_setting_is_given_another_value_here():
    defaults = dict(setting_names())

    assert [name for name, value in VALUES.items() if value == plain(defaults[name])] == []
    assert GIVEN.keys() <= defaults.keys()


def test_no_name_begins_like_the_names_of_a_group():
    """Its variable would be taken for one of the group."""
    groups = {f"{name.partition('.')[0]}_" for name in VALUES if "." in name}

    assert [name for name in VALUES if name.startswith(tuple(groups))] == []
