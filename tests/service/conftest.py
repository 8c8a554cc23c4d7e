"""What all tests of the service share."""

from tests.support.fixtures import anyio_backend, log, no_settings_of_the_developer

__all__ = ["anyio_backend", "log", "no_settings_of_the_developer"]
