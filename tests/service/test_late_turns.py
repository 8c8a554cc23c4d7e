"""Turns that wait to be stored: which are tried when, and when they are given up."""

from types import SimpleNamespace

import anyio
import pytest

from service.domain import Kept, Leavings, Thread, TurnRecord
from service.errors import StorageUnavailable
from service.settings.data import DatabaseSettings
from service.turns.unstored import Unstored
from tests.support.logs import until
from tests.support.upstreams import ScriptedUpstream

pytestmark = pytest.mark.slow


class Store:
    """A database that cannot be reached for so many attempts; see `Turns.end`."""

    def __init__(self, failures=0, kept=()):
        self.failures = failures
        self.kept = {"r1": Kept(), "r2": Kept(), "r3": Kept()} | dict(kept)
        self.ended = []
        self.exported = []

    async def end(self, turn, left):
        if self.failures:
            self.failures -= 1
            raise StorageUnavailable("It is not there.")
        self.ended.append(turn.request_id)
        return self.kept[turn.request_id]


def late(store, *names, upstream=None, **settings):
    """Return turns that could not be stored."""
    export = store.exported.append
    kept = Unstored(store, upstream or ScriptedUpstream(), export, DatabaseSettings(**settings))
    for each in names:
        kept.add(TurnRecord(each, "c", "alice", each, "Hi", 1.0, outcome="end"), Leavings())
    return kept


def given_up(log):
    lines = [each for each in log if each["event"] == "turn.given_up"]
    return [(each["request_id"], each["reason"]) for each in lines]


async def test_the_oldest_are_stored_first_until_one_fails_again():
    store = Store()
    kept = late(store, "r1", "r2")
    store.failures = 1

    assert not await kept.keep()
    assert await kept.keep()
    assert store.ended == ["r1", "r2"]
    assert kept.count == 0


async def test_of_too_many_the_oldest_is_given_up(log):
    kept = late(Store(), "r1", "r2", "r3", retries_limit=2)

    assert given_up(log) == [("r1", "too_many")]
    assert kept.count == 2


async def test_nothing_is_kept_for_later_when_that_is_the_limit(log):
    assert late(Store(), "r1", retries_limit=0).count == 0
    assert given_up(log) == [("r1", "too_many")]


async def test_one_that_has_waited_for_too_long_is_given_up(log):
    store = Store()
    kept = late(store, "r1", retry_timeout_s=0.001)
    await anyio.sleep(0.01)

    assert await kept.keep()
    assert (store.ended, given_up(log)) == ([], [("r1", "too_late")])


async def test_what_is_stored_late_is_exported_as_it_was(log):
    store = Store(kept={"r2": None})
    kept = late(store, "r1", "r2")

    await kept.keep()

    assert [each.request_id for each in store.exported] == ["r1"]


async def test_one_that_is_no_longer_ours_is_given_up(log):
    kept = late(Store(kept={"r1": None}), "r1", "r2")

    assert await kept.keep()
    not_stored = [each for each in log if each["event"] == "turn.not_stored"]
    assert [each["request_id"] for each in not_stored] == ["r1"]
    assert given_up(log) == []
    assert kept.count == 0


async def test_threads_that_nobody_needs_then_are_deleted():
    upstream, thread = ScriptedUpstream(), Thread("scripted", ("old",))
    kept = late(Store(kept={"r1": Kept((thread,))}), "r1", upstream=upstream)
    await kept.keep()

    assert upstream.forgotten == [thread]


async def test_what_waits_of_a_conversation_is_stored_alone(log):
    store = Store()
    kept = late(store, "r1", "r2")
    kept.add(TurnRecord("r3", "other", "alice", "r3", "Hi", 1.0), Leavings())

    await kept.keep_of("other")
    await kept.keep_of("a third one")

    assert (store.ended, kept.count) == (["r3"], 2)


async def test_who_asks_next_is_told_that_it_cannot_be_stored_yet():
    kept = late(Store(failures=1), "r1", "r2")

    with pytest.raises(StorageUnavailable):
        await kept.keep_of("c")

    assert kept.count == 2


async def test_what_is_stored_by_two_at_once_is_exported_once(log):
    """Whoever is told of threads that nobody needs has them deleted."""
    store, upstream, thread = Store(), ScriptedUpstream(), Thread("scripted", ("old",))
    kept = late(store, "r1", upstream=upstream)
    began, go_on = anyio.Event(), anyio.Event()

    async def slowly(turn, left):
        began.set()
        await go_on.wait()
        return Kept((thread,))

    async with anyio.create_task_group() as tasks:
        kept.turns = SimpleNamespace(end=slowly)
        tasks.start_soon(kept.keep_of, "c")
        await began.wait()
        kept.turns = store
        await kept.keep()
        go_on.set()

    assert [each.request_id for each in store.exported] == ["r1"]
    assert upstream.forgotten == [thread]
    assert [each["event"] for each in log] == ["turn.stored_late"]


async def test_what_was_stored_while_others_are_tried_is_left(log):
    """Also when its time is over by then."""
    store = Store()
    kept = late(store, "r1", retry_timeout_s=0.05)
    kept.add(TurnRecord("r2", "other", "alice", "r2", "Hi", 1.0), Leavings())
    end, began, go_on = store.end, anyio.Event(), anyio.Event()

    async def slowly(turn, left):
        if turn.request_id == "r1":
            began.set()
            await go_on.wait()
        return await end(turn, left)

    store.end = slowly
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.keep)
        await began.wait()
        await kept.keep_of("other")
        await anyio.sleep(0.05)
        go_on.set()

    assert (store.ended, given_up(log)) == (["r2", "r1"], [])


async def test_what_comes_while_others_are_tried_is_tried_as_well():
    store = Store(failures=1)
    kept = late(store, "r1")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.run)
        await until(lambda: not store.failures)
        kept.add(TurnRecord("r2", "c", "alice", "r2", "Hi", 1.0), Leavings())
        await until(lambda: not kept.count)
        tasks.cancel_scope.cancel()

    assert store.ended == ["r1", "r2"]
