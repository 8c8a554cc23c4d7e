"""Options and profiles of the whole test run, and which tests take long for what they need."""

import os

import pytest
from hypothesis import settings

# No deadline: two noisy cores say nothing about one example. Every failure prints its example.
settings.register_profile("dev", max_examples=60, deadline=None)
settings.register_profile("ci", max_examples=1_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

SERVERS = {"pristine_postgres", "redis_of_the_session", "mortal_redis", "lasting_redis"}
"""Fixtures that start a server; whoever asks for one is slow."""

KINDS_ON_SERVERS = {"postgresql", "redis", "redis, its owner", "redis, elsewhere"}
"""Parameters of fixtures that start one when they are set up."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens",
        action="store_true",
        help="write what the encoders give now over the golden files of tests/replay",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and _starts_a_server(item):
            item.add_marker(pytest.mark.slow)


def _starts_a_server(item: pytest.Function) -> bool:
    spec = getattr(item, "callspec", None)
    kinds = spec.params.values() if spec else ()
    return not SERVERS.isdisjoint(item.fixturenames) or any(
        isinstance(kind, str) and kind in KINDS_ON_SERVERS for kind in kinds
    )
