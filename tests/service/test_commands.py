"""`turnstile replay`, and what is true of all commands."""

import json
import os
import subprocess
import sys
from shlex import quote

import pytest
from typer.testing import CliRunner

from service.cli import app
from statemachine import (
    Ending,
    Frame,
    Header,
    Interrupter,
    Recording,
    TurnInterrupted,
    write_recording,
)
from tests.support.applications import events, names
from tests.support.recordings import DEMONSTRATIONS, captures
from tests.support.server import ROOT, clean_environment, turnstile
from tests.support.upstreams import answer

pytestmark = pytest.mark.slow

PYTHON = quote(sys.executable)
LONG = quote(str(DEMONSTRATIONS / "long-answer.jsonl"))

ANSWER = tuple(json.dumps(each).encode() for each in answer("Hel", "lo"))
CAPTURE = b"".join(b"data: %b\n\n" % payload for payload in ANSWER)
LOST = "The connection to the upstream was lost."


def run(*arguments):
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(each) for each in arguments])


def recording(*payloads, ending=Ending.END, query="Hi", every_ms=1.0):
    frames = tuple(Frame(number * every_ms, payload) for number, payload in enumerate(payloads))
    header = Header("agents", "tests", "A title", request={"query": query})
    return write_recording(Recording(header, frames, ending, len(frames) * every_ms))


@pytest.fixture
def file(tmp_path):
    """Return what writes a file and returns its path."""

    def write(data, name="session.jsonl"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def test_a_recording_is_replayed_to_standard_output(file):
    done = run("replay", file(recording(*ANSWER)))

    assert done.exit_code == 0
    assert names(done.stdout_bytes) == ["start", "token", "token", "turn_complete", "end"]
    assert done.stderr == ""


def test_a_replay_gives_the_same_bytes_every_time(file):
    path = file(recording(*ANSWER))

    assert run("replay", path).stdout_bytes == run("replay", path).stdout_bytes


@pytest.mark.parametrize("path", sorted(DEMONSTRATIONS.glob("*.jsonl")), ids=lambda each: each.stem)
def test_the_status_of_a_replay_tells_how_the_session_ended(path):
    done = run("replay", path)

    last = events(done.stdout_bytes)[-1]["event"]
    assert done.exit_code == {"end": 0, "awaiting_input": 0, "error": 1}[last]


@pytest.mark.parametrize("capture", captures()[::10], ids=lambda each: each.name)
def test_the_dialect_of_a_capture_is_found_out(capture):
    done = run("replay", capture.path)

    assert done.exit_code in (0, 1)
    assert (
        done.stdout_bytes == run("replay", capture.path, "--upstream", capture.dialect).stdout_bytes
    )


def test_a_session_that_was_interrupted_is_a_1(file):
    done = run("replay", file(recording(*ANSWER[:2], ending=TurnInterrupted(Interrupter.USER))))

    assert events(done.stdout_bytes)[-1]["event"] == "interrupted"
    assert done.exit_code == 1


def test_a_capture_can_be_read_in_another_dialect_than_its_own(file):
    done = run("replay", file(CAPTURE, "a.sse"), "--upstream", "responses")

    assert done.exit_code == 1
    assert events(done.stdout_bytes)[-1]["data"]["code"] == "malformed_chunk"


def test_a_replay_can_be_written_as_text(file):
    assert run("replay", file(recording(*ANSWER)), "--dialect", "text").stdout_bytes == b"Hello"


def test_a_replay_has_no_pace_unless_one_is_asked_for(file):
    path = file(recording(*ANSWER, every_ms=1e6))

    assert run("replay", path).exit_code == 0


def test_a_pace_changes_no_byte(file):
    path = file(recording(*ANSWER))

    assert run("replay", path, "--speed", "2").stdout_bytes == run("replay", path).stdout_bytes


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (recording(*ANSWER[:2]), "upstream_truncated"),
        (recording(*ANSWER[:2], ending=Ending.CUT), "upstream_truncated"),
        (recording(*ANSWER[:2], ending=Ending.RESET), "upstream_reset"),
        (recording(ANSWER[1]), "illegal_transition"),
        (recording(b"{broken"), "upstream_not_json"),
        (recording(), "upstream_truncated"),
        (recording(*ANSWER[:2], query=7), "upstream_truncated"),
        (CAPTURE[:200], "upstream_reset"),
    ],
)
def test_a_session_that_ends_in_error_is_a_1(file, data, code):
    done = run("replay", file(data))

    assert done.exit_code == 1
    assert events(done.stdout_bytes)[-1]["data"]["code"] == code


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (recording(*ANSWER) + b"{}\n", "line 8: there are lines after the end"),
        (recording(*ANSWER).replace(b'"at_ms":2.0', b'"at_ms":0.5'), "line 4: at_ms goes back"),
        (b'{"turnstile_recording":9}\n', "line 1: not a recording of format 1"),
        (b"{", "line 1: the line is not complete"),
        (b"", "line 1: no chunk of a known dialect (agents or responses) in the file"),
        (b"just a text\n", "line 1: no chunk of a known dialect (agents or responses) in the file"),
        (b"\xff\xfe\x00", "line 1: no chunk of a known dialect (agents or responses) in the file"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_2_and_one_line(file, data, reason):
    path = file(data)
    done = run("replay", path)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"turnstile: {path}: {reason}\n"


@pytest.mark.parametrize(
    ("name", "reason"), [("missing", "No such file or directory"), (".", "Is a directory")]
)
def test_a_file_that_is_none_is_a_2_and_one_line(tmp_path, name, reason):
    done = run("replay", tmp_path / name)

    assert (done.exit_code, done.stderr) == (2, f"turnstile: {tmp_path / name}: {reason}\n")


@pytest.mark.parametrize(
    "options", [("--upstream", "x"), ("--dialect", "x"), ("--speed", "-1"), ("--speed", "x")]
)
def test_an_option_that_makes_no_sense_is_a_2(file, options):
    done = run("replay", file(recording(*ANSWER)), *options)

    assert done.exit_code == 2
    assert "Traceback" not in done.stderr


def shell(program, stdout=subprocess.PIPE):
    """Run a line of bash that calls `turnstile`."""
    return subprocess.run(
        ["bash", "-c", program.replace("turnstile", f"{PYTHON} -m service", 1)],
        cwd=ROOT,
        env=clean_environment(),
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (f"turnstile replay {LONG} >/dev/full", b"No space left"),
        ("turnstile diagram >/dev/full", b"No space left"),
        ("turnstile --version >/dev/full", b"No space left"),
        ("turnstile --help >/dev/full", b"No space left"),
        (f"turnstile replay {LONG} >&-", b"is closed"),
        ("turnstile diagram >&-", b"is closed"),
    ],
)
def test_an_output_that_takes_nothing_is_a_2_and_one_line(program, reason):
    done = shell(program)

    assert done.returncode == 2
    assert reason in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_complaint_that_cannot_be_written_is_a_2_as_well():
    assert shell("turnstile replay missing 2>/dev/full").returncode == 2


@pytest.mark.parametrize("speed", ["0", "1000"])
def test_a_reader_that_has_seen_enough_is_no_crash(speed):
    """The session is larger than a pipe, so the reader leaves while it is written."""
    done = shell(f"turnstile replay {LONG} --speed {speed} | head -n 1")

    assert done.stdout == b"id: 1\n"
    assert done.stderr == b""


@pytest.mark.parametrize("program", [f"turnstile replay {LONG}", "turnstile diagram"])
def test_a_reader_that_has_left_is_a_2_and_no_word(program):
    """1 would say how the session has ended, or that something is stale."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as nobody:
        done = shell(program, stdout=nobody)

    assert (done.returncode, done.stderr) == (2, b"")


def imported_by(*arguments):
    """Return which heavy packages a command imports, and what it writes."""
    program = (
        "import sys, service.cli\n"
        "try: service.cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'asyncio', 'httpx', 'llama_stack_client', 'starlette', 'structlog', 'uvicorn'}\n"
        "print(*sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        check=True,
    )
    return done.stderr.decode().split(), done.stdout


def test_a_replay_needs_neither_server_nor_client(file):
    """It has to start at once, on machines that have neither."""
    heavy, written = imported_by("replay", file(recording(*ANSWER)))

    assert heavy == []
    assert names(written)[-1] == "end"


def test_what_only_the_server_needs_is_imported_by_no_other_command():
    """It is what a command line that starts slowly spends its time on."""
    assert imported_by("--version")[0] == []


def test_help_lists_the_commands():
    done = run("--help")

    assert done.exit_code == 0
    assert all(command in done.stdout for command in ("serve", "replay", "diagram"))


def test_no_command_is_a_question_for_help():
    done = run()

    assert done.exit_code == 2
    assert "Usage" in done.output


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_every_command_explains_its_options(command):
    done = run(command, "-h")

    assert done.exit_code == 0
    assert "--speed" in done.stdout


def test_the_version_is_that_of_the_package():
    done = turnstile("--version")

    assert (done.returncode, done.stdout) == (0, b"turnstile 0.1.0\n")
