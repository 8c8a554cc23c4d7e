"""`turnstile api-key` makes a key that the service takes."""

import re
import tomllib

import pytest
from typer.testing import CliRunner

from service.access.authenticators import open_authenticator
from service.cli import app
from service.settings import Settings


def run(*arguments):
    return CliRunner().invoke(app, ["api-key", *arguments])


def printed(*arguments):
    """Return the key and the table that were printed."""
    done = run(*arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    (key,) = re.findall(r"^    (\S+)$", done.stdout, re.MULTILINE)
    return key, tomllib.loads(done.stdout[done.stdout.index("[[") :])


@pytest.mark.parametrize("name", ["ann", 'Ann "the \\ key" O\'Neill', "Ünï çode 🔑", "a # b = c"])
async def test_a_printed_key_is_taken_with_the_table_that_was_printed(name):
    key, table = printed("--name", name)

    authenticator = open_authenticator(Settings(authentication={"by": "api_keys"}, **table))
    assert (await authenticator.identify(key)).user == name


def test_the_table_does_not_have_the_key():
    key, table = printed()

    assert key not in repr(table)
    assert run().stdout.count(key) == 0


def test_every_key_is_another_one():
    assert len({printed()[0] for _ in range(10)}) == 10


@pytest.mark.parametrize("name", ["", " ann", "a\nb", "a\x7fb", "a\u202eb", "x" * 257])
def test_a_name_that_cannot_be_one_is_refused(name):
    done = run("--name", name)

    assert done.exit_code == 2
    assert done.stdout == ""
    assert "it is no name" in done.stderr
