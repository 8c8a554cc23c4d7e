"""Fixtures that several folders of tests share; each conftest names those that it wants."""

import os
from collections.abc import Iterator

import pytest
import structlog
from structlog.typing import EventDict

SETTINGS_OF_TESTS = {
    "TURNSTILE_DATABASE_URL": "sqlite://",
    "TURNSTILE_TITLES_GENERATE": "false",
}
"""What a test does not say: it leaves nothing behind, and asks a model for nothing by itself."""


@pytest.fixture(scope="package")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop that the service runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither ours nor those of the client library."""
    for name in [each for each in os.environ if each.startswith(("TURNSTILE_", "LLAMA_STACK_"))]:
        monkeypatch.delenv(name)
    for name, value in SETTINGS_OF_TESTS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def no_authorities_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading them takes longer than most of these tests, and no server here has their word."""
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)


@pytest.fixture(autouse=True)
def log() -> Iterator[list[EventDict]]:
    """Everything that is logged; nothing goes to standard output."""
    with structlog.testing.capture_logs() as entries:
        yield entries
