"""Paused turns that any process can let go on.

Unlike in memory their number has no bound but the memory of Redis: each goes an hour after the end
of its wait, and its thread, where nobody asks for what has expired, a week later. All processes
must tell the same time, to within what clients may notice of the wait.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import cast

from service.domain import Answers, PausedTurn, Thread
from service.errors import AnswersDiffer, AnswerTooLate, NotAwaiting
from service.storage.redis.connection import Reply, Run, Script, SharedRedis, milliseconds
from service.storage.redis.values import decode, encode

_KEPT_S = 3_600.0
"""How long one that is over can still be told from one that never was."""

_THREADS_KEPT_S = 7 * 86_400.0
"""How long the threads of those wait for a process that lets the upstream delete them."""

_NOT_AWAITING = "It did not end in awaiting_input, or it is no longer kept."

# KEYS: the turn, and by their deadlines the names and threads of all that nobody has answered.
_PAUSE = Script("""
redis.call('HSET', KEYS[1], 'deadline', ARGV[1], 'paused', ARGV[2], 'waits', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
""")

_CLAIM = Script("""
local turn = redis.call('HMGET', KEYS[1], 'deadline', 'waits', 'by', 'answers')
if not turn[1] then return false end
if turn[3] then
  if turn[4] ~= ARGV[3] then return {'differ'} end
  return {'by', turn[3]}
end
if tonumber(turn[1]) <= tonumber(ARGV[1]) then return {'late'} end
redis.call('HSET', KEYS[1], 'by', ARGV[2], 'answers', ARGV[3])
redis.call('ZREM', KEYS[2], turn[2])
return {'by', ARGV[2]}
""")

_RELEASE = Script("""
if redis.call('HGET', KEYS[1], 'by') ~= ARGV[2] then return end
redis.call('HDEL', KEYS[1], 'by', 'answers')
local turn = redis.call('HMGET', KEYS[1], 'deadline', 'waits')
redis.call('ZADD', KEYS[2], turn[1], turn[2])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
""")

_EXPIRED = Script("""
local waits = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 100)
if #waits > 0 then redis.call('ZREM', KEYS[1], unpack(waits)) end
return waits
""")


class RedisPausedTurns:
    """See `PausedTurns`; a turn is one hash, and all that wait are in one sorted set."""

    def __init__(
        self,
        redis: SharedRedis,
        prefix: str,
        wait_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._wait_s = wait_s
        self._ttl_ms = milliseconds(wait_s + _KEPT_S)
        self._threads_ttl_ms = milliseconds(wait_s + _THREADS_KEPT_S)
        self._clock = clock

    async def pause(self, request_id: str, paused: PausedTurn) -> Sequence[Thread]:
        """See `PausedTurns.pause`."""
        deadline = self._clock() + self._wait_s
        waits = request_id.encode() + b" " + encode(paused.thread)
        lives = (self._ttl_ms, self._threads_ttl_ms)
        turn = Run(_PAUSE, self._keys(request_id), (deadline, encode(paused), waits, *lives))
        _, expired = await self._redis.run_all((turn, self._expired()))
        return _threads(expired)

    async def find(self, request_id: str) -> PausedTurn:
        """See `PausedTurns.find`."""
        key, _ = self._keys(request_id)
        fields = await self._redis.ask("HMGET", key, "paused", "deadline", "by")
        paused, deadline, by = cast("list[bytes | None]", fields)
        if paused is None or deadline is None:
            raise NotAwaiting(_NOT_AWAITING)
        if by is None and float(deadline) <= self._clock():
            raise self._too_late()
        return decode(paused, PausedTurn)

    async def claim(self, request_id: str, answers: Answers, by: str) -> str:
        """See `PausedTurns.claim`."""
        arguments = (self._clock(), by, _fingerprint(answers))
        outcome = await self._redis.run(_CLAIM, self._keys(request_id), *arguments)
        match cast("list[bytes] | None", outcome):
            case [b"by", first]:
                return first.decode()
            case [b"late"]:
                raise self._too_late()
            case [b"differ"]:
                raise AnswersDiffer("Other answers came first; the turn goes on with those.")
            case _:
                raise NotAwaiting(_NOT_AWAITING)

    async def expired(self) -> Sequence[Thread]:
        """See `PausedTurns.expired`."""
        (expired,) = await self._redis.run_all((self._expired(),))
        return _threads(expired)

    async def release(self, request_id: str, by: str) -> None:
        """See `PausedTurns.release`."""
        await self._redis.run(_RELEASE, self._keys(request_id), self._threads_ttl_ms, by)

    async def close(self) -> Sequence[Thread]:
        """See `PausedTurns.close`: other processes find them all."""
        return ()

    def _expired(self) -> Run:
        return Run(_EXPIRED, self._keys("")[1:], (self._clock(),))

    def _keys(self, request_id: str) -> tuple[str, str]:
        return f"{self._prefix}:paused:{request_id}", f"{self._prefix}:waiting"

    def _too_late(self) -> AnswerTooLate:
        return AnswerTooLate(f"Answers were taken for {self._wait_s:g} s.")


def _fingerprint(answers: Answers) -> str:
    """Return what only the same answers have; what a result says need not be kept for that."""
    return hashlib.sha256(encode(answers)).hexdigest()


def _threads(replies: Reply) -> list[Thread]:
    return [decode(each.partition(b" ")[2], Thread) for each in cast("list[bytes]", replies)]
