"""What is logged of a turn, and what never is."""

import io
import json
import logging
import re
import sys

import pytest
import structlog

from service.errors import UpstreamError
from service.settings import Settings
from service.telemetry.logs import configure_logs
from service.telemetry.quotes import without_quotes
from tests.support import agents_chunks as agents
from tests.support.applications import application
from tests.support.upstreams import NEVER, Script, answer, closing, opening_chunk, says

KEYS = {
    "request_id", "conversation_id", "upstream_dialect", "state", "outcome", "finish_reason",
    "truncated", "emissions", "tool_calls", "shields", "input_tokens", "output_tokens", "usage",
    "unknown_chunks", "ignored_chunks", "duration_s", "user",
}  # fmt: skip
CALL = agents.call("c1", "get_weather", '{"city":"ARGUED"}')
TOOL = (
    agents.step_start("s1"),
    agents.text("s1", "SAID"),
    agents.whole_call("s1", CALL),
    agents.inference_complete("s1", "end_of_message"),
    agents.step_start("s2", "tool_execution"),
    agents.whole_call("s2", CALL, "tool_execution"),
    agents.tool_complete("s2", agents.response("c1", "RETURNED")),
    agents.step_start("s3"),
    agents.inference_complete("s3"),
    agents.turn_complete("SAID"),
)


def lines(log, event):
    return [each for each in log if each["event"] == event]


async def test_a_turn_is_one_line(log):
    script = Script(answer("Hi"), recording="A title")
    async with application(script) as app, app.turn() as turn:
        await turn.body()

    (line,) = lines(log, "turn.ended")
    assert set(line) == KEYS | {"recording", "event", "log_level"}
    assert line["log_level"] == "info"
    assert line["request_id"] == turn.headers["x-request-id"]
    assert line["conversation_id"] == turn.headers["x-conversation-id"]
    assert (line["state"], line["outcome"]) == ("turn_complete", "end")
    assert (line["emissions"], line["recording"]) == (4, "A title")
    assert 0 <= line["duration_s"] < 5


async def test_nothing_is_logged_of_what_people_and_models_say(log):
    async with application(Script(TOOL)) as app, app.turn() as turn:
        await turn.body()

    (line,) = lines(log, "turn.ended")
    assert (line["outcome"], line["tool_calls"]) == ("end", 1)
    written = json.dumps(log)
    assert [each for each in ("pod", "SAID", "ARGUED", "RETURNED") if each in written] == []


async def test_a_failure_is_a_warning_with_its_code_and_its_detail(log):
    refused = UpstreamError(
        "upstream_unavailable", "Not available.", 503, detail="connect: refused"
    )
    async with application(Script((opening_chunk(), refused))) as app, app.turn() as turn:
        await turn.body()

    (line,) = lines(log, "turn.ended")
    assert line["log_level"] == "warning"
    assert (line["code"], line["outcome"]) == ("upstream_unavailable", "error")
    assert (line["detail"], line["cause"]) == ("connect: refused", "Not available.")


@pytest.mark.parametrize(
    "quoted", ["{}", "input={!r}", '{{"content": "{}"}}', "the prompt '{}...", "'{}', '{}'"]
)
@pytest.mark.parametrize("question", ["Whispered", "It is a secret: W\u00f6rter\nand 'quotes'."])
async def test_what_a_server_quotes_of_a_question_is_not_logged(log, quoted, question):
    said = f"400: refused: {quoted.format(question, question)}; model: small"
    refused = UpstreamError("upstream_bad_request", said, 400, cause=said, detail=said)
    async with (
        application(Script((opening_chunk(), refused))) as app,
        app.turn(query=question) as turn,
    ):
        await turn.body()

    (line,) = lines(log, "turn.ended")
    for told in (line["detail"], line["cause"]):
        assert told.startswith("400: refused: ")
        assert told.endswith("; model: small")
        assert not set(re.findall(r"\w{5,}", question)) & set(re.findall(r"\w+", told))


def test_a_short_question_is_a_quote_only_where_it_stands_for_itself():
    assert (
        without_quotes("this is a hit, hi there: 'hi'", "hi")
        == "this is a hit, [...] there: '[...]'"
    )
    assert without_quotes("401: no", "") == "401: no"
    assert without_quotes("无法回答今天天气这个问题", "今天天气") == "无法回答[...]这个问题"
    assert without_quotes('{"content": "Ö \\"M\\" ab"}', 'Ö "M" ab') == '{"content": "[...]"}'


def test_a_part_of_a_long_question_is_a_quote_too():
    question = "Tell me all about our secret plans for the next year."

    assert without_quotes("input: 'Tell me all about...the next year.'", question) == (
        "input: '[...]...[...]'"
    )


async def test_a_stopped_turn_is_no_warning(log):
    async with application(Script((opening_chunk(), NEVER))) as app, app.turn() as turn:
        await turn.part()
        await app.interrupt(turn)

    (line,) = lines(log, "turn.ended")
    assert (line["log_level"], line["outcome"]) == ("info", "interrupted")


async def test_an_unknown_kind_is_warned_of_once(log):
    new = agents.payload("step_dreamed", step_id="s1")
    newer = agents.payload("step_forgotten", step_id="s1")
    script = Script((opening_chunk(), new, new, says("Hi"), newer, new, *closing("Hi")))
    async with application(script) as app, app.turn() as turn:
        await turn.body()

    warned = lines(log, "chunk.kind_skipped")
    assert [each["kind"] for each in warned] == ["step_dreamed", "step_forgotten"]
    assert {each["request_id"] for each in warned} == {turn.headers["x-request-id"]}
    assert lines(log, "turn.ended")[0]["unknown_chunks"] == 4


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def configured(monkeypatch):
    """Return what configures logging and returns what is then written; all is undone after."""
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def configure(stderr, **settings):
        monkeypatch.setattr(sys, "stderr", stderr)
        configure_logs(Settings(**settings))
        logger = structlog.get_logger()
        logger.debug("tests.whispered")
        logger.info("tests.run", count=1)
        logging.getLogger("library").warning("it is %s", "old")
        return stderr.getvalue()

    yield configure
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


def test_logs_are_json_where_nobody_watches(configured):
    ours, theirs = map(json.loads, configured(io.StringIO()).splitlines())

    assert (ours["event"], ours["count"], ours["level"]) == ("tests.run", 1, "info")
    assert (theirs["event"], theirs["level"]) == ("it is old", "warning")
    assert ours["timestamp"] <= theirs["timestamp"]


def test_logs_are_for_people_on_a_terminal(configured):
    written = configured(Terminal())

    assert "tests.run" in written
    assert not written.startswith("{")


@pytest.mark.parametrize(("stderr", "log_format"), [(Terminal, "json"), (io.StringIO, "console")])
def test_a_setting_has_the_last_word_on_the_format(configured, stderr, log_format):
    written = configured(stderr(), log_format=log_format)

    assert written.startswith("{") is (log_format == "json")


def test_the_level_is_a_setting(configured):
    assert "whispered" in configured(io.StringIO(), log_level="debug")
    assert "tests.run" not in configured(io.StringIO(), log_level="warning")


def test_a_traceback_is_part_of_its_json_line(configured):
    stderr = io.StringIO()
    configured(stderr)
    try:
        raise ZeroDivisionError("a bug")  # noqa: TRY301 # to have a traceback
    except ZeroDivisionError:
        structlog.get_logger().exception("turn.crashed")

    last = json.loads(stderr.getvalue().splitlines()[-1])
    assert "ZeroDivisionError: a bug" in last["exception"]


class GoneFile(io.StringIO):
    """A standard error that nobody reads any more."""

    def write(self, text):
        raise BrokenPipeError

    def flush(self):
        raise BrokenPipeError


def test_a_process_without_standard_error_logs_nothing(monkeypatch, configured):
    configured(io.StringIO())
    monkeypatch.setattr(sys, "stderr", None)

    configure_logs(Settings())
    structlog.get_logger().info("tests.run")


def test_a_log_that_cannot_be_written_costs_nothing(configured):
    assert configured(GoneFile(), log_format="json") == ""
