"""Turns that wait to be stored: which are tried when, and when they are given up."""

import anyio

from service.domain import Kept, Leavings, Thread, TurnRecord
from service.errors import StorageUnavailable
from service.settings.data import DatabaseSettings
from service.turns.unstored import Unstored
from tests.support.logs import until
from tests.support.upstreams import ScriptedUpstream


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
