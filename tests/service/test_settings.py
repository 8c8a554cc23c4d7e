"""Where settings come from: options, then the environment, then the configuration file."""

import json

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.cli.configuration import read_settings
from service.errors import SettingsInvalid
from service.settings import Settings, setting_names, unknown_variables

SECRET = "s3cr3t-v4lue"
FILE = """
port = 7000
speed = 0.5
system_prompt = "Be brief."

[upstream]
url = "http://file.test:8321"
dialect = "agents"
api_key = "s3cr3t-v4lue"

[moderation]
hold_back = false

[recording]
directory = "/tapes"

[[mcp_servers]]
name = "pods"
url = "http://pods.test/mcp"
authorization = "caller"
headers = { X-Key = "s3cr3t-v4lue" }

[[client_tools]]
name = "add"
parameters = { type = "object", properties = { a = { type = "number" } } }
"""


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """Return what writes a configuration file and names it in the environment."""

    def write(text):
        path = tmp_path / "turnstile.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        monkeypatch.setenv("TURNSTILE_CONFIG", str(path))
        return path

    return write


@pytest.fixture
def environment(monkeypatch):
    """Return what sets settings in the environment."""

    def set_(**settings):
        for name, value in settings.items():
            monkeypatch.setenv(f"TURNSTILE_{name.upper()}", value)

    return set_


def refusal(**options):
    with pytest.raises(SettingsInvalid) as raised:
        read_settings(options)
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_file_may_hold_every_kind_of_setting(configured):
    configured(FILE)
    settings = read_settings({})

    assert (settings.port, settings.speed, settings.system_prompt) == (7000, 0.5, "Be brief.")
    assert str(settings.upstream.url) == "http://file.test:8321/"
    assert settings.upstream.api_key.get_secret_value() == SECRET
    assert settings.moderation.hold_back is False
    assert str(settings.recording.directory) == "/tapes"
    assert settings.mcp_servers[0].headers["X-Key"].get_secret_value() == SECRET
    assert settings.client_tools[0].parameters["properties"] == {"a": {"type": "number"}}


def test_what_a_file_leaves_out_has_its_default(configured):
    configured("port = 7000")
    settings = read_settings({})

    assert settings == Settings(port=7000)
    assert settings.upstream.url is None


def test_the_environment_goes_before_the_file(configured, environment):
    configured(FILE)
    environment(port="7001", upstream_dialect="responses", recording_turn_limit_bytes="2048")
    settings = read_settings({})

    assert (settings.port, settings.speed) == (7001, 0.5)
    assert settings.upstream.dialect == "responses"
    assert str(settings.upstream.url) == "http://file.test:8321/"
    assert settings.recording.turn_limit_bytes == 2048
    assert str(settings.recording.directory) == "/tapes"


def test_an_option_goes_before_the_environment(configured, environment):
    configured(FILE)
    environment(port="7001", upstream_url="http://environment.test", upstream_retries_limit="7")
    settings = read_settings({"port": 7002, "upstream": {"url": "http://option.test"}})

    assert settings.port == 7002
    assert str(settings.upstream.url) == "http://option.test/"
    assert (settings.upstream.retries_limit, settings.upstream.dialect) == (7, "agents")


def test_a_file_may_be_an_option(tmp_path):
    path = tmp_path / "other.toml"
    path.write_text("port = 7003")

    assert read_settings({}, path).port == 7003


def test_a_file_that_is_an_option_goes_before_that_of_the_environment(configured, tmp_path):
    configured(FILE)
    path = tmp_path / "other.toml"
    path.write_text("port = 7003")

    assert read_settings({}, path).speed == 1.0


def test_an_empty_variable_is_none(configured, environment):
    configured(FILE)
    environment(port="", upstream_dialect="")

    assert read_settings({}).port == 7000
    assert read_settings({}).upstream.dialect == "agents"


def test_lists_in_the_environment_are_json(environment):
    servers = [{"name": "pods", "url": "http://pods.test/mcp"}]
    environment(mcp_servers=json.dumps(servers), client_tools='[{"name": "add"}]')
    settings = read_settings({})

    assert [each.name for each in (*settings.mcp_servers, *settings.client_tools)] == [
        "pods",
        "add",
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('colour = "s3cr3t-v4lue"', "colour"),
        ('[upstream]\nurls = "s3cr3t-v4lue"', "upstream.urls"),
        ("[moderations]\nhold_back = false", "moderations"),
        ('[upstream]\nurl = "s3cr3t-v4lue"', "upstream.url"),
        ('[upstream]\ndialect = "s3cr3t-v4lue"', "upstream.dialect"),
        ('upstream = "s3cr3t-v4lue"', "upstream"),
        ("port = 99999", "port"),
        ("[recording]\nturn_limit_bytes = 1", "recording.turn_limit_bytes"),
        ('[[mcp_servers]]\nname = "s3cr3t-v4lue"', "mcp_servers.0.url"),
        ('[[mcp_servers]]\nname = ""\nurl = "http://a.test"', "mcp_servers.0.name"),
        ('[[mcp_servers]]\nname = "a"\nurl = "file:///etc/passwd"', "mcp_servers.0.url"),
        ('[[client_tools]]\nname = "s3cr3t v4lue"', "client_tools.0.name"),
        ('[[client_tools]]\nname = "a"\nkind = "s3cr3t-v4lue"', "client_tools.0.kind"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_and_not_repeated(configured, text, named):
    configured(text)

    assert refusal().startswith(f"The settings are not valid: {named}: ")


SERVER = '[[mcp_servers]]\nname = "a"\nurl = "http://a.test"\n'
PATTERN = '[[redaction.patterns]]\nname = "a"\npattern = "a"\n'
TOOL = '[[client_tools]]\nname = "a"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SERVER * 2, "mcp_servers: two have the same name"),
        (TOOL * 2, "client_tools: two have the same name"),
        (PATTERN * 2, "redaction.patterns: two have the same name"),
        ("[database]\ncheckpoint_s = 5.1", "database: Value error, lease_s must be at least twice"),
        ("[database]\nlease_s = 8.9", "checkpoint_s and once timeout_s"),
        ('default_model = "a"', "default_provider and default_model must be given together"),
        ('default_provider = "a"', "default_provider and default_model must be given together"),
    ],
)
def test_what_does_not_fit_together_is_refused(configured, text, said):
    configured(text)

    assert said in refusal()


def test_a_tool_and_a_server_may_have_the_same_name(configured):
    configured(SERVER + TOOL)

    assert len(read_settings({}).mcp_servers) == 1


@pytest.mark.parametrize(
    "text", ["port = ", "= 1", "[upstream", 'key = "s3cr3t-v4lue', b"a = '\xff'"]
)
def test_a_file_that_is_not_toml_is_refused(configured, text):
    path = configured(text)

    assert refusal().startswith(f"{path} is not TOML: ")


def test_a_file_that_is_not_there_is_named(configured):
    path = configured("")
    path.unlink()

    assert refusal() == f"There is no configuration file {path}"


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(SettingsInvalid, match="There is no configuration file"):
        read_settings({}, tmp_path)


@pytest.mark.parametrize("value", ["nonsense", "{}", "[", '"s3cr3t-v4lue"', "[s3cr3t-v4lue]"])
def test_a_list_in_the_environment_that_is_none_is_named_and_not_repeated(environment, value):
    environment(mcp_servers=value)

    assert "mcp_servers" in refusal()


@pytest.mark.parametrize(
    "name",
    ["TURNSTILE_HEARTBEATS", "TURNSTILE_UPSTREAM_URLS", "TURNSTILE_UPSTREAM", "turnstile_colour"],
)
def test_a_variable_that_is_no_setting_is_named(monkeypatch, name):
    monkeypatch.setenv(name, SECRET)

    assert unknown_variables() == [name.upper()]
    assert refusal() == f"There is no such setting: {name.upper()}"


def test_every_setting_is_a_variable(monkeypatch):
    for name, _ in setting_names():
        monkeypatch.setenv(f"TURNSTILE_{name.replace('.', '_').upper()}", "")

    assert unknown_variables() == []
    assert read_settings({}) == Settings()


def test_settings_of_a_group_are_called_by_both_names():
    names = dict(setting_names())

    assert (names["upstream.url"], names["moderation.by"]) == (None, "turnstile")
    assert names["recording.age_limit_s"] == 7 * 86_400.0
    assert "upstream" not in names


def test_no_variable_stands_for_two_settings():
    variables = [name.replace(".", "_") for name, _ in setting_names()]

    assert len(set(variables)) == len(variables)


@pytest.mark.parametrize(
    "longer",
    [
        {"upstream": {"request_timeout_s": 40.0}},
        {"redis": {"timeout_s": 12.0}},
        {"database": {"timeout_s": 15.0, "lease_s": 60.0}},
        {"redaction": {"timeout_s": 20.0}},
        {"interrupt_wait_s": 15.0},
    ],
    ids=lambda each: next(iter(each)),
)
def test_a_turn_may_take_as_long_to_start_as_whatever_it_waits_for(longer):
    assert Settings(**longer).start_s >= Settings().start_s + 9


def test_settings_do_not_show_their_secrets(configured):
    configured(FILE)

    assert SECRET not in repr(read_settings({}))


@pytest.mark.parametrize("command", ["serve", "record"])
def test_a_command_that_cannot_read_its_settings_is_a_2_and_one_line(tmp_path, command):
    path = tmp_path / "turnstile.toml"
    path.write_text("colour = 1")
    extra = ["--query", "Hi", "--out", str(tmp_path / "out")] if command == "record" else []
    done = CliRunner().invoke(app, [command, "--config", str(path), *extra])

    assert done.exit_code == 2
    assert done.stderr.startswith("turnstile: The settings are not valid: colour: ")
    assert done.stderr.count("\n") == 1
