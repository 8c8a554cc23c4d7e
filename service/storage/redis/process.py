"""This process among the others that share a Redis."""

import uuid
from dataclasses import dataclass, field

from service.storage.redis.connection import SharedRedis
from service.storage.redis.keys import Keys


@dataclass(frozen=True, slots=True)
class Times:
    """How long what lasts.

    `run_s` is for how long at most a turn is kept while it runs, and `keep_s` for how long when
    it has ended. `lease_s` and `patience_s` are settings.
    """

    lease_s: float
    patience_s: float
    run_s: float
    keep_s: float


@dataclass(frozen=True, slots=True)
class Process:
    """What a process is called, and how it reaches the others."""

    redis: SharedRedis
    keys: Keys
    times: Times
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
