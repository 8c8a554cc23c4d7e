"""Whoever reads, wherever and from whenever on, gets what follows: each once, and in order."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ports import LogReader
from tests.support.logs import WAIT_S, Member, member, numbers, terminal, tokens

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Say:
    """So many tokens in one go."""

    count: int


@dataclass(frozen=True)
class Read:
    """From a share of what was said until then on; leave after so many pages, if ever."""

    elsewhere: bool
    share: float
    pages: int | None


@dataclass(frozen=True)
class Hold:
    """Keep Redis and the owner apart until the next one."""


@dataclass(frozen=True)
class Rest:
    """Let the others come to what they want to do."""

    time_s: float


STEPS = st.lists(
    st.one_of(
        st.builds(Say, st.integers(0, 40)),
        st.builds(Read, st.booleans(), st.floats(0, 1), st.none() | st.none() | st.integers(0, 3)),
        st.builds(Hold),
        st.builds(Rest, st.sampled_from([0.0, 0.0, 0.001, 0.003])),
    ),
    min_size=3,
    max_size=25,
)


@dataclass
class Reading:
    """What one reader has read."""

    after: int
    left: bool = False
    read: list[int] = field(default_factory=list)

    async def follow(self, reader: LogReader, pages: int | None) -> None:
        while not reader.at_end():
            if pages == 0:
                self.left = True
                break
            page = await reader.read(WAIT_S)
            assert page.earliest == 1
            self.read += numbers(page.emissions)
            pages = None if pages is None else pages - 1
        reader.close()

    def check(self, last: int) -> None:
        whole = list(range(self.after + 1, last + 1))
        assert self.read == (whole[: len(self.read)] if self.left else whole)


@given(steps=STEPS)
def test_every_reader_gets_what_follows_its_cursor_once(redis_of_the_session, steps):
    redis_of_the_session.flush()

    async def run():
        async with member(redis_of_the_session) as owner, member(redis_of_the_session) as other:
            with anyio.fail_after(WAIT_S):
                await play(owner, other, steps)

    anyio.run(run, backend_options={"use_uvloop": True})
    assert redis_of_the_session.keys_without_expiry() == []


async def play(owner: Member, other: Member, steps) -> None:
    """Take the steps and end the turn; then every reader has what it should have."""
    await owner.drives(0)
    said, readings = 0, []
    async with anyio.create_task_group() as tasks, AsyncExitStack() as holds:
        for step in steps:
            match step:
                case Say(count):
                    owner.log.append("turn", tokens(said + 1, said + count))
                    said += count
                case Read(elsewhere, share, pages):
                    reading = Reading(round(said * share))
                    reader = await (other if elsewhere else owner).log.reader("turn", reading.after)
                    tasks.start_soon(reading.follow, reader, pages)
                    readings.append(reading)
                case Hold():
                    await holds.aclose()
                    holds.enter_context(owner.cable.held())
                case Rest(time_s):
                    await anyio.sleep(time_s)
        owner.log.append("turn", (terminal(said + 1),))
        await holds.aclose()
    for each in readings:
        each.check(said + 1)
    assert owner.log._turns._running == {}
    assert not other.log._elsewhere._followed
