"""What all tests of the service share."""

import os
from collections.abc import Iterator

import pytest
import structlog
from structlog.typing import EventDict


@pytest.fixture(scope="package")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop that the service runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("TURNSTILE_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def log() -> Iterator[list[EventDict]]:
    """Everything that is logged; nothing goes to standard output."""
    with structlog.testing.capture_logs() as entries:
        yield entries
