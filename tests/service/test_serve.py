"""`turnstile serve`, when it cannot: one line that says why, and status 2."""

import shlex
import socket
import subprocess
import sys
from contextlib import suppress

import httpx
import pytest
from typer.testing import CliRunner

from service.cli import app
from service.cli.serve import _listen
from tests.support.server import ROOT, clean_environment, turnstile

pytestmark = pytest.mark.slow


def run(*arguments):
    """Run a command in this process."""
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--port", "99999"), "port"),
        (("--port", "-1"), "port"),
        (("--speed", "-1"), "speed"),
        (("--speed", "nan"), "speed"),
        (("--speed", "inf"), "speed"),
    ],
)
def test_an_option_that_is_no_setting_is_a_2_and_one_line(options, named):
    done = run("serve", *options)

    assert done.exit_code == 2
    assert done.stderr.startswith(f"turnstile: The settings are not valid: {named}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("heartbeat_s", "0"),
        ("heartbeat_s", "soon"),
        ("turn_timeout_s", "inf"),
        ("idle_timeout_s", "nan"),
        ("running_turns_limit", "0"),
        ("log_limit_bytes", "1"),
        ("log_level", "loud"),
        ("log_format", "xml"),
        ("retry_ms", "1.5"),
    ],
)
def test_a_setting_that_is_not_valid_is_named_in_one_line(monkeypatch, name, value):
    monkeypatch.setenv(f"TURNSTILE_{name.upper()}", value)
    done = run("serve")

    assert done.exit_code == 2
    assert done.stderr.startswith(f"turnstile: The settings are not valid: {name}: ")
    assert done.stderr.count("\n") == 1


def test_a_setting_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv("TURNSTILE_HEARTBEATS", "1")
    done = run("serve")

    assert done.exit_code == 2
    assert "TURNSTILE_HEARTBEATS" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_busy_port_is_a_2_and_one_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = turnstile("serve", "--port", str(port))

    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"turnstile: cannot listen on 127.0.0.1 port {port}: ")
    assert done.stderr.count(b"\n") == 1


def test_a_port_is_taken_before_anything_else_is_done():
    """Two that start at once may both bind it, but only one can listen."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        with _listen(*other.getsockname()), pytest.raises(OSError, match="in use"):
            other.listen()


def test_an_unknown_host_is_a_2_and_one_line():
    allowed = {"authentication_allow_remote": "true"}
    done = turnstile("serve", "--host", "256.0.0.1", "--port", "0", **allowed)

    assert done.returncode == 2
    assert b"cannot listen on 256.0.0.1 port 0: " in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("output", [">/dev/full", "> >(true)", ">&-", "2>&-", ">&- 2>&-"])
def test_a_service_needs_nobody_who_reads_what_it_says(output):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = f"exec {shlex.quote(sys.executable)} -m service serve --port {port} {output}"
    with subprocess.Popen(
        ["bash", "-c", program], cwd=ROOT, env=clean_environment(), stderr=subprocess.PIPE
    ) as service:
        try:
            ready = becomes_ready(port, service)
        finally:
            service.terminate()
        _, said = service.communicate()

    assert ready
    assert service.returncode == 0
    assert not {b"Traceback", b"ignored"} & set(said.split())


def becomes_ready(port, process):
    """Tell whether a service answers before its process ends."""
    while process.poll() is None:
        with suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{port}/readyz").is_success
    return False


def test_a_directory_without_recordings_is_a_2_and_one_line(tmp_path):
    done = turnstile("serve", "--port", "0", "--recordings", str(tmp_path))

    assert done.returncode == 2
    assert done.stderr.decode() == f"turnstile: There are no recordings (*.jsonl) in {tmp_path}.\n"
