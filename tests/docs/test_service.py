"""The service's README lists what there is: routes, settings, error codes, log events, options."""

import json
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from service import errors
from service.access.authenticators import open_authenticator
from service.access.policy import Policy, policy_table
from service.cli import app
from service.domain import MediaType
from service.errors import FAULTS, ServiceError
from service.routes import ROUTES, answers, bodies, conversation_bodies
from service.settings import Group, Settings, setting_names

ROOT = Path(__file__).parents[2]
README = (ROOT / "service" / "README.md").read_text()
SOURCES = "\n".join(path.read_text() for path in (ROOT / "service").rglob("*.py"))


def section(heading: str) -> str:
    """Return the text under a heading, up to the next one of its level."""
    level, rest = re.split(rf"^(#+) {heading}$", README, flags=re.MULTILINE)[1:]
    return re.split(rf"^#{{2,{len(level)}}} ", rest, flags=re.MULTILINE)[0]


def row_of(name: str, heading: str) -> str:
    """Return the row of a table that begins with a name."""
    lines = section(heading).split("\n")
    rows = [line for line in lines if line.startswith("| `") and f"`{name}`" in line.split("|")[1]]
    assert rows, f"{name} is not documented"
    return rows[0]


# Settings.


def shown(default: object) -> str:
    """Return a default as a table shows it."""
    if default is PydanticUndefined:
        return "needed"
    if default in (None, (), {}, ""):
        return "none"
    if isinstance(default, tuple):
        return f"`{json.dumps(default)}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


@pytest.mark.parametrize(("name", "default"), setting_names())
def test_every_setting_is_documented_with_its_default(name: str, default: object) -> None:
    assert f"| {shown(default)} |" in row_of(name, "Settings")


def field_of(name: str) -> FieldInfo:
    """Return the field that holds a setting."""
    group, _, own = name.rpartition(".")
    model = type(Settings.model_fields[group].default) if group else Settings
    return model.model_fields[own]


@pytest.mark.parametrize("name", [name for name, _ in setting_names()])
def test_every_setting_is_documented_as_it_is_described(name: str) -> None:
    described = field_of(name).description or ""

    assert described[1:].removesuffix(".") in row_of(name, "Settings")


LISTS = {
    name: table
    for name, _ in setting_names()
    for table in get_args(field_of(name).annotation)
    if isinstance(table, type) and issubclass(table, Group)
}
"""Settings that are lists of tables, with what each of these holds."""


@pytest.mark.parametrize("prefix", LISTS)
def test_every_setting_of_a_list_is_documented_with_its_default(prefix) -> None:
    for name, field in LISTS[prefix].model_fields.items():
        row = row_of(f"{prefix}.{name}", "Settings")

        assert (field.description or "")[1:].removesuffix(".") in row
        assert name == "parameters" or f"| {shown(field.default)} |" in row


def test_every_documented_setting_exists() -> None:
    known = {name for name, _ in setting_names()}
    known |= {f"{each}.{name}" for each, table in LISTS.items() for name in table.model_fields}
    documented = re.findall(r"^\| `([\w.]+)` \|", section("Settings"), re.MULTILINE)

    assert set(documented) == known
    assert len(documented) == len(set(documented))


def test_the_example_of_a_configuration_file_can_be_read(tmp_path, monkeypatch) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", section("Settings"), re.DOTALL)
    path = tmp_path / "turnstile.toml"
    path.write_text(example)
    monkeypatch.setenv("TURNSTILE_CONFIG", str(path))

    settings = Settings()

    assert settings.upstream.url is not None
    assert settings.mcp_servers
    assert settings.client_tools


@pytest.mark.parametrize(
    "example", re.findall(r"```toml\n(.*?)```", section("Who may do what"), re.DOTALL)
)
def test_the_examples_of_who_may_do_what_can_be_used(example: str) -> None:
    settings = Settings(**tomllib.loads(example))

    Policy(settings.authorization, settings.role_rules)
    if settings.authentication.by in ("api_keys", "jwt"):
        open_authenticator(settings)


def test_the_table_of_roles_is_generated() -> None:
    """`turnstile diagram --check` tells when it is stale."""
    assert f"<!-- generated:policy -->\n{policy_table()}<!-- /generated:policy -->" in README


# Routes and bodies.


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_documented(route) -> None:
    assert f"| `{route.method} {route.path}`" in README


@pytest.mark.parametrize(
    ("body", "heading"),
    [
        (bodies.TurnBody, "The body of a question"),
        (bodies.AttachmentBody, "The body of a question"),
        (bodies.ClientToolBody, "The body of a question"),
        (bodies.AnswersBody, "The body of answers"),
        (bodies.ToolResultBody, "The body of answers"),
        (bodies.ApprovalBody, "The body of answers"),
        (conversation_bodies.TitleBody, "The body of a title"),
        (conversation_bodies.FeedbackBody, "The body of feedback"),
        (conversation_bodies.ListParameters, "Conversations"),
        (conversation_bodies.ReadParameters, "Conversations"),
    ],
)
def test_every_field_of_a_body_is_documented(body, heading) -> None:
    for name in body.model_fields:
        assert re.search(rf"\b{name}\b", section(heading)), name


@pytest.mark.parametrize(
    ("answer", "heading"),
    [
        (answers.QueryAnswer, "One answer instead of a stream"),
        (answers.ModelAnswer, "What can be chosen"),
        (answers.ShieldAnswer, "What can be chosen"),
        (answers.ToolAnswer, "What can be chosen"),
        (answers.ConversationsAnswer, "Conversations"),
        (answers.ReadConversationAnswer, "Conversations"),
        (answers.TurnAnswer, "Conversations"),
        (answers.AttachmentAnswer, "Conversations"),
        (answers.DeletedAnswer, "Routes"),
        (answers.FeedbackAnswer, "Routes"),
        (answers.QuotaAnswer, "Routes"),
        (answers.AuthorizedAnswer, "Routes"),
    ],
)
def test_every_field_of_an_answer_is_documented(answer, heading) -> None:
    for name in answer.__annotations__:
        assert re.search(rf"\b{name}\b", section(heading)), name


@pytest.mark.parametrize("category", get_args(conversation_bodies.Category.__value__))
def test_every_category_of_feedback_is_documented(category: str) -> None:
    assert f"`{category}`" in row_of("categories", "The body of feedback")


def test_every_media_type_is_documented() -> None:
    for media_type in MediaType:
        assert f"`{media_type}`" in row_of("media_type", "The body of a question")


# Errors.


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
    assert f"| {refusal.status_code}" in row_of(refusal.code, "Errors")


@pytest.mark.parametrize("code", FAULTS)
def test_every_fault_of_an_upstream_is_documented_with_its_status(code: str) -> None:
    assert f"| {FAULTS[code][0]}" in row_of(code, "Errors")


def test_every_documented_code_exists() -> None:
    known = {each.code for each in REFUSALS} | {*FAULTS, "moderation_failed", "upstream_too_much"}
    documented = re.findall(r"^\| `(\w+)` \| \d", section("Errors"), re.MULTILINE)

    assert set(documented) <= known


# Logs and commands.


LOGGED = {
    (event, "error" if level == "exception" else level)
    for level, event in re.findall(r'logger\.(\w+)\(\s*"([a-z_.]+)"', SOURCES)
} | {("turn.ended", "info")}


@pytest.mark.parametrize(("event", "level"), sorted(LOGGED))
def test_every_log_event_is_documented_with_its_level(event: str, level: str) -> None:
    assert f"| {level}" in row_of(event, "Logs")


@pytest.mark.parametrize(
    "command", app.registered_commands, ids=lambda each: each.callback.__name__
)
def test_every_command_is_documented_with_its_options(command) -> None:
    name = command.callback.__name__.replace("_", "-")
    (row,) = re.findall(rf"^\| `turnstile {name} .*$", section("Command line"), re.MULTILINE)
    parameters = typer.main.get_command(app).commands[name].params
    options = [each for each in parameters if each.param_type_name == "option"]

    assert {each.opts[0] for each in options} <= set(re.findall(r"--[\w-]+", row))
