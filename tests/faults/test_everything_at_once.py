"""Processes die, stand still and are restarted, and Redis stands still, while clients stream.

Whatever a client is told, it is told everything once, and its question is asked once.
"""

import asyncio
import random

import pytest

from tests.support.faults.laws import assert_laws, assert_whole
from tests.support.faults.model_server import Speech, counting
from tests.support.fixtures import anyio_backend
from tests.support.replicas import replicas

__all__ = ["anyio_backend"]

pytestmark = pytest.mark.slow

CLIENTS = 8
BLOWS = ("kill", "pause redis", "stand still", "restart", "stand still for long")
STATUSES = {200, 204, 502, 503, 504}
"""What nginx says when it finds nobody is among them."""

SETTINGS = {
    "redis_lease_s": "1.5",
    "redis_timeout_s": "0.5",
    "redis_patience_s": "0.3",
    "drain_timeout_s": "1",
    "heartbeat_s": "1",
}


async def asked(here, question):
    """Ask through nginx, again and again with one key, until there is a turn, or was one."""
    while True:
        reader = here.reader()
        await reader.ask(question, {"Idempotency-Key": question.replace(" ", "-")})
        if not reader.refused or is_lost(reader):
            return reader
        await asyncio.sleep(0.2)


def is_lost(reader):
    """Tell whether a turn has died before it said anything: its key stands for that."""
    return reader.visits[0].status == 503 and reader.refusal["code"] == "owner_lost"


async def client(here, number, over):
    """Ask one question after another, and lose the connection now and then."""
    chance, readers = random.Random(number), []
    while not over.is_set():
        question = here.model.says(f"{number}, {len(readers)}?", Speech(counting(50), pace_s=0.02))
        reader = await asked(here, question)
        readers.append(reader)
        while not (reader.ended or is_lost(reader)):
            if chance.random() < 0.3:
                await reader.read(size=chance.randrange(1, 1_500))
                await reader.drop()
            await reader.follow()
    return readers


async def strike(here, blow, replica):
    """Let one thing happen, and be over."""
    match blow:
        case "kill":
            replica.kill()
            await replica.start()
        case "restart":
            replica.terminate()
            assert await replica.ended() == 0
            await replica.start()
        case "pause redis":
            with here.redis.paused():
                await asyncio.sleep(1.5)
        case _:
            replica.stop()
            await asyncio.sleep(3 if blow.endswith("long") else 0.5)
            replica.go_on()


async def test_everything_at_once():
    async with replicas(3, **SETTINGS) as here:
        over = asyncio.Event()
        clients = [asyncio.create_task(client(here, each, over)) for each in range(CLIENTS)]
        for number, blow in enumerate(BLOWS):
            await asyncio.sleep(0.3)
            await strike(here, blow, here.each[number % len(here.each)])
        over.set()
        readers = [reader for each in clients for reader in await each]

        lost = [each for each in readers if is_lost(each)]
        assert all(len(here.model.to(each.question)) <= 1 for each in lost)
        for reader in readers:
            if reader in lost:
                continue
            whole = here.reader(of=reader)
            await whole.follow()
            assert_whole(whole)
            # What an owner has told nobody else when it is lost is not of the turn.
            died = whole.events[-1].envelope["data"].get("code") == "owner_lost"
            assert_laws(reader, like=whole, lost=True, gaps=died, statuses=STATUSES)
            assert len(here.model.to(reader.question)) == 1
        assert {each.events[-1].name for each in readers if each not in lost} >= {"end", "error"}
        assert here.redis.keys_without_expiry() == []
        for each in here.each:
            assert "crashed" not in each.said
            assert "Traceback" not in each.said
