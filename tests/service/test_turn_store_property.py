"""Whatever turns of several processes do to a conversation, in any order: what is kept is true.

The rule for threads is told here from the outside: a conversation goes on in a thread that has seen
exactly the turns that are told, or in none.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr

from service.domain import Conversation, Leavings, Thread, TurnRecord
from service.settings.data import DatabaseSettings
from service.storage.database.conversations import SqlConversations
from service.storage.database.engine import SqlDatabase, open_sql_database
from tests.support.clock import Clock
from tests.support.databases import IN_MEMORY
from tests.support.turn_stores import LEASE_S, turns_on

# When an example fails, Hypothesis looks for a shorter one for up to five minutes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PROCESSES = 2
ANY = st.integers(0, 1_000)
"""Stands for one of those that there are."""

YES = st.booleans()
ONE_OF_THE_PROCESSES = st.integers(0, PROCESSES - 1)


@dataclass(slots=True)
class Asked:
    """A turn, which process drives it, and what was found when it was asked.

    `knows` are the turns that the upstream knows: its thread's, or those that it was told.
    """

    record: TurnRecord
    process: int
    found: Conversation
    knows: Sequence[str] = ()

    @property
    def request_id(self):
        return self.record.request_id


class Turns(RuleBasedStateMachine):
    """One conversation in a memory that two processes share; its first turn never ends."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.count = Clock(), 0
        self.asked, self.running, self.ended = [], [], []
        self.seen, self.given_back = {}, []
        self.runner = asyncio.Runner()
        chosen = DatabaseSettings(url=SecretStr(IN_MEMORY))
        self.database = open_sql_database(chosen)
        others = [SqlDatabase(self.database._backend, chosen) for _ in range(PROCESSES - 1)]
        self.stores = [turns_on(each, self.clock) for each in (self.database, *others)]
        self.run(self.database.prepare())
        self.first = self.record()
        self.run(self.stores[0].begin(self.first, opens=True, tokens=0))

    def teardown(self) -> None:
        self.run(self.database._backend.close())
        self.runner.close()

    def run(self, work):
        return self.runner.run(work)

    def record(self):
        self.count += 1
        self.clock.forward(1.0)
        name = f"{self.count:03}"
        return TurnRecord(name, "c", "alice", name, f"{name}?", self.clock())

    def told(self):
        return sorted(each.request_id for each in self.ended if each.record.told)

    def end(self, asked, process, left):
        kept = self.run(self.stores[process].end(asked.record, left))
        self.given_back += [each.ids[0] for each in kept.unneeded]

    @rule(processes=st.lists(ONE_OF_THE_PROCESSES, min_size=1, max_size=3), begin=YES)
    def somebody_asks(self, processes, begin):
        for process in processes:
            found = self.run(self.stores[process].find("c", "alice"))
            self.asked.append(Asked(self.record(), process, found))
        while begin and self.asked:
            self.a_turn_begins(0, is_lost=False)

    @precondition(lambda self: self.asked)
    @rule(number=ANY, is_lost=YES)
    def a_turn_begins(self, number, is_lost):
        """The upstream may have lost the thread; then it is told what is in the history by now."""
        asked = self.asked.pop(number % len(self.asked))
        store, thread = self.stores[asked.process], asked.found.thread
        taken = self.run(store.find("c", None)).thread
        planned = replace(asked.record, came_from=thread)
        self.run(store.begin(planned, opens=False, tokens=0))
        asked.record = planned if taken == thread else asked.record
        if thread is None or is_lost:
            asked.knows = [each.key for each in self.run(store.history("c"))]
        else:
            asked.knows = self.seen[thread.ids[0]]
        self.running.append(asked)

    @precondition(lambda self: self.running)
    @rule(number=ANY, told=YES, goes_on=YES, is_heir=YES, twice=YES)
    def a_turn_ends(self, number, told, goes_on, is_heir, twice):
        asked = self.running.pop(number % len(self.running))
        self.clock.forward(1.0)
        thread = None
        if told and goes_on and not is_heir:
            thread = Thread("responses", (asked.request_id,))
            self.seen[asked.request_id] = sorted({*asked.knows, asked.request_id})
        ending = {"outcome": "end", "answer": "!", "told": told, "ended_at": self.clock()}
        asked.record = replace(asked.record, came_from=None, **ending)
        process = (asked.process + is_heir) % PROCESSES
        left = Leavings(thread, asked.found.version, inherited=is_heir)
        for _ in range(1 + twice):
            self.end(asked, process, left)
        self.ended.append(asked)

    @precondition(lambda self: self.running)
    @rule(number=ANY)
    def a_turn_is_withdrawn(self, number):
        asked = self.running.pop(number % len(self.running))
        self.run(self.stores[asked.process].withdraw(asked.record))

    @precondition(lambda self: self.running)
    @rule(number=ANY, said=YES, process=ONE_OF_THE_PROCESSES)
    def a_turn_is_lost(self, number, said, process):
        asked = self.running.pop(number % len(self.running))
        spoken = {asked.request_id: "So" if said else ""}
        self.run(self.stores[asked.process].checkpoint(spoken))
        self.clock.forward(LEASE_S + 1)
        self.run(self.stores[0].checkpoint({self.first.request_id: ""}))
        for each in self.running:
            self.run(self.stores[each.process].checkpoint({each.request_id: ""}))
        (asked.record,) = self.run(self.stores[process].abandoned())
        self.ended.append(asked)

    @precondition(lambda self: any(each.record.code for each in self.ended))
    @rule(number=ANY)
    def a_lost_turn_has_more_to_say(self, number):
        lost = [each for each in self.ended if each.record.code]
        asked = lost[number % len(lost)]
        self.clock.forward(1.0)
        ending = {"outcome": "end", "code": None, "told": True, "ended_at": self.clock()}
        asked.record = replace(asked.record, came_from=None, answer="So it is", **ending)
        self.end(asked, asked.process, Leavings(None, asked.found.version))

    @invariant()
    def a_thread_has_seen_what_is_told(self):
        thread = self.run(self.stores[0].find("c", None)).thread
        if thread is not None:
            assert self.seen[thread.ids[0]] == self.told()
            assert thread.ids[0] not in self.given_back

    @invariant()
    def no_thread_is_given_back_twice(self):
        assert len(self.given_back) == len(set(self.given_back))

    @invariant()
    def what_is_told_is_found_in_order(self):
        found = self.run(self.stores[-1].find("c", None))
        history = self.run(self.stores[-1].history("c"))

        assert [each.key for each in history] == self.told()
        assert (found.version == 0) == (self.told() == [])

    @invariant()
    def every_turn_is_kept_as_it_has_ended(self):
        for each in (*self.running[-2:], *self.ended[-2:]):
            assert self.run(self.stores[0].known(each.request_id, None)) == each.record

    @invariant()
    def every_question_counts_once(self):
        (note,) = self.run(SqlConversations(self.database).page(None, 2, None)).conversations

        assert note.message_count == len(self.ended)


@pytest.mark.slow
def test_what_is_kept_is_true():
    bounded = settings(max_examples=20, stateful_step_count=30)
    run_state_machine_as_test(Turns, settings=bounded)
