"""The documentation says what the code does."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.cli.diagram import stale_files
from service.cli.replay import emissions_of, load
from service.errors import InternalError
from statemachine import EVENT_NAMES, StreamError
from statemachine.diagram.blocks import BLOCKS
from statemachine.events import EVENTS
from statemachine.states import State
from statemachine.upstream.failures import CLIENT_STATUS, upstream_failure

ROOT = Path(__file__).parents[2]
PROTOCOL = (ROOT / "statemachine" / "README.md").read_text(encoding="utf-8")
SPOKEN = re.compile(r"\.fail\(\s*\"(\w+)\"|TurnFailed\(\s*\"(\w+)\"|UpstreamError\(\s*\"(\w+)\"")

ODD = (
    "418: teapot",
    "500: failed",
    "400: Invalid value: Toolgroup mcp::x not found, available toolgroups: mcp::x",
)
"""Errors of upstreams that have no code of their status."""


def family(error: type[StreamError]) -> Iterator[str]:
    yield error.code
    for each in error.__subclasses__():
        yield from family(each)


def spoken() -> set[str]:
    """The codes that are written where a turn is made to fail."""
    files = [*ROOT.glob("service/**/*.py"), *ROOT.glob("statemachine/**/*.py")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    return {code for text in texts for found in SPOKEN.findall(text) for code in found if code}


def codes() -> set[str]:
    mapped = {code for _, code, _ in CLIENT_STATUS.values()}
    fallbacks = {upstream_failure(each).code for each in ODD}
    return {*family(StreamError), *mapped, *fallbacks, *spoken(), InternalError.code}


def section(heading: str) -> str:
    """The text under a heading, up to the next one."""
    return PROTOCOL.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_generated_blocks_are_fresh():
    stale = [str(file.relative_to(ROOT)) for file, _ in stale_files(ROOT)]

    assert stale == [], "`turnstile diagram --write` mends it"


def test_every_error_code_is_documented_and_no_other():
    documented = set(re.findall(r"^\| `(\w+)` \| \d", section("Error codes"), re.MULTILINE))

    assert documented == codes()


@pytest.mark.parametrize("code", ["upstream_truncated", "upstream_reset", "turn_timeout"])
def test_the_codes_are_really_looked_up_in_the_code(code):
    assert code in codes()


def test_every_upstream_status_is_documented_as_it_is_answered():
    for status, code, _ in CLIENT_STATUS.values():
        assert f"| `{code}` | {status} |" in PROTOCOL


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_is_documented(event):
    assert f"| `{event.__name__}` | " in section("Events")


@pytest.mark.parametrize("name", EVENT_NAMES.values())
def test_every_emission_is_documented_with_its_data(name):
    assert f"| `{name}` | " in section("Emissions")
    assert f"| `{name}` | " in section("The native dialect")


@pytest.mark.parametrize("state", State)
def test_every_state_is_documented(state):
    assert f"| `{state}` | " in section("States")


def test_every_field_that_recordings_send_is_documented():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*)$", section("The native dialect"), re.MULTILINE))

    for path in sorted((ROOT / "service" / "recordings").glob("*.jsonl")):
        for emission in emissions_of(load(path), 0):
            row = rows[EVENT_NAMES[type(emission.output)]]
            sent = json.loads(emission.payload)["data"].keys() - {"id"}
            assert sent <= set(re.findall(r"\w+", row))


def test_every_generated_block_has_its_place() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    placed = re.findall(r"^<!-- generated:(\w+) -->$", readme + PROTOCOL, re.MULTILINE)

    assert sorted(placed) == sorted(BLOCKS)
