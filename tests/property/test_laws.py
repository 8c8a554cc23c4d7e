"""Whatever an upstream sends, the laws of a stream hold (PROTOCOL, section 3)."""

import json
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statemachine import DECODERS, Token, ToolResult
from statemachine.events import TurnEvent
from statemachine.states import FINAL
from tests.support.conversations import (
    PATHS,
    Conversation,
    broken_conversations,
    conversations,
    garbled,
)
from tests.support.laws import Run, check, new_stream, run_chunks, run_payloads
from tests.support.recordings import RecordedStream, captures, recorded_streams
from tests.support.walks import (
    ALL_EVENTS,
    JUNK,
    ScriptedDecoder,
    any_event,
    legal_walks,
    spoil_once,
    spoiled,
)

HARMS = ["drop", "double", "swap", "cut", "foreign"]
FOREIGN = [
    b"{",
    b"[DONE]",
    b"null",
    b'{"type":"response.new"}',
    b'{"event":{"payload":{}}}',
    b"\xff",
]
DIALECTS = st.sampled_from(list(DECODERS))
RECORDED = recorded_streams()
PAYLOADS = (
    st.binary(max_size=20)
    | JUNK.map(lambda value: json.dumps(value).encode())
    | st.sampled_from([payload for each in captures() for payload in each.payloads])
)


@given(walk=legal_walks(), sizes=st.lists(st.integers(1, 4)))
def test_a_legal_walk_ends_where_its_last_event_leads(walk: list[TurnEvent], sizes: list[int]):
    chunks, rest = [], tuple(walk)
    for size in [*sizes, len(walk)]:
        chunks, rest = [*chunks, rest[:size]], rest[size:]

    run = run_chunks(ScriptedDecoder(), chunks, begin=False)

    check(run)
    assert run.last.get("code") != "illegal_transition"
    assert run.stream.state in FINAL


@given(walk=spoiled(legal_walks(), any_event()))
def test_a_spoiled_walk_keeps_the_laws(walk: list[TurnEvent]):
    run = run_chunks(ScriptedDecoder(), [(event,) for event in walk], begin=False)

    check(run)


@given(walk=st.lists(st.sampled_from(ALL_EVENTS), max_size=12))
def test_events_in_any_order_keep_the_laws(walk: list[TurnEvent]):
    check(run_chunks(ScriptedDecoder(), [tuple(walk)]))


@given(conversation=conversations())
def test_a_conversation_arrives_whole(conversation: Conversation):
    run = run_chunks(DECODERS[conversation.dialect](), conversation.chunks)

    check(run)
    outputs = [emission.output for emission in run.emissions]
    assert run.last["event"] == conversation.outcome
    assert "".join(each.text for each in outputs if isinstance(each, Token)) == conversation.said
    assert sum(isinstance(each, ToolResult) for each in outputs) == conversation.results
    assert run.stream.unknown == {}


@given(broken=broken_conversations())
def test_a_broken_conversation_keeps_the_laws(broken: tuple[str, list[object]]):
    dialect, chunks = broken

    check(run_chunks(DECODERS[dialect](), chunks))


@given(dialect=DIALECTS, chunks=st.lists(JUNK, max_size=5))
def test_junk_keeps_the_laws(dialect: str, chunks: list[object]):
    check(run_chunks(DECODERS[dialect](), chunks))


@given(dialect=DIALECTS, payloads=st.lists(PAYLOADS, max_size=12))
def test_payloads_of_anything_keep_the_laws(dialect: str, payloads: list[bytes]):
    check(run_payloads(dialect, payloads))


@given(broken=broken_conversations(), begin=st.booleans())
def test_the_same_chunks_give_the_same_bytes(broken: tuple[str, list[object]], *, begin: bool):
    dialect, chunks = broken

    first = run_chunks(DECODERS[dialect](), chunks, begin=begin)
    second = run_chunks(DECODERS[dialect](), chunks, begin=begin)

    assert (first.native, first.text) == (second.native, second.text)
    assert first.stream.unknown == second.stream.unknown


@given(conversation=conversations(), at=st.integers(0, 30))
def test_an_interrupt_at_any_moment_keeps_the_laws(conversation: Conversation, at: int):
    stream = new_stream(DECODERS[conversation.dialect]())
    emissions = stream.begin(stream._decoder.opening(None))
    for chunk in conversation.chunks[:at]:
        emissions += stream.feed(chunk)

    emissions += stream.interrupt("user")

    check(Run(stream, emissions))


@given(recorded=st.sampled_from(RECORDED), at=st.integers(0), path=PATHS, junk=JUNK)
def test_a_recording_with_junk_inside_a_chunk_keeps_the_laws(
    recorded: RecordedStream, at: int, path: list[int], junk: object
):
    chunks = list(recorded.chunks)
    at %= len(chunks)
    chunks[at] = garbled(chunks[at], path, junk)

    check(run_chunks(DECODERS[recorded.dialect](), chunks))


def is_long(recorded: RecordedStream) -> bool:
    """Tell whether a recording has so many frames that its places share the harms."""
    return len(recorded.payloads) > 50


def places(recorded: RecordedStream) -> list[int]:
    """Every index; in a long recording only where the kind of chunk changes."""
    if is_long(recorded):
        runs = groupby(enumerate(recorded.chunks), key=lambda each: kind_of(each[1]))
        return [next(run)[0] for _, run in runs]
    return list(range(len(recorded.payloads)))


def kind_of(chunk: dict[str, object]) -> object:
    """Return the name of a chunk's kind, in whichever dialect."""
    payload = chunk.get("event", {}).get("payload", {})
    return chunk.get("type") or (payload.get("event_type"), payload.get("delta", {}).get("type"))


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each.name)
def test_a_recording_harmed_at_any_frame_keeps_the_laws(recorded: RecordedStream, harm: str):
    share = slice(HARMS.index(harm), None, len(HARMS)) if is_long(recorded) else slice(None)
    for at in places(recorded)[share]:
        foreign = [FOREIGN[at % len(FOREIGN)]]
        payloads = spoil_once(recorded.payloads, harm, at, max(at - 1, 0), foreign)

        check(run_payloads(recorded.dialect, payloads))


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each.name)
def test_a_recording_with_half_a_frame_keeps_the_laws(recorded: RecordedStream):
    for at in places(recorded):
        payloads = list(recorded.payloads)
        payloads[at] = payloads[at][: len(payloads[at]) // 2]

        run = run_payloads(recorded.dialect, payloads)

        check(run)
        assert run.last["event"] in {"error", "end"}
