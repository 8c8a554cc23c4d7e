"""Stories about `turnstile diagram`."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.cli.diagram import MEND, document, stale_files
from statemachine import dot, markdown, mermaid, svg

RECORDING = Path(__file__).parents[2] / "service" / "recordings" / "plain-answer.jsonl"
STALE = "<!-- generated:states -->\n<!-- /generated:states -->\n"


def run(*arguments: object):
    return CliRunner().invoke(app, ["diagram", *map(str, arguments)])


@pytest.fixture
def checkout(tmp_path):
    """A project with nothing but a page that is stale."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(STALE)
    return tmp_path


@pytest.mark.parametrize(("format_", "draw"), [("mermaid", mermaid), ("dot", dot), ("svg", svg)])
def test_it_draws_in_every_format(format_, draw):
    result = run("--format", format_)

    assert result.exit_code == 0
    assert result.stdout == draw()


def test_it_draws_every_row_when_asked():
    assert run("--full").stdout == mermaid(full=True)


def test_it_writes_the_tables():
    assert run("--format", "markdown").stdout == markdown()


def test_it_highlights_a_recording():
    result = run("--path", RECORDING)

    assert result.exit_code == 0
    assert "turn_started --> turn_complete : TurnCompleted ×1" in result.stdout  # noqa: RUF001


def test_an_unreadable_recording_is_one_line_on_stderr(tmp_path):
    result = run("--path", tmp_path / "missing.jsonl")

    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "No such file" in result.stderr


def test_what_is_no_recording_is_one_line_on_stderr(tmp_path):
    (tmp_path / "text").write_text("hello")

    result = run("--path", tmp_path / "text")

    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "no chunk of a known dialect" in result.stderr


def test_check_names_what_is_stale_and_how_to_mend_it(checkout, capsys):
    status = document(checkout, write=False)

    told = capsys.readouterr()
    assert status == 1
    assert told.out == "docs/page.md\n"
    assert MEND in told.err
    assert (checkout / "docs" / "page.md").read_text() == STALE


def test_after_write_nothing_is_stale(checkout, capsys):
    assert document(checkout, write=True) == 0
    assert capsys.readouterr().out == "docs/page.md\n"

    assert document(checkout, write=False) == 0
    assert capsys.readouterr().out == ""
    assert "nothing is accepted yet" in (checkout / "docs" / "page.md").read_text()


def test_hidden_and_installed_pages_are_none_of_its_business(checkout):
    for name in (".venv", "node_modules"):
        (checkout / name).mkdir()
        (checkout / name / "page.md").write_text(STALE)

    assert [file for file, _ in stale_files(checkout)] == [checkout / "docs" / "page.md"]


def test_a_block_that_cannot_be_made_names_its_file(checkout, capsys):
    (checkout / "docs" / "page.md").write_text("<!-- generated:weather -->\n")

    status = document(checkout, write=False)

    assert status == 2
    assert "docs/page.md: no block 'weather'" in capsys.readouterr().err


def test_without_a_checkout_there_is_nothing_to_write(tmp_path, capsys):
    status = document(tmp_path, write=True)

    assert status == 2
    assert "not a checkout" in capsys.readouterr().err


def test_the_command_checks_this_checkout():
    assert run("--check").exit_code == 0


def test_drawing_imports_neither_the_client_nor_the_web_framework():
    script = (
        "import sys; from service.cli.diagram import diagram;"
        "print([each for each in ('llama_stack_client', 'starlette') if each in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)

    assert done.stdout.strip() == b"[]"
