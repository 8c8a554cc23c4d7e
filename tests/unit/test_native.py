"""The native dialect: exactly the JSON that PROTOCOL, section 4, promises, and intact framing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statemachine import EVENT_NAMES, Emission, NativeEncoder, State, wire_fields
from statemachine.downstream.native import payload, to_json
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
    Token,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    TurnComplete,
)
from statemachine.events import (
    Call,
    CallStatus,
    Document,
    FinishReason,
    InputReason,
    Interrupter,
    RagChunk,
    Touchpoint,
    Usage,
)
from tests.support.laws import parsed
from tests.support.sse import SseReader, read_messages
from tests.support.walks import NASTY, TEXTS

SEAL = Seal(9, "d1", stored=True, available_quotas={"daily": 7})
SEALED = ',"stored":true,"count":9,"digest":"d1"'
CALL = Call("c1", "add", '{"a": 1}', "lab")
PODS, NODES = Document("https://e.org/", "Pods", "d1"), Document(None, "Nodes")
RESULT = ToolResult("c1", "add", CallStatus.OK, "2")
FOUND = ToolResult("c1", "search", CallStatus.FAILED, "2", "found 2", (PODS, NODES))
LISTED = (
    '[{"doc_url":"https://e.org/","doc_title":"Pods","document_id":"d1"},'
    '{"doc_url":null,"doc_title":"Nodes"}]'
)
VIOLATION = Shield(Touchpoint.ASSISTANT_OUTPUT, "No.", "error", '{"type":"S1"}')
PASSED = Shield(Touchpoint.USER_INPUT, None, None, None)
END = End(
    FinishReason.LENGTH, Usage(7, 3), documents=(NODES,), chunks=(RagChunk("A.", "Nodes", 0.5),)
)
# fmt: off
ROWS: list[tuple[Output, str, str]] = [
    (Start("c", "r", None), "start", '"conversation_id":"c","request_id":"r"'),
    (Start("c", "r", "t"), "start", '"conversation_id":"c","request_id":"r","turn_id":"t"'),
    (Token("Hi"), "token", '"token":"Hi"'),
    (Reasoning("Hm"), "reasoning", '"token":"Hm"'),
    (ToolCallDelta("{", None, None), "tool_call_delta", '"token":"{"'),
    (ToolCallDelta("{", "c1", "add"), "tool_call_delta",
     '"call_id":"c1","tool_name":"add","token":"{"'),
    (ToolCall(CALL), "tool_call",
     '"call_id":"c1","token":{"tool_name":"add","arguments":{"a":1}},"server_label":"lab"'),
    (ToolCall(Call("c1", "add", "{a: 1}")), "tool_call",
     '"call_id":"c1","token":{"tool_name":"add","arguments":"{a: 1}"}'),
    (RESULT, "tool_result",
     '"call_id":"c1","token":{"tool_name":"add","response":"2"},"status":"ok"'),
    (FOUND, "tool_result",
     ('"call_id":"c1","token":{"tool_name":"search","summary":"found 2"},"status":"failed",'
      f'"referenced_documents":{LISTED}')),
    (PASSED, "shield", '"touchpoint":"user-input","verdict":"passed"'),
    (VIOLATION, "shield",
     ('"touchpoint":"assistant-output","verdict":"violation","message":"No.",'
      '"violation_level":"error","metadata":{"type":"S1"}')),
    (TurnComplete("Hi"), "turn_complete", '"token":"Hi"'),
    (END, "end",
     ('"referenced_documents":[{"doc_url":null,"doc_title":"Nodes"}],'
      '"rag_chunks":[{"content":"A.","source":"Nodes","score":0.5}],"truncated":true,'
      '"finish_reason":"length","input_tokens":7,"output_tokens":3,"usage":"exact"')),
    (End(FinishReason.STOP, None, exact=False), "end",
     ('"referenced_documents":[],"rag_chunks":[],"truncated":false,"finish_reason":"stop",'
      '"input_tokens":0,"output_tokens":0,"usage":"estimated"')),
    (AwaitingInput("t", (CALL, Call("c2", "now", "")), InputReason.APPROVAL), "awaiting_input",
     ('"turn_id":"t","calls":[{"call_id":"c1","tool_name":"add","arguments":{"a":1},'
      '"server_label":"lab"},{"call_id":"c2","tool_name":"now","arguments":""}],'
      '"reason":"approval"')),
    (Interrupted("r", Interrupter.DRAIN), "interrupted", '"request_id":"r","by":"drain"'),
    (Failure("boom", 502, "It failed.", "Boom.", State.IDLE), "error",
     '"code":"boom","status_code":502,"response":"It failed.","cause":"Boom.","state":"idle"'),
]
# fmt: on


def expected_json(output: Output, event: str, fields: str) -> str:
    """Return the whole payload: the envelope, the number, the fields and the seal."""
    quotas = ',"available_quotas":{"daily":7}' if event == "end" else ""
    seal = SEALED if type(output) in TERMINALS else ""
    return f'{{"event":"{event}","data":{{"id":9,{fields}{seal}}}{quotas}}}'


EXACTLY = [(output, expected_json(output, event, fields)) for output, event, fields in ROWS]


def emission(output: Output, number: int = 9, path: tuple[State, ...] = ()) -> Emission:
    seal = SEAL if type(output) in TERMINALS else None
    return Emission(number, output, payload(number, output, seal), path, seal)


@pytest.mark.parametrize(("output", "expected"), EXACTLY, ids=range(len(EXACTLY)))
def test_every_event_has_exactly_its_json(output: Output, expected: str) -> None:
    assert emission(output).payload.decode() == expected


def test_every_output_has_its_event() -> None:
    assert {type(output) for output, _ in EXACTLY} == set(EVENT_NAMES)
    assert {parsed(emission(output).payload)["event"] for output, _ in EXACTLY} == set(
        EVENT_NAMES.values()
    )


@pytest.mark.parametrize(("output", "expected"), EXACTLY, ids=range(len(EXACTLY)))
def test_a_frame_has_an_id_and_one_line_of_data(output: Output, expected: str) -> None:
    assert NativeEncoder().encode(emission(output)) == f"id: 9\ndata: {expected}\n\n".encode()


def test_names_and_states_are_given_on_request() -> None:
    named = NativeEncoder(names=True)
    stated = NativeEncoder(states=True)
    both = NativeEncoder(names=True, states=True)
    moved = emission(Token("Hi"), path=(State.TURN_STARTED, State.STEP_IN_PROGRESS))
    rest = b'data: {"event":"token","data":{"id":9,"token":"Hi"}}\n\n'

    assert named.encode(moved) == b"id: 9\nevent: token\n" + rest
    assert stated.encode(moved) == b"id: 9\nstate: turn_started step_in_progress\n" + rest
    assert both.encode(moved).startswith(b"id: 9\nevent: token\nstate: turn_started step")
    assert stated.encode(emission(Token("Hi"))) == b"id: 9\n" + rest


@pytest.mark.parametrize("output", [output for output, _ in EXACTLY], ids=range(len(EXACTLY)))
def test_a_named_event_reaches_the_listener_of_its_name(output: Output) -> None:
    reader = SseReader()
    encoder = NativeEncoder(names=True, states=True)

    (message,) = reader.feed(encoder.encode(emission(output, path=(State.TURN_STARTED,))))

    assert (message.event, message.last_id) == (EVENT_NAMES[type(output)], "9")
    assert reader.ignored == [("state", "turn_started")]


@pytest.mark.parametrize("names", [False, True])
def test_a_gap_has_no_id_and_says_what_is_missing(*, names: bool) -> None:
    (message,) = read_messages(NativeEncoder(names=names).gap(3, 7))

    assert parsed(message.data.encode()) == {"event": "gap", "data": {"from": 3, "to": 7}}
    assert (message.event, message.last_id) == ("gap" if names else "message", "")


@pytest.mark.parametrize("names", [False, True])
def test_a_stream_that_cannot_be_followed_says_so_without_an_id_and_when_to_come_back(
    *, names: bool
) -> None:
    reader = SseReader()
    encoder = NativeEncoder(names=names)

    (message,) = reader.feed(encoder.unavailable("log_unavailable", "Try again.", 2_500))

    data = {"code": "log_unavailable", "response": "Try again.", "retry_ms": 2_500}
    assert parsed(message.data.encode()) == {"event": "unavailable", "data": data}
    assert (message.event, message.last_id) == ("unavailable" if names else "message", "")
    assert reader.retry_ms == 2_500


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_a_nasty_text_arrives_unchanged(text: str) -> None:
    (message,) = read_messages(NativeEncoder().encode(emission(Token(text))))

    assert parsed(message.data.encode())["data"]["token"] == text


@pytest.mark.parametrize(
    ("output", "expected"),
    [each for each in EXACTLY if not isinstance(each[0], Token)],
    ids=range(len(EXACTLY) - 1),
)
def test_what_is_stored_of_an_output_is_what_its_event_says(output: Output, expected: str) -> None:
    said = json.loads(expected)["data"]
    about_the_stream = {"id", "stored", "count", "digest", "answer_within_s"}

    assert wire_fields(output) == {
        name: value for name, value in said.items() if name not in about_the_stream
    }


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_a_nasty_text_is_stored_unchanged(text: str) -> None:
    assert wire_fields(Reasoning(text)) == {"token": text}


@pytest.mark.parametrize("text", [text for text in NASTY if text not in "\ud800\udfff"], ids=ascii)
def test_text_goes_out_as_it_is_and_not_escaped_beyond_need(text: str) -> None:
    encoded = emission(Token(text)).payload.decode()

    assert encoded == json.dumps(
        {"event": "token", "data": {"id": 9, "token": text}},
        ensure_ascii=False,
        separators=(",", ":"),
    )


@pytest.mark.parametrize(("text", "escaped"), [("a", b"a"), ("\ud800", b"\\ud800")], ids=ascii)
def test_a_number_that_json_lacks_is_null(text: str, escaped: bytes) -> None:
    said = to_json({"text": text, "score": float("nan")})

    assert said == b'{"text":"' + escaped + b'","score":null}'


def texts_of(text: str) -> list[Output]:
    """Every output that carries a text, with this text in each of its fields."""
    return [
        Start(text, text, text),
        Token(text),
        Reasoning(text),
        ToolCallDelta(text, text, text),
        ToolCall(Call(text, text, text, text)),
        ToolCall(Call(text, text, json.dumps({text: text}), text)),
        ToolResult(text, text, CallStatus.OK, text, text, (Document(text, text, text),)),
        Shield(Touchpoint.USER_INPUT, text, text, json.dumps({"a": text})),
        TurnComplete(text),
        End(FinishReason.STOP, None, chunks=(RagChunk(text, text, 1.0),)),
        AwaitingInput(text, (Call(text, text, text, text),), InputReason.TOOL_RESULT),
        Interrupted(text, Interrupter.USER),
        Failure(text, 500, text, text, State.IDLE),
    ]


@given(text=TEXTS, data=st.data())
def test_any_text_in_any_field_arrives_unchanged_at_any_cut(text: str, data: st.DataObject) -> None:
    emissions = [emission(output, number) for number, output in enumerate(texts_of(text), 1)]
    body = b"".join(NativeEncoder().encode(each) for each in emissions)
    reader, size = SseReader(), data.draw(st.integers(1, 40))

    parts = [body[start : start + size] for start in range(0, len(body), size)]
    messages = [message for part in parts for message in reader.feed(part)]

    assert not reader.partial
    assert [int(message.last_id) for message in messages] == [each.number for each in emissions]
    told = [parsed(message.data.encode())["data"] for message in messages]
    assert [told[0]["turn_id"], told[1]["token"], told[6]["token"]["summary"]] == [text] * 3
    assert [told[7]["metadata"]["a"], told[8]["token"], told[12]["cause"]] == [text] * 3
