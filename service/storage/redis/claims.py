"""Claims that all processes respect."""

from typing import cast

from service.storage.redis.connection import Script, SharedRedis, milliseconds

# SET with both NX and GET would do this too, but only since Redis 7.0.
_CLAIM = Script("""
local holder = redis.call('GET', KEYS[1])
if holder then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
""")

_REPLACE = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
""")

_RELEASE = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
""")


class RedisClaims:
    """See `Claims`; a claim is one key, which ends with it."""

    def __init__(self, redis: SharedRedis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    async def claim(self, key: str, holder: str, ttl_s: float) -> str:
        """See `Claims.claim`."""
        held = await self._redis.run(_CLAIM, self._key(key), holder, milliseconds(ttl_s))
        return cast("bytes", held).decode()

    async def replace(self, key: str, holder: str, successor: str, ttl_s: float) -> bool:
        """See `Claims.replace`."""
        arguments = (holder, successor, milliseconds(ttl_s))
        return bool(await self._redis.run(_REPLACE, self._key(key), *arguments))

    async def release(self, key: str, holder: str) -> None:
        """See `Claims.release`."""
        await self._redis.run(_RELEASE, self._key(key), holder)

    def _key(self, key: str) -> tuple[str]:
        return (f"{self._prefix}:claim:{key}",)
