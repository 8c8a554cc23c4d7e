"""What all contract tests share."""

from tests.support.fixtures import (
    anyio_backend,
    log,
    no_authorities_of_the_system,
    no_settings_of_the_developer,
)

__all__ = [
    "anyio_backend",
    "log",
    "no_authorities_of_the_system",
    "no_settings_of_the_developer",
]
