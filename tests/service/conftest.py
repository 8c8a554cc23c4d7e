"""What all tests of the service share."""

from tests.support.fixtures import anyio_backend, log, no_settings_of_the_developer
from tests.support.log_pairs import log_clock, log_kind, logs
from tests.support.redis_server import (
    lasting_redis,
    mortal_redis,
    redis_of_the_session,
    redis_server,
    shared_redis,
)

__all__ = [
    "anyio_backend",
    "lasting_redis",
    "log",
    "log_clock",
    "log_kind",
    "logs",
    "mortal_redis",
    "no_settings_of_the_developer",
    "redis_of_the_session",
    "redis_server",
    "shared_redis",
]
