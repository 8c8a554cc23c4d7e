"""The kit itself: its laws find what is wrong, and only that."""

import asyncio
import json

import pytest

from tests.support.faults.harms import Close, Fault, Harm, Play
from tests.support.faults.laws import assert_whole
from tests.support.faults.leaping_loop import LeapingLoop, NothingCanHappen
from tests.support.faults.lines import LineLost
from tests.support.faults.readers import Ending, Reader
from tests.support.laws import digest_of


def payload(number, name="token", **fields):
    data = {"id": number, "token": "x", **fields}
    return json.dumps({"event": name, "data": data}, separators=(",", ":")).encode()


def frames(*payloads, first=1):
    return b"".join(
        b"id: %d\ndata: %b\n\n" % (number, each) for number, each in enumerate(payloads, first)
    )


def sealed(before, name="end", **fields):
    count, digest = len(before) + 1, digest_of(before)
    return payload(count, name, **{"count": count, "digest": digest, **fields})


TOKENS = [payload(1, "start"), payload(2), payload(3)]
GOOD = frames(*TOKENS, sealed(TOKENS))
AWAY = b": draining\nretry: 5\n"
UNAVAILABLE = b'retry: 5\ndata: {"event":"unavailable","data":{"code":"log_unavailable"}}\n\n'


class Canned:
    """Answers with bodies that were made up; one may end with its connection."""

    def __init__(self, *bodies, lost=()):
        self.bodies, self.lost = list(bodies), lost
        self.asked = []

    async def __call__(self, method, target, *, body=b"", headers=None, narrow=False):
        self.asked.append((method, dict(headers or {})))
        return CannedLine(self.bodies.pop(0), lost=len(self.asked) in self.lost)


class CannedLine:
    def __init__(self, body, *, lost):
        self.status, self.headers = 200, {"content-type": "text/event-stream"}
        self.parts, self.lost = [body], lost

    async def part(self):
        if self.parts:
            return self.parts.pop()
        if self.lost:
            raise LineLost
        return b""

    async def hang_up(self):
        self.parts = []


async def read(*bodies, lost=()):
    """Follow a turn that is answered with these bodies."""
    reader = Reader(Canned(*bodies, lost=lost), "r")
    while reader.dial.bodies and not reader.ended:
        await reader.resume()
        await reader.read()
    return reader


@pytest.mark.parametrize(
    "bodies",
    [
        [GOOD],
        [b":\n:\n" + GOOD],
        [frames(*TOKENS[:2]) + AWAY, frames(TOKENS[2], sealed(TOKENS), first=3)],
        [frames(*TOKENS[:2]) + b":\n" + AWAY, AWAY, frames(TOKENS[2], sealed(TOKENS), first=3)],
        [frames(*TOKENS) + UNAVAILABLE, UNAVAILABLE, frames(sealed(TOKENS), first=4)],
    ],
    ids=["at once", "after silence", "sent away", "sent away twice", "unavailable"],
)
async def test_a_lawful_stream_is_lawful(bodies):
    whole = await read(GOOD)

    assert_whole(await read(*bodies), like=whole)


@pytest.mark.parametrize(
    "bodies",
    [
        [GOOD + frames(payload(5), first=5)],
        [GOOD + frames(sealed([*TOKENS, sealed(TOKENS)]), first=5)],
        [frames(*TOKENS)],
        [frames(*TOKENS) + b": draining\n"],
        [frames(*TOKENS) + b": because\nretry: 5\n"],
        [frames(*TOKENS) + b": draining\nretry: 5\n\n"],
        [frames(*TOKENS, sealed(TOKENS, count=5))],
        [frames(*TOKENS, sealed(TOKENS, digest="00"))],
        [frames(*TOKENS[:2], sealed(TOKENS[:2])).replace(b"id: 2", b"id: 3")],
        [frames(TOKENS[0], TOKENS[1], TOKENS[1], sealed(TOKENS))],
        [frames(*TOKENS[:2]) + AWAY, frames(TOKENS[1], TOKENS[2], sealed(TOKENS), first=2)],
        [frames(*TOKENS[:2]) + AWAY, frames(sealed(TOKENS), first=4)],
        [GOOD[:-1]],
        [GOOD + b": more\n"],
        [GOOD.replace(b"\n", b"\r\n")],
    ],
    ids=[
        "an event after the end",
        "two ends",
        "it just stops",
        "no time to come back",
        "an unknown reason",
        "a reason in a block",
        "a wrong count",
        "a wrong digest",
        "a wrong id",
        "an event twice",
        "an event again on coming back",
        "an event left out on coming back",
        "half an event",
        "a comment after the end",
        "other line ends",
    ],
)
async def test_an_unlawful_stream_is_found(bodies):
    reader = await read(*bodies)

    with pytest.raises(AssertionError):
        assert_whole(reader)


async def test_a_lost_connection_is_lawful_only_where_it_was_to_be_expected():
    reader = await read(frames(*TOKENS), frames(sealed(TOKENS), first=4), lost=(1,))

    assert reader.visits[0].ending is Ending.LOST
    assert_whole(reader, lost=True)
    with pytest.raises(AssertionError):
        assert_whole(reader)


async def test_a_gap_may_lead_back_over_what_is_not_of_the_turn():
    start, lost = TOKENS[:1], sealed(TOKENS[:1], name="error", code="owner_lost")
    gap = b'data: {"event":"gap","data":{"from":4,"to":2}}\n\n'
    whole = await read(frames(*start, lost))
    reader = await read(frames(*TOKENS) + UNAVAILABLE, gap + frames(lost, first=2))
    other = await read(frames(payload(1)) + UNAVAILABLE, gap + frames(lost, first=2))

    assert_whole(reader, like=whole, gaps=True)
    with pytest.raises(AssertionError):
        assert_whole(reader, like=whole)
    with pytest.raises(AssertionError):
        assert_whole(other, like=whole, gaps=True)


async def test_other_bytes_than_those_of_an_undisturbed_reader_are_found():
    other = [TOKENS[0], payload(2, token="y"), TOKENS[2]]
    reader, whole = await read(frames(*other, sealed(other))), await read(GOOD)

    assert_whole(reader)
    with pytest.raises(AssertionError):
        assert_whole(reader, like=whole)


@pytest.mark.parametrize("size", range(1, len(GOOD)))
async def test_a_reader_goes_on_after_the_last_whole_event(size):
    reader = Reader(Canned(GOOD, b""), "r")
    await reader.resume()
    await reader.read(size=size)
    await reader.drop()

    await reader.resume()

    seen = GOOD[:size].count(b"\n\n")
    assert reader.dial.asked[1] == ("GET", {"Last-Event-ID": str(seen)} if seen else {})
    await reader.drop()


async def test_time_leaps():
    loop = asyncio.get_running_loop()
    began = loop.time()

    await asyncio.gather(asyncio.sleep(3_600), asyncio.sleep(1_800))

    assert loop.time() - began == pytest.approx(3_600)


def test_what_would_hang_for_ever_is_found():
    async def wait():
        await asyncio.Event().wait()

    runner = asyncio.Runner(loop_factory=LeapingLoop)
    with pytest.raises(NothingCanHappen):
        runner.run(wait())
    runner.close()


PLAY = Play("p", "agents", (b"a0", b"b0", b"c0"))


@pytest.mark.parametrize(
    ("fault", "payloads", "close"),
    [
        (Fault.NONE, b"a0 b0 c0", Close.END),
        (Fault.ENDS, b"a0", Close.END),
        (Fault.RESETS, b"a0", Close.RESET),
        (Fault.STALLS, b"a0", Close.NEVER),
        (Fault.SWAPS, b"a0 c0 b0", Close.END),
        (Fault.DROPS, b"a0 c0", Close.END),
        (Fault.DOUBLES, b"a0 b0 b0 c0", Close.END),
        (Fault.HALVES, b"a0 b c0", Close.END),
    ],
)
def test_a_harm_is_done_where_it_should_be(fault, payloads, close):
    spoilt = PLAY.harmed(Harm(fault, 1))

    assert (b" ".join(spoilt.payloads), spoilt.close) == (payloads, close)
