"""The way to a Redis: a bounded pool of connections, and questions that take a bounded time.

1. Commands go over connections of redis-py, but not through its client: that costs twice as much,
   and repeats commands by itself, so that what appends could be done twice.
2. Answers are those of RESP2, as bytes: they are the same on every version of Redis.
3. Idle connections are not tried with a PING but by TCP's own keepalive, on by default in redis-py:
   without repetitions a failed PING would cost the request as much as a failed command.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

import hiredis
import structlog
from redis.asyncio.connection import BlockingConnectionPool, parse_url
from redis.exceptions import NoScriptError, ReadOnlyError, RedisError, ResponseError

from service.errors import LogUnavailable, SettingsInvalid

logger = structlog.get_logger()

type Argument = str | bytes | float
type Command = tuple[Argument, ...]
type Reply = bytes | int | list[Reply] | None

# Its own types know commands of one word only.
_pack = cast("Callable[[Command], bytes]", hiredis.pack_command)


class _Connection(Protocol):
    """What is used of a connection of redis-py, which has few types for it."""

    async def disconnect(self, *, nowait: bool) -> None: ...

    async def send_packed_command(self, command: bytes, *, check_health: bool) -> None: ...

    async def read_response(self) -> Reply: ...


class _Connections(Protocol):
    """What is used of a pool of redis-py."""

    def make_connection(self) -> _Connection: ...

    async def get_connection(self) -> _Connection: ...

    async def release(self, connection: _Connection) -> None: ...

    async def aclose(self) -> None: ...


class _Pool(BlockingConnectionPool):
    """Replaces idle connections that the other side has reset, which redis-py takes for good."""

    async def ensure_connection(self, connection: Any) -> None:  # noqa: ANN401 # has few types
        """See `ConnectionPool.ensure_connection`."""
        await _leave_reset(connection)
        await super().ensure_connection(connection)


class _Held:
    """One connection of a pool, for who asks all the time: to get one costs as much as to ask."""

    def __init__(self, connections: _Connections, connection: _Connection) -> None:
        self._connections = connections
        self._connection = connection

    def make_connection(self) -> _Connection:
        return self._connections.make_connection()

    async def get_connection(self) -> _Connection:
        await _leave_reset(self._connection)
        return self._connection

    async def release(self, connection: _Connection) -> None:
        """It is held until the end."""

    async def aclose(self) -> None:
        await self._connections.release(self._connection)


async def _leave_reset(connection: Any) -> None:  # noqa: ANN401 # has few types
    """Disconnect what the other side has reset; it is connected anew when it is used."""
    writer = connection._writer  # noqa: SLF001 # nothing public tells
    if writer is not None and writer.is_closing():
        await connection.disconnect(nowait=True)


class Script:
    """A program in Lua, which Redis runs as a whole; it is sent to a Redis that has it not yet."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Run:
    """A script, and what it is run on."""

    script: Script
    keys: tuple[str, ...]
    arguments: Command = ()

    def command(self, *, whole: bool) -> Command:
        """Return the command, with the `whole` script or only its name."""
        begin = ("EVAL", self.script.text) if whole else ("EVALSHA", self.script.digest)
        return (*begin, len(self.keys), *self.keys, *self.arguments)


class SharedRedis:
    """A Redis that other processes use as well; whatever is wrong with it is `LogUnavailable`."""

    def __init__(self, connections: _Connections, timeout_s: float) -> None:
        self._connections = connections
        self._timeout_s = timeout_s
        self._lost = False

    async def ask(self, *command: Argument, wait_s: float = 0.0) -> Reply:
        """Return the answer to a command, which may itself wait for `wait_s`.

        Raises:
            LogUnavailable: there is none; the command may have been done all the same.
        """
        with self._watched():
            (reply,) = await self._exchange((command,), wait_s)
            return _good(reply)

    async def ask_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Return the answers to commands that are sent in one go; others may come in between.

        Raises:
            LogUnavailable: see `ask`; some of the commands may have been done.
        """
        with self._watched():
            return [_good(each) for each in await self._exchange(commands)]

    async def run(self, script: Script, keys: tuple[str, ...], *arguments: Argument) -> Reply:
        """Return the answer of a script.

        Raises:
            LogUnavailable: see `ask`.
        """
        (reply,) = await self.run_all((Run(script, keys, arguments),))
        return reply

    async def run_all(self, runs: Sequence[Run]) -> list[Reply]:
        """Return the answers of scripts that are sent in one go; each is run as a whole.

        Raises:
            LogUnavailable: see `ask_all`.
        """
        with self._watched():
            return [_good(each) for each in await self._run_each(runs)]

    async def run_each(self, runs: Sequence[Run]) -> list[Reply | None]:
        """Return the answers of scripts, None for those that Redis refuses, unless it refuses all.

        Raises:
            LogUnavailable: see `run_all`.
        """
        with self._watched():
            replies = await self._run_each(runs)
            if all(isinstance(each, ResponseError) for each in replies):
                _good(replies[0])
        for each in replies:
            if isinstance(each, ResponseError):
                logger.warning("redis.refused", error=repr(each))
        return [None if isinstance(each, ResponseError) else each for each in replies]

    async def _run_each(self, runs: Sequence[Run]) -> list[Reply | ResponseError]:
        replies = await self._exchange([each.command(whole=False) for each in runs])
        unknown = [at for at, each in enumerate(replies) if isinstance(each, NoScriptError)]
        if unknown:
            again = await self._exchange([runs[at].command(whole=True) for at in unknown])
            for at, reply in zip(unknown, again, strict=True):
                replies[at] = reply
        return replies

    @asynccontextmanager
    async def held(self) -> AsyncIterator["SharedRedis"]:
        """Yield the same Redis, over one connection that nobody else uses meanwhile.

        Raises:
            LogUnavailable: there is no connection.
        """
        with self._watched():
            async with asyncio.timeout(self._timeout_s):
                connection = await self._connections.get_connection()
        held = SharedRedis(_Held(self._connections, connection), self._timeout_s)
        try:
            yield held
        finally:
            await held.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._connections.aclose()

    async def _exchange(
        self, commands: Sequence[Command], wait_s: float = 0.0
    ) -> list[Reply | ResponseError]:
        """Send commands in one write, and read as many answers."""
        packed = b"".join([_pack(each) for each in commands])
        # One deadline for all of it: a free connection, its making, the write and the answers.
        async with asyncio.timeout(self._timeout_s + wait_s), self._connection() as connection:
            await connection.send_packed_command(packed, check_health=False)
            replies = [await _read(connection) for _ in commands]
            if any(isinstance(each, ReadOnlyError) for each in replies):
                # It has become a replica; a new connection may lead to what is in its place.
                await connection.disconnect(nowait=True)
            return replies

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[_Connection]:
        connection = await self._connections.get_connection()
        try:
            yield connection
        finally:
            await self._connections.release(connection)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Translate what goes wrong, and log when that begins and when it is over."""
        try:
            yield
        except (RedisError, OSError) as failed:
            if not self._lost:
                self._lost = True
                logger.warning("redis.lost", error=repr(failed))
            refused = isinstance(failed, ResponseError)
            cause = "Redis has refused a command." if refused else "Redis does not answer."
            raise LogUnavailable(cause) from failed
        if self._lost:
            self._lost = False
            logger.warning("redis.recovered")


def open_redis(url: str, *, timeout_s: float, connections_limit: int) -> SharedRedis:
    """Return a Redis, which is reached when it is first asked; `rediss:` stands for TLS.

    Options in the query of the address are those of redis-py, such as `ssl_ca_certs`.

    Raises:
        SettingsInvalid: the address is none.
    """
    make: Any = _Pool
    try:
        connections: _Connections = make(
            **parse_url(url)
            | {
                "max_connections": connections_limit,
                "protocol": 2,
                "decode_responses": False,
                "socket_connect_timeout": timeout_s,
                # There is one timer for all of a question.
                "socket_timeout": None,
                "timeout": None,
            }
        )
        # Only this finds options that there are not.
        connections.make_connection()
    except (ValueError, TypeError, RedisError):
        # What is wrong with it could be quoted from its password.
        raise SettingsInvalid("The address of Redis, redis.url, is not valid.") from None
    return SharedRedis(connections, timeout_s)


def milliseconds(time_s: float) -> int:
    """Return a time to live as Redis takes it, which is never none at all."""
    return max(1, round(time_s * 1_000))


async def _read(connection: _Connection) -> Reply | ResponseError:
    try:
        return await connection.read_response()
    except ResponseError as refused:
        # The answers after this one must be read as well.
        return refused


def _good(reply: Reply | ResponseError) -> Reply:
    if isinstance(reply, ResponseError):
        raise reply
    return reply
