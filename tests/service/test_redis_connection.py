"""How a Redis is asked, and what becomes of a question when it does not answer."""

import random
import socket
import struct
import time

import anyio
import pytest
from anyio.abc import SocketAttribute

from service.errors import LogUnavailable, SettingsInvalid
from service.storage.redis.connection import Run, Script, open_redis
from tests.support.peers import served_by
from tests.support.redis_server import connected

SHORT_S = 0.2
ADD = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")


async def test_answers_are_as_redis_says_them(shared_redis):
    assert await shared_redis.ask("SET", "key", b"\xff", "EX", 60) == b"OK"
    assert await shared_redis.ask("GET", "key") == b"\xff"
    assert await shared_redis.ask("GET", "nothing") is None
    assert await shared_redis.ask("MGET", "key", "nothing") == [b"\xff", None]
    assert await shared_redis.ask("INCRBYFLOAT", "number", 1.5) == b"1.5"
    assert await shared_redis.ask("EXPIRE", "number", 60) == 1


async def test_what_is_asked_in_one_go_is_answered_in_order(shared_redis):
    answers = await shared_redis.ask_all([("ECHO", str(number)) for number in range(1_000)])

    assert answers == [str(number).encode() for number in range(1_000)]


async def test_nothing_is_no_question(shared_redis):
    assert await shared_redis.ask_all([]) == []


async def test_a_command_that_is_refused_costs_no_other_its_answer(shared_redis, log):
    with pytest.raises(LogUnavailable) as raised:
        await shared_redis.ask_all([("NONSENSE",), ("ECHO", "lost")])

    assert raised.value.cause == "Redis has refused a command."
    assert await shared_redis.ask("ECHO", "mine") == b"mine"
    assert [each["event"] for each in log] == ["redis.lost", "redis.recovered"]


async def test_a_script_is_sent_once(shared_redis, redis_server):
    await shared_redis.run(ADD, ("sum",), 1)
    await shared_redis.run(ADD, ("sum",), 2)
    await shared_redis.ask("EXPIRE", "sum", 60)

    assert await shared_redis.ask("GET", "sum") == b"3"
    commands = redis_server.ask("INFO", "commandstats").decode()
    assert "cmdstat_eval:calls=1," in commands


async def test_scripts_that_are_sent_in_one_go_are_each_run_once(shared_redis):
    """Redis may lose its scripts at any time: a restart, a failover, a flush."""
    runs = [Run(ADD, ("sum",), (number,)) for number in (1, 2, 3)]
    assert await shared_redis.run_all(runs) == [1, 3, 6]
    await shared_redis.ask("SCRIPT", "FLUSH")

    assert await shared_redis.run_all(runs) == [7, 9, 12]
    await shared_redis.ask("EXPIRE", "sum", 60)


async def test_questions_wait_for_one_of_a_few_connections(redis_server):
    async with connected(redis_server, connections_limit=2) as redis:
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(redis.ask, "ECHO", str(number))

        assert redis_server.clients() == 2


async def test_nothing_stays_open(redis_server):
    async with connected(redis_server) as redis:
        await redis.ask("PING")

    assert redis_server.clients() == 0


async def test_who_leaves_gets_no_answer_of_another(redis_server):
    """An answer that nobody waits for any more must not be the next one's."""
    seed = random.Random(7)

    async def ask(number):
        with anyio.move_on_after(seed.random() / 500):
            assert await redis.ask("ECHO", str(number)) == str(number).encode()

    async with connected(redis_server, connections_limit=2) as redis:
        async with anyio.create_task_group() as tasks:
            for number in range(300):
                tasks.start_soon(ask, number)

        for number in range(10):
            assert await redis.ask("ECHO", str(number)) == str(number).encode()


async def test_a_redis_that_says_nothing_costs_a_bounded_time(mortal_redis, log):
    async with connected(mortal_redis, timeout_s=SHORT_S) as redis:
        await redis.ask("PING")
        with mortal_redis.paused():
            began = time.monotonic()
            with pytest.raises(LogUnavailable) as raised:
                await redis.ask("PING")
            with pytest.raises(LogUnavailable):
                await redis.ask("PING")
            took_s = time.monotonic() - began

        assert await redis.ask("PING") == b"PONG"
    assert raised.value.cause == "Redis does not answer."
    assert 1.9 * SHORT_S <= took_s < 10 * SHORT_S
    assert [each["event"] for each in log] == ["redis.lost", "redis.recovered"]


async def test_many_that_wait_for_it_all_wait_for_the_same_time(mortal_redis):
    async with connected(mortal_redis, timeout_s=SHORT_S, connections_limit=2) as redis:

        async def ask():
            with pytest.raises(LogUnavailable):
                await redis.ask("PING")

        began = time.monotonic()
        with mortal_redis.paused():
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(ask)

    assert time.monotonic() - began < 10 * SHORT_S


async def test_a_question_may_itself_wait(redis_server):
    async with connected(redis_server, timeout_s=SHORT_S) as redis:
        assert await redis.ask("BLPOP", "nothing", 2 * SHORT_S, wait_s=3 * SHORT_S) is None
        with pytest.raises(LogUnavailable):
            await redis.ask("BLPOP", "nothing", 2 * SHORT_S)


async def test_a_redis_that_was_started_again_is_asked_at_once(mortal_redis):
    async with connected(mortal_redis) as redis:
        await redis.ask("PING")
        mortal_redis.kill()
        with pytest.raises(LogUnavailable):
            await redis.ask("PING")
        mortal_redis.start()

        assert await redis.ask("PING") == b"PONG"


async def test_a_restart_between_two_questions_is_not_noticed(mortal_redis):
    async with connected(mortal_redis) as redis:
        await redis.ask("PING")
        mortal_redis.restart()
        await anyio.wait_all_tasks_blocked()

        assert await redis.ask("PING") == b"PONG"


@pytest.mark.parametrize("abruptly", [False, True])
async def test_a_connection_that_was_cut_while_idle_is_replaced(abruptly):
    """As proxies and firewalls do, which may also send a reset."""
    to_be_cut, gone = anyio.Event(), anyio.Event()

    async def answer_once(peer):
        data = b""
        while b"PING" not in data:
            data = await peer.wire.receive()
            await peer.send(b"+OK\r\n" * data.count(b"SETINFO"))
        await peer.send(b"+PONG\r\n")
        await to_be_cut.wait()
        raw = peer.wire.extra(SocketAttribute.raw_socket)  # noqa: S610 # this is no Django
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", abruptly, 0))
        await peer.wire.aclose()
        gone.set()

    async with served_by(answer_once) as url:
        redis = open_redis(url.replace("http", "redis"), timeout_s=5, connections_limit=1)
        await redis.ask("PING")
        to_be_cut.set()
        await gone.wait()
        await anyio.wait_all_tasks_blocked()

        assert await redis.ask("PING") == b"PONG"
        await redis.close()


async def test_a_replica_is_left_for_what_is_in_its_place(mortal_redis):
    async with connected(mortal_redis, connections_limit=1) as redis:
        before = await redis.ask("CLIENT", "ID")
        mortal_redis.ask("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(LogUnavailable):
            await redis.ask("SET", "key", "value", "EX", 60)

        assert await redis.ask("CLIENT", "ID") != before


async def test_a_redis_that_is_full_is_not_available(mortal_redis):
    mortal_redis.ask("CONFIG", "SET", "maxmemory", "1")
    async with connected(mortal_redis) as redis:
        with pytest.raises(LogUnavailable):
            await redis.ask("SET", "key", "value", "EX", 60)


@pytest.mark.parametrize(("password", "answers"), [("s%40crt", True), ("wrong", False)])
async def test_a_password_comes_from_the_address(mortal_redis, password, answers, log):
    address = f"redis://:{password}@127.0.0.1:{mortal_redis.port}/3"
    mortal_redis.ask("CONFIG", "SET", "requirepass", "s@crt")
    redis = open_redis(address, timeout_s=5, connections_limit=1)

    if answers:
        assert await redis.ask("PING") == b"PONG"
    else:
        with pytest.raises(LogUnavailable):
            await redis.ask("PING")
        assert password not in str(log)
    await redis.close()


@pytest.mark.parametrize(
    "address",
    [
        "http://:s3cret@localhost",
        "redis://:s3cret/x@localhost",
        "redis://:s3cret@localhost?nonsense=1",
        "redis://:s3cret@localhost?db=x",
    ],
)
def test_what_is_no_address_is_refused_without_its_password(address):
    with pytest.raises(SettingsInvalid) as raised:
        open_redis(address, timeout_s=1, connections_limit=1)

    assert "s3cret" not in str(raised.value)
    assert raised.value.__suppress_context__
