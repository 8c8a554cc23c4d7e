"""Emissions in a log that several processes share: what one packs, another one has."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statemachine import (
    EVENT_NAMES,
    CallStatus,
    Emission,
    FinishReason,
    InputReason,
    Interrupter,
    Release,
    State,
    Token,
    Touchpoint,
    pack,
    settle,
    unpack,
)
from statemachine.downstream.native import payload
from statemachine.emissions import (
    TERMINALS,
    AwaitingInput,
    End,
    Failure,
    Interrupted,
    Output,
    Reasoning,
    Seal,
    Shield,
    Start,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    TurnComplete,
)
from statemachine.events import Call, Document, RagChunk, Usage
from tests.support.recordings import RecordedStream, recorded_streams
from tests.support.succession import played, through_a_log
from tests.support.walks import JUNK, TEXTS


def one_character(text: str) -> str:
    """Join both halves of a surrogate pair: JSON cannot tell them from the character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


SAID = TEXTS.map(one_character)
MAYBE = st.none() | SAID
WHOLE = st.integers(0, 2**53)
METADATA = st.none() | st.dictionaries(SAID, SAID | WHOLE | st.none(), max_size=2).map(json.dumps)
CALLS = st.builds(Call, SAID, SAID, SAID | METADATA.map(str), MAYBE)
DOCUMENTS = st.lists(st.builds(Document, MAYBE, SAID, MAYBE), max_size=2).map(tuple)
SCORES = st.none() | st.floats(allow_nan=False, allow_infinity=False)
CHUNKS = st.lists(st.builds(RagChunk, SAID, MAYBE, SCORES), max_size=2).map(tuple)
USAGES = st.none() | st.builds(Usage, WHOLE, WHOLE)

OUTPUTS: dict[type, st.SearchStrategy[Output]] = {
    Start: st.builds(Start, SAID, SAID, MAYBE, st.none() | st.sampled_from(Release)),
    Token: st.builds(Token, SAID),
    Reasoning: st.builds(Reasoning, SAID),
    ToolCallDelta: st.builds(ToolCallDelta, SAID, MAYBE, MAYBE),
    ToolCall: st.builds(ToolCall, CALLS),
    ToolResult: st.builds(
        ToolResult, SAID, SAID, st.sampled_from(CallStatus), SAID, MAYBE, DOCUMENTS, CHUNKS
    ),
    Shield: st.builds(Shield, st.sampled_from(Touchpoint), MAYBE, MAYBE, METADATA),
    TurnComplete: st.builds(TurnComplete, SAID),
    End: st.builds(End, st.sampled_from(FinishReason), USAGES, st.booleans(), DOCUMENTS, CHUNKS),
    AwaitingInput: st.builds(
        AwaitingInput,
        MAYBE,
        st.lists(CALLS, max_size=2).map(tuple),
        st.sampled_from(InputReason),
        USAGES,
    ),
    Interrupted: st.builds(Interrupted, SAID, st.sampled_from(Interrupter)),
    Failure: st.builds(Failure, SAID, WHOLE, SAID, SAID, st.sampled_from(State), USAGES),
}
PATHS = st.lists(st.sampled_from(State), max_size=3).map(tuple)
SEALS = st.builds(
    Seal, WHOLE, SAID, st.booleans(), st.none() | WHOLE, st.dictionaries(SAID, WHOLE, max_size=2)
)


def emission(output: Output, path: tuple[State, ...] = (), seal: Seal | None = None) -> Emission:
    seal = seal if type(output) in TERMINALS else None
    return Emission(7, output, payload(7, output, seal), path, seal)


def read_back(packed: Emission) -> Emission:
    return unpack(packed.number, *pack(packed))


def test_every_output_is_tried() -> None:
    assert OUTPUTS.keys() == EVENT_NAMES.keys()


@pytest.mark.parametrize("kind", OUTPUTS, ids=EVENT_NAMES.values())
@given(data=st.data())
def test_an_emission_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    packed = emission(data.draw(OUTPUTS[kind]), data.draw(PATHS), data.draw(SEALS))

    assert read_back(packed) == packed


@pytest.mark.parametrize("recorded", recorded_streams(), ids=lambda each: each.name)
def test_a_recording_comes_back_as_it_was(recorded: RecordedStream) -> None:
    emissions = played(recorded)

    assert through_a_log(emissions) == emissions


HUGE = "\N{WOMAN} \ud800 said \\ud800\r\n" * 100_000


@pytest.mark.parametrize("output", [Token(HUGE), Reasoning(HUGE), ToolCall(Call("", "", HUGE))])
def test_a_huge_text_comes_back_as_it_was(output: Output) -> None:
    packed = emission(output)

    assert read_back(packed) == packed


def test_what_the_service_has_said_of_an_end_comes_back() -> None:
    ended = emission(End(FinishReason.STOP, None), seal=Seal(7, "d"))
    settled = settle(ended, stored=True, available_quotas={"tokens": 5}, answer_within_s=600)

    assert read_back(settled) == settled


def test_a_token_is_all_in_its_payload() -> None:
    said = emission(Token("Hello"))

    assert pack(said) == (said.payload, b"")


def test_what_is_not_in_a_payload_stands_beside_it() -> None:
    moved = emission(Token("Hello"), (State.STEP_IN_PROGRESS,))
    interrupted = emission(Interrupted("req-1", Interrupter.USER), seal=Seal(7, "d"))

    assert pack(moved)[1] == b'{"path":["step_in_progress"]}'
    assert pack(interrupted)[1] == (
        b'{"event":"interrupted","output":{"request_id":"req-1","by":"user"},'
        b'"seal":{"count":7,"digest":"d","stored":false,"answer_within_s":null,'
        b'"available_quotas":{}}}'
    )


def test_fields_of_a_newer_version_are_passed_over() -> None:
    said = emission(Reasoning("Hm"))
    rest = b'{"event":"reasoning","output":{"text":"Hm","mood":7},"weather":"fine"}'

    assert unpack(7, said.payload, rest) == said


def test_an_end_that_an_older_version_has_written_lacks_its_usage() -> None:
    awaited = emission(AwaitingInput("t1", (), InputReason.APPROVAL), seal=Seal(7, "d"))
    rest = (
        b'{"event":"awaiting_input","output":{"turn_id":"t1","calls":[],"reason":"approval"},'
        b'"seal":{"count":7,"digest":"d"}}'
    )

    assert unpack(7, awaited.payload, rest) == awaited


TOKEN = emission(Token("Hello")).payload
OPENS = b"[" * 100_000
SEAL = b'"seal":{"count":7,"digest":"d"}'
# fmt: off
REFUSED = {
    "nothing": (b"", b""),
    "no JSON": (b"Hello", b""),
    "no UTF-8": (b"\xff", b""),
    "no object": (b"[]", b""),
    "another payload": (emission(Reasoning("Hm")).payload, b""),
    "a token without a text": (b'{"event":"token","data":{"token":7}}', b""),
    "a payload without bottom": (b'{"event":"token","odd":' + OPENS, b""),
    "a rest without bottom": (TOKEN, b'{"odd":' + OPENS),
    "a rest that is no JSON": (TOKEN, b"path"),
    "a rest that is no object": (TOKEN, b"[]"),
    "another payload with a path": (b"{}", b'{"path":["idle"]}'),
    "a path of one": (TOKEN, b'{"path":"idle"}'),
    "an unknown state": (TOKEN, b'{"path":["lost"]}'),
    "an unknown event": (TOKEN, b'{"event":"gap","output":{}}'),
    "a token beside its payload": (TOKEN, b'{"event":"token","output":{"text":"Hi"}}'),
    "an event that is a list": (TOKEN, b'{"event":["end"],"output":{}}'),
    "no output": (TOKEN, b'{"event":"reasoning"}'),
    "an output without a field": (TOKEN, b'{"event":"reasoning","output":{}}'),
    "a number that is a text": (
        TOKEN,
        b'{"event":"error","output":{"code":"","status_code":"5","response":"","cause":"",'
        b'"state":"idle"},' + SEAL + b"}",
    ),
    "an end without a seal": (
        TOKEN, b'{"event":"end","output":{"finish_reason":"stop","usage":null}}',
    ),
    "a sealed token": (TOKEN, b"{" + SEAL + b"}"),
    "a sealed piece": (TOKEN, b'{"event":"reasoning","output":{"text":"Hm"},' + SEAL + b"}"),
    "half a seal": (
        TOKEN, b'{"event":"interrupted","output":{"request_id":"","by":"user"},"seal":{}}',
    ),
}
# fmt: on


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not an emission: "):
        unpack(7, *REFUSED[name])


def refused_or_kept(stored: bytes, rest: bytes) -> bool:
    """Tell whether bytes are refused, or packed again the same once they were packed."""
    try:
        found = unpack(7, stored, rest)
    except ValueError:
        return True
    return pack(read_back(found)) == pack(found)


@given(stored=st.binary(max_size=40), rest=st.binary(max_size=40))
def test_any_bytes_are_an_emission_or_refused(stored: bytes, rest: bytes) -> None:
    assert refused_or_kept(stored, rest)


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "path": JUNK | st.lists(st.sampled_from(State), max_size=2),
        "event": JUNK | st.sampled_from(sorted(EVENT_NAMES.values())),
        "output": JUNK | st.fixed_dictionaries({"text": JUNK}) | st.dictionaries(SAID, JUNK),
        "seal": JUNK | st.fixed_dictionaries({"count": JUNK, "digest": JUNK}),
    },
)


@given(said=JUNK, rest=JUNK | FIELDS, data=st.data())
def test_any_json_is_an_emission_or_refused(
    said: object, rest: object, data: st.DataObject
) -> None:
    envelope = {"event": "token", "data": {"token": said}}
    stored = json.dumps(data.draw(st.sampled_from([envelope, said]))).encode()

    assert refused_or_kept(stored, json.dumps(rest).encode())


@given(data=st.data(), at=st.integers(0), byte=st.integers(0, 255))
def test_a_spoilt_byte_gives_an_emission_or_is_refused(
    data: st.DataObject, at: int, byte: int
) -> None:
    kind = data.draw(st.sampled_from(list(OUTPUTS)))
    stored, rest = pack(emission(data.draw(OUTPUTS[kind]), (State.IDLE,), data.draw(SEALS)))
    at %= len(rest)

    assert refused_or_kept(stored, rest[:at] + bytes([byte]) + rest[at + 1 :])
