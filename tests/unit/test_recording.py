"""The recording format: what is written is read again, and damage is named by its line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statemachine import (
    Ending,
    Frame,
    Header,
    Recording,
    RecordingDamaged,
    is_recording,
    read_capture,
    read_recording,
    write_ending,
    write_frame,
    write_header,
    write_recording,
)
from tests.support.recordings import RecordedStream, captures, demonstrations

HEAD = b'{"turnstile_recording":1,"dialect":"agents"}\n'
FRAME = b'{"at_ms":1,"data":"x"}\n'
END = b'{"at_ms":2,"ended":"end"}\n'
GOOD = HEAD + FRAME + FRAME + END
DAMAGED = [
    # file, the line that is wrong, and what is wrong with it
    (b"", 1, "the file is empty"),
    (b"{}\n", 1, "not a recording of format 1"),
    (b"[]\n", 1, "the line is not an object"),
    (b"\n", 1, "the line is not JSON"),
    (b'{"turnstile_recording":2,"dialect":"agents"}\n', 1, "not a recording of format 1"),
    (b'{"turnstile_recording":1}\n', 1, "the dialect is none of agents, responses"),
    (
        b'{"turnstile_recording":1,"dialect":["agents"]}\n',
        1,
        "the dialect is none of agents, responses",
    ),
    (
        HEAD.replace(b"}", b',"title":7}'),
        1,
        "the header is wrong: Expected `str`, got `int` - at `$.title`",
    ),
    (
        HEAD.replace(b"}", b',"request":[]}'),
        1,
        "the header is wrong: Expected `object`, got `array` - at `$.request`",
    ),
    (HEAD[:-2], 1, "the line is not complete"),
    (HEAD + FRAME + b"x", 3, "the line is not JSON"),
    (HEAD + b"x\n" + END, 2, "the line is not JSON"),
    (HEAD + b"[" * 100_000 + b"\n", 2, "the line is not JSON"),
    (HEAD + b'"\xff"\n', 2, "the line is not JSON"),
    (HEAD + FRAME + b"7\n", 3, "the line is not an object"),
    (HEAD + b'{"data":"x"}\n', 2, "at_ms is not a number"),
    (HEAD + b'{"at_ms":true,"data":"x"}\n', 2, "at_ms is not a number"),
    (HEAD + b'{"at_ms":"1","data":"x"}\n', 2, "at_ms is not a number"),
    (HEAD + b'{"at_ms":1' + b"0" * 400 + b',"data":"x"}\n', 2, "at_ms is not a number"),
    (HEAD + b'{"at_ms":-1,"data":"x"}\n', 2, "at_ms goes back"),
    (HEAD + FRAME + b'{"at_ms":0.5,"data":"x"}\n', 3, "at_ms goes back"),
    (HEAD + FRAME + b'{"at_ms":0.5,"ended":"end"}\n', 3, "at_ms goes back"),
    (HEAD + b'{"at_ms":1}\n', 2, "a frame needs data, base64 or verdict"),
    (HEAD + b'{"at_ms":1,"data":7}\n', 2, "a frame needs data, base64 or verdict"),
    (HEAD + b'{"at_ms":1,"base64":"%%%%"}\n', 2, "base64 cannot be decoded"),
    (HEAD + b'{"at_ms":1,"base64":"eA"}\n', 2, "base64 cannot be decoded"),
    (HEAD + '{"at_ms":1,"base64":"é"}\n'.encode(), 2, "base64 cannot be decoded"),
    (HEAD + b'{"at_ms":1,"ended":"later"}\n', 2, "ended is not end, reset, interrupted or failed"),
    (HEAD + b'{"at_ms":1,"ended":"cut"}\n', 2, "ended is not end, reset, interrupted or failed"),
    (HEAD + b'{"at_ms":1,"ended":["end"]}\n', 2, "ended is not end, reset, interrupted or failed"),
    (GOOD + FRAME, 5, "there are lines after the end"),
    (GOOD + b"\n", 5, "there are lines after the end"),
]


@pytest.mark.parametrize("recorded", demonstrations(), ids=lambda each: each.name)
def test_every_demonstration_is_written_as_it_was_read(recorded: RecordedStream) -> None:
    body = recorded.path.read_bytes()

    assert is_recording(body)
    assert write_recording(read_recording(body)) == body


@pytest.mark.parametrize("recorded", captures(), ids=lambda each: each.name)
def test_every_capture_can_become_a_recording(recorded: RecordedStream) -> None:
    body = recorded.path.read_bytes()
    recording = read_capture(body)

    assert not is_recording(body)
    assert recording.header.dialect == recorded.dialect
    assert read_recording(write_recording(recording)) == recording


@pytest.mark.parametrize(("body", "line", "problem"), DAMAGED, ids=range(len(DAMAGED)))
def test_damage_is_refused_and_named_by_its_line(body: bytes, line: int, problem: str) -> None:
    with pytest.raises(RecordingDamaged) as refused:
        read_recording(body)

    assert (refused.value.line, refused.value.problem) == (line, problem)


@pytest.mark.parametrize("damage", [b"\x00", b"{", b"\n"], ids=range(3))
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_damage_of_any_line_is_found_there(number: int, damage: bytes) -> None:
    lines = GOOD.splitlines(keepends=True)
    lines[number - 1] = damage + lines[number - 1]

    with pytest.raises(RecordingDamaged) as refused:
        read_recording(b"".join(lines))

    assert refused.value.line == number


@pytest.mark.parametrize(
    ("body", "frames", "ending"),
    [(HEAD, 0, "cut"), (HEAD + FRAME, 1, "cut"), (HEAD + END, 0, "end"), (GOOD, 2, "end"),
     (HEAD + FRAME + b'{"at_ms":1,"ended":"reset"}\n', 1, "reset")],
    ids=range(5),
)  # fmt: skip
def test_a_recording_says_how_its_body_ended(body: bytes, frames: int, ending: str) -> None:
    recording = read_recording(body)

    assert (len(recording.frames), recording.ending) == (frames, ending)


def test_a_recording_that_was_cut_has_no_line_for_its_end() -> None:
    header = write_header(Header("agents"))
    recording = read_recording(header + FRAME)

    assert write_recording(recording) == header + write_frame(Frame(1.0, b"x"))
    assert recording.ended_ms == 1.0


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "provider_api_key", "apiKey", "token", "accessToken", "x-auth-token"),
        *("client_secret", "password", "Cookie", "credentials", "headers", "extra_headers"),
    ],
)
def test_a_secret_is_known_by_its_name_however_deep_it_is(name: str) -> None:
    header = Header("agents", request={"tools": [{"auth": {name: {"any": "hunter2"}}}]})

    assert b"hunter2" not in write_header(header)


@pytest.mark.parametrize("name", ["max_tokens", "tokenizer", "header_names"])
def test_what_is_no_secret_stays(name: str) -> None:
    header = Header("agents", request={name: "kept"})

    assert read_recording(write_header(header)).header == header


@pytest.mark.parametrize("space", [b" ", b"\n", b"\r\n\t"])
def test_a_recording_with_space_before_it_is_still_one(space: bytes) -> None:
    assert is_recording(space + GOOD)
    assert not is_recording(space + b"data: x\n\n")


def test_a_payload_that_is_no_text_goes_in_as_base64() -> None:
    line = write_frame(Frame(1.5, b"\xff\x00"))

    assert line == b'{"at_ms":1.5,"base64":"/wA="}\n'
    assert read_recording(HEAD + line).frames == (Frame(1.5, b"\xff\x00"),)


def test_line_separators_of_unicode_end_no_line() -> None:
    payload = "a\u2028b\u2029c\x85d\x0be".encode()

    recording = read_recording(HEAD + write_frame(Frame(0.0, payload)))

    assert recording.frames[0].payload == payload


TIMES = st.floats(0, 1e9)
FRAMES = st.lists(st.builds(Frame, TIMES, st.binary() | st.text().map(str.encode)))
TEXT = st.text()


@given(
    frames=FRAMES, ending=st.sampled_from(Ending), title=TEXT, request=st.dictionaries(TEXT, TEXT)
)
def test_what_is_written_is_read(
    frames: list[Frame], ending: Ending, title: str, request: dict[str, str]
) -> None:
    frames.sort(key=lambda frame: frame.at_ms)
    last = frames[-1].at_ms if frames else 0.0
    recording = Recording(
        Header("agents", title=title, request=request), tuple(frames), ending, last
    )

    assert read_recording(write_recording(recording)) == recording


def test_a_file_that_is_written_line_by_line_is_the_same_file() -> None:
    header, frame = Header("agents", "Llama Stack 0.3.5", "Hi", "2026-11-23"), Frame(1.0, b"x")
    recording = Recording(header, (frame,), Ending.RESET, 2.0)

    lines = [write_header(header), write_frame(frame), write_ending(Ending.RESET, 2.0)]

    assert b"".join(lines) == write_recording(recording)


@pytest.mark.parametrize(
    ("body", "dialect"),
    [
        (b'data: {"type":"response.created"}\n\n', "responses"),
        (b'data: x\n\ndata: {"event":1}\n\n', "agents"),
        (b'data: 7\n\ndata: {"error":"boom"}\n\n', "agents"),
    ],
    ids=range(3),
)
def test_a_capture_shows_its_dialect(body: bytes, dialect: str) -> None:
    assert read_capture(body).header.dialect == dialect


def test_a_capture_can_be_read_as_any_dialect() -> None:
    recording = read_capture(b"data: x\n\ndata: y", "agents")

    assert recording.frames == (Frame(0.0, b"x"),)
    assert recording.ending is Ending.RESET


@pytest.mark.parametrize("body", [b"", b"<html>", b"data: x\n\n", b'data: {"a":1}\n\n'])
def test_a_file_without_a_known_chunk_is_no_capture(body: bytes) -> None:
    with pytest.raises(RecordingDamaged, match=r"no chunk of a known dialect \(agents or resp"):
        read_capture(body)


def test_a_capture_of_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(RecordingDamaged):
        read_capture(b"data: x\n\n", "morse")


@pytest.mark.parametrize(
    ("payloads", "chunk"),
    [([], None), ([b'{"a":1}', b"x"], {"a": 1}), ([b"x"], None)],
    ids=range(3),
)
def test_the_first_chunk_tells_how_a_recording_opens(payloads: list[bytes], chunk: object) -> None:
    frames = tuple(Frame(0.0, payload) for payload in payloads)

    assert Recording(Header("agents"), frames).first_chunk == chunk


def test_the_header_of_a_demonstration_holds_the_request() -> None:
    for recorded in demonstrations():
        header = read_recording(recorded.path.read_bytes()).header

        assert header.title == header.request["query"]
        assert json.loads(write_header(header))["server"].startswith("Llama Stack")
