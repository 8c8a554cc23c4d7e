"""`deploy/setup`, `deploy/run` and `.ci/run`, in a checkout that nothing is installed in."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.server import ROOT

pytestmark = pytest.mark.slow

INTERPRETER = f"""#!/bin/sh
exec '{sys.executable}' - "$0" "$@" <<'PROGRAM'
import pathlib, shutil, sys
_, own, *arguments = sys.argv
match arguments:
    case ["-m", "venv", place]:
        made = pathlib.Path(place, "bin", "python")
        made.parent.mkdir()
        shutil.copy(own, made)
    case ["-c" | "-ISc", program]:
        sys.executable = own
        exec(program)
PROGRAM
"""
"""A Python that makes environments of itself, without pip."""

TURNSTILE = '#!/bin/sh\necho "$@"\n'
"""Tells how it was called."""


def program(path, text):
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path):
    """Return a checkout with what setting up needs, and nothing else."""
    path = tmp_path / "checkout"
    (path / ".ci").mkdir(parents=True)
    (path / "deploy").mkdir()
    for name in (
        "pyproject.toml",
        ".ci/run",
        "deploy/setup",
        "deploy/run",
        "deploy/requirements.lock",
    ):
        shutil.copy(ROOT / name, path / name)
    return path


@pytest.fixture
def interpreter(tmp_path):
    return program(tmp_path / "python", INTERPRETER)


def run(script, *arguments, path=os.environ["PATH"], **variables):
    """Run a script with these variables only."""
    return subprocess.run(
        [shutil.which("bash"), script, *arguments],
        env={"PATH": path} | {name: str(each) for name, each in variables.items()},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def test_an_environment_is_made_once(checkout, interpreter):
    first = run(checkout / "deploy/setup", TURNSTILE_PYTHON=interpreter)
    second = run(checkout / "deploy/setup", TURNSTILE_PYTHON=interpreter)

    assert (first.returncode, "Ready" in first.stderr) == (0, True)
    assert (second.returncode, second.stderr) == (0, "")


def test_an_environment_is_the_same_by_whichever_name_the_checkout_is_reached(
    checkout, interpreter, tmp_path
):
    run(checkout / "deploy/setup", TURNSTILE_PYTHON=interpreter)
    (tmp_path / "link").symlink_to(checkout)

    again = run(tmp_path / "link/deploy/setup", TURNSTILE_PYTHON=interpreter)

    assert (again.returncode, again.stderr) == (0, "")


@pytest.mark.parametrize("no_python", ["/bin/true", "/bin/echo", "/bin/false", "/nowhere"])
def test_what_is_no_python_is_refused_and_named(checkout, no_python):
    done = run(checkout / "deploy/setup", TURNSTILE_PYTHON=no_python)

    assert done.returncode == 3
    assert (
        done.stderr == f"deploy/setup: TURNSTILE_PYTHON={no_python} is not a Python 3.12 or newer\n"
    )
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("port", "told"),
    [({}, "serve --config x"), ({"PORT": 81}, "serve --port 81 --config x")],
)
def test_a_port_is_chosen_over_the_settings_only_where_one_is_given(checkout, port, told):
    """A port in the configuration file is one of the settings."""
    program(checkout / "deploy/setup", "#!/bin/sh\n")
    program(checkout / ".venv/bin/turnstile", TURNSTILE)

    done = run(checkout / "deploy/run", "--config", "x", **port)

    assert (done.returncode, done.stdout) == (0, f"{told}\n")


@pytest.mark.parametrize("argument", ["--help", "--fast"])
def test_continuous_integration_takes_no_arguments(checkout, argument):
    """Without a path there is nothing that it could install with."""
    done = run(checkout / ".ci/run", argument, path="/nowhere")

    assert done.returncode == 2
    assert done.stderr.startswith("Usage: .ci/run\n")
    assert done.stdout == ""
