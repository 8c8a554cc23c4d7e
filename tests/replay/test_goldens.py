"""Every recorded stream gives, byte for byte, what a person has read and found true.

`pytest tests/replay --update-goldens` writes the golden files anew; read the difference before it
is committed.
"""

import difflib
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from statemachine import (
    Frame,
    is_recording,
    play,
    playback_stream,
    read_capture,
    read_recording,
)
from tests.support.laws import Run, check, run_payloads
from tests.support.recordings import (
    CAPTURES,
    DEMONSTRATIONS,
    RecordedStream,
    recorded_streams,
    unread_files,
)

GOLDEN = Path(__file__).parent / "golden"
RECORDED = {recorded.name: recorded for recorded in recorded_streams()}
SUFFIXES = {"native": ".native.sse", "text": ".text.txt"}


class Story(NamedTuple):
    """What a recording says, as read by a person: the end, the tools and the shields."""

    event: str
    detail: str
    tools: str = ""
    shields: str = ""


STOP = Story("end", "stop")
NOT_FOUND = Story("error", "upstream_not_found")
FAILED = Story("error", "upstream_error")
LOST = Story("error", "upstream_reset")
TRUNCATED = Story("error", "upstream_truncated")
AWAITS_TOOL = Story("awaiting_input", "tool_result")
AWAITS_APPROVAL = Story("awaiting_input", "approval")
AWAITS_MORE_ITERATIONS = Story("awaiting_input", "max_iterations")
LENGTH = Story("end", "length")
SHIELDED_IN = Story("end", "shield", "", "user-input violation")
SHIELDED_OUT = Story("end", "shield", "", "assistant-output violation")
DENIED = Story("end", "stop", "delete_finished_jobs failed")
SHIELDED_LATE = Story("end", "shield", "", "user-input passed, assistant-output violation")
PASSED = Story("end", "stop", "", "user-input passed, assistant-output passed")


def used(*tools: str) -> Story:
    """Return the story of an answer that was given after these tools."""
    return Story("end", "stop", ", ".join(tools))


# fmt: off
STORIES = {
    "agents-0.3.5/bad_toolgroup":             NOT_FOUND,
    "agents-0.3.5/boom":                      FAILED,
    "agents-0.3.5/client_tool":               AWAITS_TOOL,
    "agents-0.3.5/client_tool_resumed":       used("restart_pod ok"),
    "agents-0.3.5/max_iters":                 AWAITS_MORE_ITERATIONS,
    "agents-0.3.5/mcp":                       used("get_weather ok"),
    "agents-0.3.5/mcp_fail":                  used("fail_tool failed"),
    "agents-0.3.5/mcp_two":                   used("get_weather ok", "fail_tool failed"),
    "agents-0.3.5/rag":                       used("knowledge_search ok"),
    "agents-0.3.5/shield_in":                 SHIELDED_IN,
    "agents-0.3.5/shield_out":                SHIELDED_OUT,
    "agents-0.3.5/shield_pass":               PASSED,
    "agents-0.3.5/text":                      STOP,
    "agents-0.3.5/unicode":                   STOP,
    "ogx-1.5.0/error_unknown_previous":       NOT_FOUND,
    "ogx-1.5.0/guardrail_output":             SHIELDED_OUT,
    "ogx-1.5.0/reasoning":                    STOP,
    "ogx-1.5.0/text_plain":                   STOP,
    "responses-0.7.3/disconnect_text":        TRUNCATED,
    "responses-0.7.3/error_500_before":       FAILED,
    "responses-0.7.3/error_mid_chunk":        FAILED,
    "responses-0.7.3/error_unknown_previous": NOT_FOUND,
    "responses-0.7.3/file_search":            used("file_search ok"),
    "responses-0.7.3/function_tool":          AWAITS_TOOL,
    "responses-0.7.3/function_two_parallel":  AWAITS_TOOL,
    "responses-0.7.3/guardrail_input":        SHIELDED_IN,
    "responses-0.7.3/guardrail_output":       SHIELDED_OUT,
    "responses-0.7.3/incomplete_length":      LENGTH,
    "responses-0.7.3/mcp_approval_granted":   used("shout ok"),
    "responses-0.7.3/mcp_approval_request":   AWAITS_APPROVAL,
    "responses-0.7.3/mcp_call":               used("add ok"),
    "responses-0.7.3/mcp_tool_error":         used("fail failed"),
    "responses-0.7.3/model_refusal":          Story("end", "refusal"),
    "responses-0.7.3/multi_mcp_parallel":     used("add ok", "shout ok"),
    "responses-0.7.3/reasoning":              STOP,
    "responses-0.7.3/text_plain":             STOP,
    "responses-0.7.3/text_then_tool_mcp":     used("add ok"),
    "responses-0.7.3/text_unicode":           STOP,
    "demonstrations/approval-approved":       used("delete_finished_jobs ok"),
    "demonstrations/approval-denied":         DENIED,
    "demonstrations/approval-requested":      AWAITS_APPROVAL,
    "demonstrations/client-tool-answered":    used("restart_deployment ok"),
    "demonstrations/client-tool-awaited":     AWAITS_TOOL,
    "demonstrations/cluster-tool":            used("get_service_status ok"),
    "demonstrations/connection-lost":         LOST,
    "demonstrations/cut-by-length":           LENGTH,
    "demonstrations/file-search":             used("file_search ok"),
    "demonstrations/input-shield-violation":  SHIELDED_IN,
    "demonstrations/iteration-limit":
        Story("awaiting_input", "max_iterations", "list_pods ok"),
    "demonstrations/knowledge-search":        used("knowledge_search ok"),
    "demonstrations/long-answer":             STOP,
    "demonstrations/many-scripts-and-emoji":  STOP,
    "demonstrations/mcp-call":                used("list_pods ok"),
    "demonstrations/model-error":             FAILED,
    "demonstrations/model-failure":           FAILED,
    "demonstrations/output-shield-violation": SHIELDED_LATE,
    "demonstrations/parallel-calls":          used("list_pods ok", "list_pods ok"),
    "demonstrations/plain-answer":            STOP,
    "demonstrations/reasoning-first":         STOP,
    "demonstrations/refusal-after-text":      SHIELDED_LATE,
    "demonstrations/second-turn":             STOP,
    "demonstrations/shields-passed":          PASSED,
    "demonstrations/two-tools-one-fails":
        used("get_node_conditions ok", "get_node_metrics failed"),
    "demonstrations/unknown-tool-group":      NOT_FOUND,
}
# fmt: on

WITHHELD = {"demonstrations/refusal-after-text"}
"""What a shield beside the stream objected to was never said."""

every_recording = pytest.mark.parametrize("recorded", RECORDED.values(), ids=list(RECORDED))


def replay(recorded: RecordedStream) -> Run:
    body = recorded.path.read_bytes()
    if not is_recording(body):
        return run_payloads(recorded.dialect, recorded.payloads, reset=recorded.reset)
    recording = read_recording(body)
    stream = playback_stream(recording)
    played = [each for _, emitted in play(recording, stream) for each in emitted]
    return Run(stream, (*played, *stream.finish(), *stream.cut()))


def told_of(run: Run, event: str) -> list[dict[str, object]]:
    return [each["data"] for each in run.told if each["event"] == event]


def story_of(run: Run) -> Story:
    last = run.last
    said = (last.get(each) for each in ("code", "finish_reason", "reason", "by"))
    detail = next(each for each in said if each)
    results = told_of(run, "tool_result")
    tools = [f"{each['token']['tool_name']} {each['status']}" for each in results]
    shields = [f"{each['touchpoint']} {each['verdict']}" for each in told_of(run, "shield")]
    return Story(last["event"], detail, ", ".join(tools), ", ".join(shields))


def pieces(recorded: RecordedStream) -> list[str]:
    """Every piece of text that the model said, taken from the chunks by hand."""
    said = []
    for chunk in recorded.chunks:
        if chunk.get("type") in {"response.output_text.delta", "response.refusal.delta"}:
            said.append(chunk["delta"])
        delta = chunk.get("event", {}).get("payload", {}).get("delta", {})
        if delta.get("type") == "text":
            said.append(delta["text"])
    return said


def difference(golden: Path, got: bytes) -> str:
    was, now = (body.decode().split("\n") for body in (golden.read_bytes(), got))
    return "\n".join(difflib.unified_diff(was, now, str(golden), "now", lineterm="", n=1))


@pytest.mark.parametrize("name", list(STORIES))
def test_a_recording_ends_as_a_person_reads_it(name: str) -> None:
    run = replay(RECORDED[name])

    check(run)
    assert story_of(run) == STORIES[name]


def test_every_recording_has_a_story() -> None:
    assert set(STORIES) == set(RECORDED)
    assert len(RECORDED) == len(recorded_streams()), "two recordings have one name"


def test_every_file_among_the_recordings_is_read() -> None:
    assert unread_files(CAPTURES) == {CAPTURES / "README.md"}


def test_a_timed_recording_among_the_raw_ones_is_one_of_those_replayed(tmp_path: Path) -> None:
    (tmp_path / "responses-0.7.3").mkdir()
    path = Path(shutil.copy(DEMONSTRATIONS / "plain-answer.jsonl", tmp_path / "responses-0.7.3"))

    names = {each.name: each.path for each in recorded_streams(tmp_path)}

    assert names["responses-0.7.3/plain-answer"] == path
    assert unread_files(tmp_path) == set()


def test_a_recording_outside_of_the_folders_is_not_overlooked(tmp_path: Path) -> None:
    path = Path(shutil.copy(DEMONSTRATIONS / "plain-answer.jsonl", tmp_path))

    assert unread_files(tmp_path) == {path}


@every_recording
def test_no_text_is_lost_doubled_or_out_of_order(recorded: RecordedStream) -> None:
    tokens = [each["token"] for each in told_of(replay(recorded), "token")]
    said = pieces(recorded)

    assert tokens == said[: len(tokens)]
    assert len(tokens) == len(said) or recorded.name in WITHHELD


@every_recording
def test_nothing_in_a_recording_is_unknown_or_comes_too_late(recorded: RecordedStream) -> None:
    stream = replay(recorded).stream

    assert stream.unknown == {}
    assert stream.ignored == (1 if recorded.name == "ogx-1.5.0/guardrail_output" else 0)


@every_recording
def test_the_readers_of_the_product_see_the_same_frames(recorded: RecordedStream) -> None:
    body = recorded.path.read_bytes()

    recording = read_recording(body) if is_recording(body) else read_capture(body)

    assert recording.header.dialect == recorded.dialect
    payloads = [each.payload for each in recording.frames if isinstance(each, Frame)]
    assert tuple(payloads) == recorded.payloads


@every_recording
@pytest.mark.parametrize("dialect", SUFFIXES)
def test_a_recording_gives_its_golden_bytes(
    recorded: RecordedStream, dialect: str, pytestconfig: pytest.Config
) -> None:
    golden = GOLDEN / f"{recorded.name}{SUFFIXES[dialect]}"

    got: bytes = getattr(replay(recorded), dialect)

    if pytestconfig.getoption("--update-goldens"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_bytes(got)
    assert golden.is_file(), "no golden file yet: pytest tests/replay --update-goldens"
    if told := difference(golden, got):
        pytest.fail(told, pytrace=False)


def test_no_golden_file_is_left_over() -> None:
    files = {str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*") if path.is_file()}

    assert files == {f"{name}{suffix}" for name in RECORDED for suffix in SUFFIXES.values()}
