"""What all tests of the service share."""

from tests.support.databases import (
    any_database,
    database,
    database_kind,
    database_url,
    empty_database_url,
    file_url,
    memory_database,
    postgres_url,
    prepared_file,
    prepared_template,
    processes,
)
from tests.support.fixtures import anyio_backend, log, no_settings_of_the_developer
from tests.support.log_pairs import log_clock, log_kind, logs
from tests.support.postgres_server import (
    mortal_postgres,
    postgres_of_the_session,
    pristine_postgres,
)
from tests.support.redis_server import (
    lasting_redis,
    mortal_redis,
    redis_of_the_session,
    redis_server,
    shared_redis,
    shared_store,
)

__all__ = [
    "any_database",
    "anyio_backend",
    "database",
    "database_kind",
    "database_url",
    "empty_database_url",
    "file_url",
    "lasting_redis",
    "log",
    "log_clock",
    "log_kind",
    "logs",
    "memory_database",
    "mortal_postgres",
    "mortal_redis",
    "no_settings_of_the_developer",
    "postgres_of_the_session",
    "postgres_url",
    "prepared_file",
    "prepared_template",
    "pristine_postgres",
    "processes",
    "redis_of_the_session",
    "redis_server",
    "shared_redis",
    "shared_store",
]
