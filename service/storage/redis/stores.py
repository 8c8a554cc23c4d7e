"""All that is kept in Redis, on one pool of connections."""

from dataclasses import dataclass

from service.settings import Settings
from service.storage.redis.claims import RedisClaims
from service.storage.redis.connection import open_redis
from service.storage.redis.keys import Keys
from service.storage.redis.log import RedisLog
from service.storage.redis.process import Process, Times
from service.storage.turn_buffer import Bounds, TurnBuffers


@dataclass(frozen=True, slots=True)
class RedisStores:
    """The stores of one process."""

    log: RedisLog
    claims: RedisClaims


def open_stores(settings: Settings, url: str, bounds: Bounds) -> RedisStores:
    """Return the stores of the Redis at `url`.

    Raises:
        SettingsInvalid: the address is none.
    """
    chosen = settings.redis
    redis = open_redis(url, timeout_s=chosen.timeout_s, connections_limit=chosen.connections_limit)
    times = Times(
        lease_s=chosen.lease_s,
        patience_s=chosen.patience_s,
        run_s=settings.turn_timeout_s + settings.log_ttl_s,
        keep_s=settings.log_ttl_s,
    )
    process = Process(redis, Keys(chosen.prefix), times)
    return RedisStores(
        RedisLog(process, TurnBuffers(bounds)),
        RedisClaims(redis, chosen.prefix),
    )
