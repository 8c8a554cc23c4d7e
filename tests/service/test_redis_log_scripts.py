"""Who owns a turn in Redis: the programs that it runs as a whole."""

import anyio
import pytest

from service.storage.redis.keys import Keys
from service.storage.redis.ownership import ADOPT, APPEND, FENCED, OPEN, UNKNOWN, behind
from tests.support.logs import until
from tests.support.redis_server import connected

KEYS = Keys("turnstile")
TURN, LOG, LEASE = KEYS.turn("turn"), KEYS.log("turn"), KEYS.lease("owner")
A_MINUTE_MS = 60_000
AN_HOUR_MS = 3_600_000


class Scripts:
    """The programs, on one turn."""

    def __init__(self, redis):
        self.redis = redis

    async def open(self, owner="owner", fence=1, lease_ms=A_MINUTE_MS):
        names = (TURN, LOG, KEYS.running, KEYS.lease(owner))
        rest = (owner, fence, "conversation", "{}", AN_HOUR_MS, lease_ms, "alice")
        return await self.redis.run(OPEN, names, "turn", *rest)

    async def append(self, *numbers, fence=1, ends=False, earliest=1, kept="", digest=""):
        said = [field for number in numbers for field in (number, f"said {number}", "")]
        keep_ms = A_MINUTE_MS if ends else ""
        rest = (fence, AN_HOUR_MS, keep_ms, earliest, kept, digest, *said)
        return await self.redis.run(APPEND, (TURN, LOG, KEYS.running), "turn", *rest)

    async def adopt(self, heir="heir", owner="owner"):
        names = (TURN, LOG, KEYS.running, KEYS.lease(owner))
        return await self.redis.run(ADOPT, names, "turn", owner, heir, AN_HOUR_MS)

    async def dies(self, process="owner"):
        await self.redis.ask("DEL", KEYS.lease(process))

    async def said(self):
        """Return the numbers in the log, and check what is beside them."""
        entries = await self.redis.ask("XRANGE", LOG, "-", "+")
        numbers = [int(name.removesuffix(b"-0")) for name, _ in entries]
        assert [fields for _, fields in entries] == [[b"p", b"said %d" % each] for each in numbers]
        return numbers

    async def field(self, name):
        return await self.redis.ask("HGET", TURN, name)

    async def running(self):
        return await self.redis.ask("HGETALL", KEYS.running)


@pytest.fixture
def scripts(shared_redis):
    return Scripts(shared_redis)


async def test_a_new_turn_is_owned_under_the_first_fence(scripts, redis_server):
    assert await scripts.open() == [1, 0]

    assert await scripts.running() == [b"turn", b"owner"]
    assert redis_server.keys() == [LEASE, KEYS.running, TURN]
    assert redis_server.keys_without_expiry() == []


async def test_opening_again_tells_how_far_the_turn_is(scripts):
    await scripts.open()
    await scripts.append(1, 2)

    assert await scripts.open() == [1, 2]
    assert await scripts.said() == [1, 2]


async def test_opening_again_says_once_more_that_the_turn_runs(scripts):
    """A Redis that is short of memory may give up any of our keys alone."""
    await scripts.open()
    await scripts.redis.ask("DEL", KEYS.running)
    await scripts.open()

    assert await scripts.running() == [b"turn", b"owner"]


async def test_a_turn_that_has_ended_runs_no_more_when_it_is_opened_again(scripts):
    await scripts.open()
    await scripts.append(1, ends=True)

    assert await scripts.open() == [1, 1]
    assert await scripts.running() == []


async def test_the_turn_of_another_process_is_not_opened(scripts):
    await scripts.open("heir", fence=2)

    assert await scripts.open("owner") == [2, 0]
    assert await scripts.field("owner") == b"heir"
    assert await scripts.running() == [b"turn", b"heir"]


async def test_what_is_left_of_a_lost_turn_is_not_in_the_way(scripts):
    """Only the numbers of a stream that is gone could be larger than those that come."""
    await scripts.open()
    await scripts.append(1, 2, 3)
    await scripts.redis.ask("DEL", TURN)

    assert await scripts.open() == [1, 0]
    assert await scripts.append(1, 2) == 2
    assert await scripts.said() == [1, 2]


async def test_a_heir_opens_under_its_own_fence_what_is_lost(scripts):
    """So that its first owner cannot come back."""
    await scripts.open("heir", fence=2)

    assert await scripts.append(1, fence=1) == FENCED
    assert await scripts.append(1, fence=2) == 1


async def test_an_append_that_is_repeated_is_done_once(scripts):
    await scripts.open()
    for _ in range(3):
        assert await scripts.append(1, 2) == 2
    assert await scripts.append(2, 3) == 3

    assert await scripts.said() == [1, 2, 3]


async def test_an_append_that_comes_late_changes_nothing(scripts):
    await scripts.open()
    await scripts.append(1, 2, 3)
    await scripts.append(4, 5, earliest=3, kept=3, digest="of all")

    assert await scripts.append(1, 2, 3, kept=1, digest="of some") == 5
    assert await scripts.said() == [3, 4, 5]
    assert await scripts.field("digest") == b"of all"


async def test_a_terminal_emission_that_is_repeated_ends_the_turn_once(scripts):
    await scripts.open()
    for _ in range(2):
        assert await scripts.append(1, 2, ends=True) == 2

    assert await scripts.said() == [1, 2]
    assert await scripts.running() == []


async def test_what_lacks_what_comes_before_it_is_refused(scripts):
    await scripts.open()
    await scripts.append(1, 2)

    assert behind(await scripts.append(5, 6)) == 2
    assert await scripts.said() == [1, 2]


async def test_what_lacks_only_what_nobody_keeps_is_taken(scripts):
    await scripts.open()
    await scripts.append(1, 2)

    assert await scripts.append(5, 6, earliest=5, kept=2) == 6
    assert await scripts.said() == [5, 6]


async def test_a_log_that_was_given_up_alone_is_wanted_whole(scripts, redis_server):
    await scripts.open()
    await scripts.append(1, 2, 3)
    await scripts.redis.ask("DEL", LOG)

    assert behind(await scripts.append(4)) == 0
    assert await scripts.append(1, 2, 3, 4) == 4
    assert await scripts.said() == [1, 2, 3, 4]
    assert redis_server.ttl_s(LOG) > 0


async def test_a_turn_that_is_unknown_takes_nothing(scripts, redis_server):
    assert await scripts.append(1) == UNKNOWN
    assert redis_server.keys() == []


async def test_an_old_fence_takes_nothing(scripts):
    await scripts.open()
    await scripts.append(1)
    await scripts.dies()
    await scripts.adopt()

    assert await scripts.append(2, fence=1) == FENCED
    assert await scripts.append(2, fence=1, ends=True) == FENCED
    assert await scripts.said() == [1]


async def test_everything_expires_while_a_turn_runs_and_sooner_when_it_has_ended(
    scripts, redis_server
):
    await scripts.open()
    await scripts.append(1)
    running_s = [redis_server.ttl_s(each) for each in (TURN, LOG, KEYS.running)]
    await scripts.append(2, ends=True)
    ended_s = [redis_server.ttl_s(each) for each in (TURN, LOG)]

    assert all(3_500 < each <= 3_600 for each in running_s)
    assert all(50 < each <= 60 for each in ended_s)


async def test_the_turn_of_a_living_process_is_not_adopted(scripts):
    await scripts.open()

    assert await scripts.adopt() == 0
    assert await scripts.field("owner") == b"owner"


async def test_the_turn_of_a_dead_process_is_adopted(scripts, redis_server):
    await scripts.open()
    await scripts.append(1)
    await scripts.dies()

    assert await scripts.adopt() == 2
    assert await scripts.running() == [b"turn", b"heir"]
    assert await scripts.append(2, fence=2) == 2
    assert redis_server.keys_without_expiry() == []


async def test_a_turn_is_adopted_again_when_its_heir_dies_too(scripts):
    await scripts.open()
    await scripts.dies()
    await scripts.adopt("heir")

    assert await scripts.adopt("third", owner="heir") == 3


async def test_a_turn_is_adopted_from_its_owner_only(scripts):
    await scripts.open()
    await scripts.dies()
    await scripts.adopt("heir")

    assert await scripts.adopt("third", owner="owner") == 0
    assert await scripts.field("owner") == b"heir"


async def test_a_turn_that_has_ended_is_not_adopted(scripts):
    await scripts.open()
    await scripts.append(1, ends=True)
    await scripts.redis.ask("HSET", KEYS.running, "turn", "owner")
    await scripts.dies()

    assert await scripts.adopt() == 0
    assert await scripts.running() == []


async def test_a_turn_that_is_gone_is_not_adopted(scripts):
    await scripts.open()
    await scripts.dies()
    await scripts.redis.ask("DEL", TURN)

    assert await scripts.adopt() == 0
    assert await scripts.running() == []


async def test_of_many_that_adopt_at_once_one_does(scripts, redis_server):
    await scripts.open()
    await scripts.dies()
    fences = []

    async def adopt(heir):
        async with connected(redis_server) as redis:
            fences.append(await Scripts(redis).adopt(heir))

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(adopt, f"heir {number}")

    assert sorted(fences) == [0] * 9 + [2]


async def test_a_lease_that_is_opened_with_a_turn_ends_by_itself(scripts, redis_server):
    await scripts.open(lease_ms=20)
    await until(lambda: not redis_server.ask("EXISTS", LEASE))

    assert await scripts.adopt() == 2
