"""What the tests of faults share."""

import pytest

from tests.support.faults.leaping_loop import LeapingLoop
from tests.support.fixtures import log, no_settings_of_the_developer
from tests.support.redis_server import mortal_redis, redis_of_the_session, redis_server

__all__ = [
    "log",
    "mortal_redis",
    "no_settings_of_the_developer",
    "redis_of_the_session",
    "redis_server",
]


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Time costs nothing here; a module with real sockets has a loop of its own."""
    return "asyncio", {"loop_factory": LeapingLoop}
