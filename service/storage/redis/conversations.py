"""Conversations that all processes can go on with.

Unlike in memory their number has no bound but the memory of Redis: each goes when it was not used
for its time to live.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from service.domain import Conversation, Model, PastTurn, Thread
from service.errors import ConversationUnknown, LogUnavailable
from service.storage.history import HistoryBounds, NextTurn
from service.storage.redis.connection import Reply, Script, SharedRedis, milliseconds
from service.storage.redis.values import decode, encode

_ATTEMPTS = 20
"""How often a turn is put into a conversation that changes meanwhile."""

# A version is never used twice: a conversation that went and came again is another one. There is
# none where there is no conversation.
_READ = ("version", "said", "thread")

_REPLACE = Script("""
if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[1] then
  return redis.call('HMGET', KEYS[1], 'version', 'said', 'thread')
end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'said', ARGV[4])
if ARGV[5] == '' then
  redis.call('HDEL', KEYS[1], 'thread')
else
  redis.call('HSET', KEYS[1], 'thread', ARGV[5])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
""")

_TAKE_THREAD = Script("""
redis.call('HDEL', KEYS[1], 'thread')
redis.call('HSET', KEYS[1], 'version', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
""")


class RedisConversations:
    """See `Conversations`; a conversation is one hash, and turns that end together take turns."""

    shared = True

    def __init__(
        self, redis: SharedRedis, prefix: str, bounds: HistoryBounds, ttl_s: float
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._bounds = bounds
        self._ttl_ms = milliseconds(ttl_s)

    async def find(self, conversation_id: str) -> Conversation:
        """See `Conversations.find`."""
        version, found = await self._read(conversation_id)
        if not version:
            raise ConversationUnknown("It was never begun, or it is no longer kept.")
        return found

    async def take_thread(self, conversation_id: str) -> None:
        """See `Conversations.take_thread`."""
        await self._redis.run(_TAKE_THREAD, (self._key(conversation_id),), _new(), self._ttl_ms)

    async def save(
        self,
        conversation_id: str,
        turn: PastTurn | None,
        model: Model | None,
        thread: Thread | None,
        *,
        known: Sequence[PastTurn],
    ) -> Sequence[Thread]:
        """See `Conversations.save`."""
        next_turn = NextTurn(turn, model, thread, known)
        version, before = await self._read(conversation_id)
        for _ in range(_ATTEMPTS):
            after, unneeded = next_turn.after(before, self._bounds)
            changed = await self._replace(version, after)
            if changed is None:
                return unneeded
            version, before = _stored(conversation_id, changed)
        raise LogUnavailable("The conversation does not stand still.")

    async def close(self) -> Sequence[Thread]:
        """See `Conversations.close`: other processes find them all."""
        return ()

    async def _read(self, conversation_id: str) -> tuple[bytes, Conversation]:
        return _stored(
            conversation_id, await self._redis.ask("HMGET", self._key(conversation_id), *_READ)
        )

    async def _replace(self, version: bytes, after: Conversation) -> Reply:
        """Put a conversation in the place of a version; returns what is there when that is not."""
        return await self._redis.run(
            _REPLACE,
            (self._key(after.conversation_id),),
            version,
            _new(),
            self._ttl_ms,
            encode(replace(after, thread=None)),
            b"" if after.thread is None else encode(after.thread),
        )

    def _key(self, conversation_id: str) -> str:
        return f"{self._prefix}:conversation:{conversation_id}"


def _new() -> str:
    return uuid.uuid4().hex


def _stored(conversation_id: str, fields: Reply) -> tuple[bytes, Conversation]:
    """Return the version of a conversation, and the conversation.

    Raises:
        LogUnavailable: another version has stored it.
    """
    version, said, thread = cast("list[bytes | None]", fields)
    try:
        found = Conversation(conversation_id) if said is None else decode(said, Conversation)
        if thread is not None:
            found = replace(found, thread=decode(thread, Thread))
    except ValueError as odd:
        raise LogUnavailable("The conversation was stored by another version.") from odd
    return version or b"", found
