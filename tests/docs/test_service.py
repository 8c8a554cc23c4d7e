"""The service's README lists what there is: routes, settings, error codes, log events."""

import re
from pathlib import Path

import pytest

from service import errors
from service.cli import app
from service.errors import ServiceError
from service.routes import ROUTES
from service.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "service" / "README.md").read_text()
ROWS = [line for line in README.split("\n") if line.startswith("| `")]
SOURCES = "\n".join(path.read_text() for path in (ROOT / "service").rglob("*.py"))


def row_of(name: str) -> str:
    """Return the row of a table that begins with a name."""
    rows = [row for row in ROWS if row.startswith(f"| `{name}`") or f", `{name}` |" in row]
    assert rows, f"{name} is not documented"
    return rows[0]


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    default = Settings.model_fields[name].default

    row = row_of(name)

    assert ("| none |" if default is None else f"| `{default}` |") in row


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_documented(route) -> None:
    assert f"| `{route.method} {route.path}`" in README


REFUSALS = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, ServiceError) and "code" in vars(each)
]
NOT_ANSWERED = {"service_error", "settings_invalid"}


@pytest.mark.parametrize(
    "refusal",
    [each for each in REFUSALS if each.code not in NOT_ANSWERED],
    ids=lambda each: each.code,
)
def test_every_error_of_a_request_is_documented_with_its_status(refusal) -> None:
    assert f"| {refusal.status_code}" in row_of(refusal.code)


@pytest.mark.parametrize(
    "event", sorted(set(re.findall(r'logger\)?\.\w+\(\s*"([a-z_.]+)"', SOURCES)) | {"turn.ended"})
)
def test_every_log_event_is_documented(event: str) -> None:
    assert f"`{event}`" in README


@pytest.mark.parametrize("command", [each.callback.__name__ for each in app.registered_commands])
def test_every_command_is_documented(command: str) -> None:
    assert f"| `turnstile {command}" in README
