"""What every upstream must do; the fake of these tests is held to it like the others."""

import json
from contextlib import aclosing

import pytest

from service.domain import Conversation, Plan
from service.errors import UpstreamReset
from service.upstream.replayed import ReplayedUpstream
from statemachine import Ending, Frame, Header, Recording, TurnStarted
from tests.support.plans import every
from tests.support.upstreams import Script, ScriptedUpstream, answer

CHUNKS = answer("Hel", "lo")
PAYLOADS = [json.dumps(each).encode() for each in CHUNKS]
PLAN = Plan("Hi", Conversation("conversation"))
RESET = UpstreamReset()


def scripted(*, lost: bool = False):
    return ScriptedUpstream(Script((*CHUNKS, RESET) if lost else CHUNKS))


def replayed(*, lost: bool = False):
    frames = tuple(Frame(1.0, payload) for payload in PAYLOADS)
    recording = Recording(Header("agents"), frames, Ending.RESET if lost else Ending.END, 1.0)
    return ReplayedUpstream({"Hi": recording}, default_session="Hi", speed=0)


@pytest.fixture(params=[scripted, replayed], ids=lambda each: each.__name__)
def make(request):
    return request.param


async def test_a_turn_sends_its_payloads_in_order_as_they_were_on_the_wire(make):
    turn = make().prepare(PLAN)
    async with turn.open() as body:
        assert body.opening == TurnStarted()
        assert await every(body.payloads()) == PAYLOADS


async def test_a_body_may_be_left_before_its_end(make):
    turn = make().prepare(PLAN)
    async with turn.open() as body, aclosing(body.payloads()) as batches:
        assert (await anext(batches))[0] == PAYLOADS[0]


async def test_a_body_that_cannot_be_read_on_says_so(make):
    turn = make(lost=True).prepare(PLAN)
    read = []
    with pytest.raises(UpstreamReset):
        await _read(turn, read)

    assert read == PAYLOADS


async def _read(turn, read):
    """Read a turn to its end, or until it is lost."""
    async with turn.open() as body, aclosing(body.payloads()) as batches:
        async for batch in batches:
            assert batch
            read.extend(batch)


async def test_turns_share_nothing(make):
    upstream = make()
    one, two = [upstream.prepare(PLAN) for _ in range(2)]

    assert one.decoder is not two.decoder
    assert one.decoder.dialect == two.decoder.dialect == "agents"


async def test_a_turn_is_prepared_before_anything_is_sent(make):
    """A turn that the log does not take has cost the upstream nothing."""
    upstream = make()
    async with upstream.running():
        await upstream.catalogue()
        turn = upstream.prepare(PLAN)

    assert turn.server
    assert (turn.moderation, turn.moderator) == (None, None)


async def test_a_catalogue_that_is_renewed_is_one_of_the_same_kind(make):
    upstream = make()
    async with upstream.running():
        known, renewed = await upstream.catalogue(), await upstream.catalogue(renew=True)

    assert type(known) is type(renewed)


def test_an_upstream_says_what_it_is(make):
    assert make().info.kind
