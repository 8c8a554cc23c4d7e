"""`turnstile record`: one turn of a live server into a file."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from statemachine import Ending, TurnInterrupted, read_recording
from tests.service.test_commands import names
from tests.support.prompt_server import prompt_server
from tests.support.server import ROOT, clean_environment, turnstile

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["0.3.5", "0.7.3"])
def upstream(request):
    with prompt_server(request.param) as address:
        yield address


def record(upstream, out, *options):
    return turnstile("record", "--query", "Hi", "--upstream", upstream, "--out", out, *options)


def test_a_turn_is_recorded_and_its_answer_written(upstream, tmp_path):
    out = tmp_path / "turn.jsonl"

    done = record(upstream, out)

    assert (done.returncode, done.stdout) == (0, b"Hello")
    assert done.stderr.decode().strip() == f"{out}: end"
    assert read_recording(out.read_bytes()).header.request["query"] == "Hi"


def test_what_was_recorded_can_be_replayed(upstream, tmp_path):
    out = tmp_path / "turn.jsonl"
    record(upstream, out)

    replayed = turnstile("replay", out)

    assert replayed.returncode == 0
    told = [name for name in names(replayed.stdout) if name != "shield"]
    assert told == ["start", "token", "turn_complete", "end"]


def test_nothing_is_asked_when_the_file_is_there(upstream, tmp_path):
    out = tmp_path / "turn.jsonl"
    out.write_text("mine")

    done = record(upstream, out)

    assert (done.returncode, done.stdout) == (2, b"")
    assert "exists already" in done.stderr.decode()
    assert out.read_text() == "mine"


def test_an_unknown_model_is_named(upstream, tmp_path):
    done = record(upstream, tmp_path / "turn.jsonl", "--model", "a/nope")

    assert done.returncode == 2
    assert done.stderr.decode() == "turnstile: The provider 'a' has no model 'nope'.\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--out", "turn.jsonl"), "There is no server to ask"),
        (("--out", "nowhere/turn.jsonl", "--upstream", "http://127.0.0.1:1"), "cannot be written"),
        (("--out", "turn.jsonl", "--upstream", "http://127.0.0.1:1"), "cannot be reached"),
        (("--out", "/proc/turn.jsonl", "--upstream", "http://127.0.0.1:1"), "cannot be written"),
        (("--out", "turn.jsonl", "--upstream", "nonsense"), "upstream.url"),
        (("--out", "turn.jsonl", "--config", "missing.toml"), "no configuration file"),
    ],
)
def test_what_cannot_work_is_one_clear_line(options, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    done = turnstile("record", "--query", "Hi", *options, upstream_retries_limit="0")

    assert done.returncode == 2
    assert told in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_an_interrupt_is_in_the_recording(upstream, tmp_path):
    out = tmp_path / "turn.jsonl"
    asked = ["record", "--query", "wait", "--upstream", upstream, "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "service", *asked],
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        process.stdout.read(1)
        process.send_signal(signal.SIGTERM)
        process.communicate()

    assert process.returncode == 1
    assert isinstance(read_recording(out.read_bytes()).ending, TurnInterrupted)


def test_an_answer_that_cannot_be_written_breaks_no_turn_off(upstream, tmp_path):
    out = tmp_path / "turn.jsonl"
    asked = ["record", "--query", "Hi", "--upstream", upstream, "--out", str(out)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "service", *asked],
            cwd=ROOT,
            env=clean_environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert read_recording(out.read_bytes()).ending is Ending.END
