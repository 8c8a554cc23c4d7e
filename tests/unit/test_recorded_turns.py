"""What a recording tells beside its frames: whose turn it was, who judged and what ended it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statemachine import (
    Call,
    CallStatus,
    Ending,
    Frame,
    Header,
    Interrupter,
    OutputModeration,
    Recording,
    RecordingDamaged,
    Release,
    ShieldChecked,
    ToolCallCompleted,
    Touchpoint,
    TurnFailed,
    TurnInterrupted,
    TurnResumed,
    Verdict,
    is_recording,
    read_recording,
    write_ending,
    write_frame,
    write_header,
    write_recording,
)
from statemachine.events import Document, RagChunk
from statemachine.upstream.fields import json_text
from tests.support.walks import TEXTS

HEAD = b'{"turnstile_recording":1,"dialect":"agents"'
OPEN = HEAD + b"}\n"
VERDICT = (
    OPEN + b'{"at_ms":1,"verdict":{"touchpoint":"user-input","violation":null,"metadata":"%s"}}\n'
)
MAYBE = st.none() | TEXTS
CALLS = st.builds(Call, TEXTS, TEXTS, TEXTS, MAYBE)
DOCUMENTS = st.builds(Document, MAYBE, TEXTS, MAYBE)
CHUNKS = st.builds(RagChunk, TEXTS, MAYBE, st.none() | st.floats(-1, 1))
ANSWERS = st.builds(
    ToolCallCompleted,
    *(TEXTS, TEXTS, st.sampled_from(CallStatus), TEXTS, MAYBE, MAYBE),
    documents=st.lists(DOCUMENTS, max_size=2).map(tuple),
    chunks=st.lists(CHUNKS, max_size=2).map(tuple),
)
RESUMED = st.builds(
    TurnResumed,
    MAYBE,
    st.lists(CALLS, max_size=2).map(tuple),
    st.lists(ANSWERS, max_size=2).map(tuple),
)
HEADERS = st.builds(
    Header,
    st.sampled_from(["agents", "responses"]),
    server=TEXTS,
    request=st.dictionaries(st.just("query"), TEXTS),
    conversation_id=MAYBE,
    request_id=MAYBE,
    resumed=st.none() | RESUMED,
    moderation=st.none()
    | st.builds(OutputModeration, st.integers(1, 10_000), st.sampled_from(Release)),
)
METADATA = st.dictionaries(TEXTS, MAYBE).map(json_text)
VERDICTS = st.builds(
    ShieldChecked, st.sampled_from(Touchpoint), MAYBE, MAYBE, MAYBE, st.none() | METADATA
)
LINES = st.builds(Verdict, st.just(1.0), VERDICTS) | st.builds(Frame, st.just(1.0), st.binary())
ENDINGS = (
    st.sampled_from(Ending)
    | st.builds(TurnInterrupted, st.sampled_from(Interrupter))
    | st.builds(TurnFailed, TEXTS, st.integers(400, 599), TEXTS, TEXTS)
)


@given(header=HEADERS, lines=st.lists(LINES, max_size=4), ending=ENDINGS)
def test_what_is_written_of_a_turn_is_read(header: Header, lines: list, ending) -> None:
    recording = Recording(header, tuple(lines), ending, 1.0 if lines else 0.0)

    assert read_recording(write_recording(recording)) == recording


def test_a_header_says_only_what_is_known() -> None:
    line = write_header(Header("agents", "Llama Stack", request={"query": "Hi", "api_key": "x"}))

    assert line == (
        b'{"turnstile_recording":1,"dialect":"agents","server":"Llama Stack","title":"",'
        b'"recorded_at":"","request":{"query":"Hi","api_key":"[removed]"}}\n'
    )


def test_a_header_says_whose_turn_it_was_and_how_it_was_judged() -> None:
    header = Header("agents", conversation_id="c", request_id="r", moderation=OutputModeration(400))

    line = write_header(header)

    assert line.endswith(
        b'"conversation_id":"c","request_id":"r",'
        b'"moderation":{"checkpoint_characters":400,"release":"after_verdict"}}\n'
    )


def test_a_verdict_is_a_line() -> None:
    line = write_frame(Verdict(7.5, ShieldChecked(Touchpoint.USER_INPUT, "No.", None, "error")))

    assert line == (
        b'{"at_ms":7.5,"verdict":{"touchpoint":"user-input","violation":"No.","step_id":null,'
        b'"violation_level":"error","metadata":null}}\n'
    )


ENDING_LINES = [
    (Ending.RESET, b'{"at_ms":2,"ended":"reset"}\n'),
    (
        TurnInterrupted(Interrupter.OPERATOR),
        b'{"at_ms":2,"ended":"interrupted","by":"operator"}\n',
    ),
    (
        TurnFailed("late", 504, "Slow", "", "for the log"),
        b'{"at_ms":2,"ended":"failed","code":"late","status_code":504,"response":"Slow","cause":""}\n',
    ),
]


@pytest.mark.parametrize(("ending", "line"), ENDING_LINES, ids=["reset", "interrupted", "failed"])
def test_the_last_line_says_what_ended_the_turn(ending, line: bytes) -> None:
    assert write_ending(ending, 2) == line


def test_what_is_for_the_log_only_is_not_recorded() -> None:
    failed, line = ENDING_LINES[2]

    assert failed.detail == "for the log"
    assert read_recording(OPEN + line).ending == TurnFailed(*line_fields(failed))


def line_fields(failed: TurnFailed) -> tuple[str, int, str, str]:
    return failed.code, failed.status_code, failed.response, failed.cause


def test_fields_of_a_newer_version_are_passed_over() -> None:
    header = HEAD + b',"colour":"red"}\n'
    verdict = b'{"at_ms":1,"verdict":{"touchpoint":"user-input","violation":null,"by":"me"}}\n'

    recording = read_recording(header + verdict)

    assert recording.frames == (Verdict(1.0, ShieldChecked(Touchpoint.USER_INPUT, None)),)


DAMAGED = {
    # name: (file, the line that is wrong, what the problem begins with)
    "a conversation without text": (
        HEAD + b',"conversation_id":7}\n', 1, "the header is wrong: Expected `str | null`",
    ),
    "a resumption that is a list": (HEAD + b',"resumed":[]}\n', 1, "the header is wrong: Expected"),
    "an answer without its call": (
        HEAD + b',"resumed":{"answers":[{"status":"ok"}]}}\n', 1, "the header is wrong: Object",
    ),
    "a moderation of no size": (HEAD + b',"moderation":{}}\n', 1, "the header is wrong: Object"),
    "checkpoints of no size": (
        HEAD + b',"moderation":{"checkpoint_characters":0}}\n', 1,
        "the header is wrong: Expected `int` >= 1 - at `$.moderation.checkpoint_characters`",
    ),
    "an unknown release": (
        HEAD + b',"moderation":{"checkpoint_characters":1,"release":"never"}}\n', 1,
        "the header is wrong: Invalid enum value 'never'",
    ),
    "a verdict that is a text": (
        OPEN + b'{"at_ms":1,"verdict":"passed"}\n', 2, "verdict is wrong: Expected `object`",
    ),
    "a verdict on nothing": (
        OPEN + b'{"at_ms":1,"verdict":{"violation":null}}\n', 2, "verdict is wrong: Object missing",
    ),
    "a verdict on something else": (
        OPEN + b'{"at_ms":1,"verdict":{"touchpoint":"x","violation":null}}\n', 2,
        "verdict is wrong: Invalid enum value 'x'",
    ),
    "a verdict without a time": (OPEN + b'{"verdict":{}}\n', 2, "at_ms is not a number"),
    "an interrupt by nobody": (
        OPEN + b'{"at_ms":1,"ended":"interrupted"}\n', 2, "by is wrong: Object missing",
    ),
    "an interrupt by a stranger": (
        OPEN + b'{"at_ms":1,"ended":"interrupted","by":"x"}\n', 2, "by is wrong: Invalid enum",
    ),
    "a failure without a code": (
        OPEN + b'{"at_ms":1,"ended":"failed"}\n', 2, "ended is wrong: Object missing",
    ),
    "a status that is a text": (
        OPEN + b'{"at_ms":1,"ended":"failed","code":"x","status_code":"5"}\n', 2,
        "ended is wrong: Expected `int`, got `str`",
    ),
    "a time that is no number": (OPEN + b'{"at_ms":NaN,"data":"x"}\n', 2, "at_ms goes back"),
    "metadata that is two events": (
        VERDICT % b"x\\n\\ndata: y",
        2,
        "the metadata of the verdict is not JSON",
    ),
    "metadata with half a letter": (
        VERDICT % b"\\ud800",
        2,
        "the metadata of the verdict is not JSON",
    ),
    "half a letter": (OPEN + b'{"at_ms":1,"data":"\\ud800"}\n', 2, "data cannot be decoded"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_named_by_its_line(name: str) -> None:
    body, line, problem = DAMAGED[name]

    with pytest.raises(RecordingDamaged) as refused:
        read_recording(body)

    assert refused.value.line == line
    assert refused.value.problem.startswith(problem)


def test_a_last_line_that_was_cut_while_it_was_written_is_left_out() -> None:
    whole = b'{"turnstile_recording":1,"dialect":"agents"}\n{"at_ms":1,"data":"x"}\n'

    for cut in range(2, 26):
        recording = read_recording(whole + b'{"at_ms":2,"ended":"end"}\n'[:-cut])
        assert (len(recording.frames), recording.ending) == (1, Ending.CUT)


def test_a_last_line_that_is_whole_counts_without_its_end() -> None:
    recording = read_recording(OPEN + b'{"at_ms":2,"ended":"interrupted","by":"user"}')

    assert recording.ending == TurnInterrupted(Interrupter.USER)


def test_the_byte_order_mark_of_an_editor_is_no_damage() -> None:
    body = b"\xef\xbb\xbf" + OPEN + b'{"at_ms":2,"ended":"end"}\n'

    assert is_recording(body)
    assert read_recording(body).ending is Ending.END


@pytest.mark.parametrize(
    ("metadata", "read"),
    [
        ('{\n"a": 1}', '{"a":1}'),
        ("NaN", "null"),
    ],
)
def test_the_metadata_of_a_verdict_is_written_anew(metadata: str, read: str) -> None:
    line = write_frame(Verdict(1.0, ShieldChecked(Touchpoint.USER_INPUT, None, metadata=metadata)))

    [verdict] = read_recording(OPEN + line).frames

    assert verdict.checked.metadata == read
