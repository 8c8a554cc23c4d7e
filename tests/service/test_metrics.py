"""What is counted, by which labels, and how it is told."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

from service.domain import Model, TurnRecord
from service.errors import FAULTS
from service.telemetry.metrics import CODES, STREAM_CODES, Metrics
from tests.support.applications import QUERY, TURNS, application
from tests.support.people import ADMIN, ALICE, used_by
from tests.support.upstreams import NEVER, Script, answer, opening_chunk

ROOT = Path(__file__).parents[2]
README = (ROOT / "service" / "README.md").read_text()
PROTOCOL = (ROOT / "statemachine" / "README.md").read_text()
HELLO = Script(answer("Hello"))
TURN = TurnRecord("r", "c", "joe", "k", "What is a pod?", 0.0, outcome="end")
OPENMETRICS = "application/openmetrics-text"


def told(metrics: Metrics) -> dict[str, float]:
    """Return what is told, by name and labels as they are written."""
    text = metrics.render()[0].decode()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("turnstile_") and "_created" not in line and "_bucket" not in line
    }


async def counted(app) -> dict[str, float]:
    await app.ask("GET", "/livez")
    return told(app.services.metrics)


# What is counted.


def test_a_turn_is_counted_by_how_it_ended():
    metrics = Metrics()

    metrics.turn_started()
    metrics.turn_ended(TURN, 2.0, 0.5)

    counts = told(metrics)
    assert counts["turnstile_turns_started_total"] == 1
    assert counts['turnstile_turns_ended_total{code="",outcome="end"}'] == 1
    assert counts["turnstile_turn_duration_seconds_sum"] == 2.0
    assert counts["turnstile_first_chunk_seconds_sum"] == 0.5


def test_tokens_are_counted_by_model():
    metrics, model = Metrics(), Model("vllm/small-8b", "vllm", "small-8b", generates=True)

    metrics.turn_ended(replace(TURN, model=model, input_tokens=3, output_tokens=4), 1.0)
    metrics.turn_ended(replace(TURN, input_tokens=5), 1.0)

    counts = told(metrics)
    assert counts['turnstile_tokens_total{direction="input",model="vllm/small-8b"}'] == 3
    assert counts['turnstile_tokens_total{direction="output",model="vllm/small-8b"}'] == 4
    assert counts['turnstile_tokens_total{direction="input",model=""}'] == 5


def test_a_turn_of_which_nothing_was_heard_has_no_first_chunk():
    metrics = Metrics()

    metrics.turn_ended(replace(TURN, outcome="error", code="owner_lost"), 1.0)

    counts = told(metrics)
    assert counts['turnstile_turns_ended_total{code="owner_lost",outcome="error"}'] == 1
    assert counts["turnstile_first_chunk_seconds_count"] == 0


def test_what_there_is_now_is_looked_up_when_somebody_asks():
    metrics, now = Metrics(), [1, 2, 3]
    metrics.watch(lambda: now[0], lambda: now[1], lambda: now[2])
    told(metrics)

    now[:] = [4, 5, 6]

    counts = told(metrics)
    names = ("turns_running", "streams_open", "turns_unstored")
    assert [counts[f"turnstile_{name}"] for name in names] == [4, 5, 6]


def test_redactions_and_stored_turns_are_there_from_the_beginning():
    """A count that begins at nothing can be told from one that nobody keeps."""
    counts = told(Metrics(["email"]))

    assert counts['turnstile_redactions_total{pattern="email"}'] == 0
    assert counts['turnstile_turns_stored_total{stored="false"}'] == 0


# Labels.


def test_what_is_not_known_is_other():
    metrics = Metrics(["email"])

    metrics.refused("forbidden")
    metrics.refused("x" * 10_000)
    metrics.redacted({"email": 2, "mail": 3})
    metrics.turn_ended(replace(TURN, outcome="exploded", code="boom"), 1.0)

    counts = told(metrics)
    assert counts['turnstile_requests_refused_total{code="forbidden"}'] == 1
    assert counts['turnstile_requests_refused_total{code="other"}'] == 1
    assert counts['turnstile_redactions_total{pattern="email"}'] == 2
    assert counts['turnstile_redactions_total{pattern="other"}'] == 3
    assert counts['turnstile_turns_ended_total{code="other",outcome="other"}'] == 1


def test_only_so_many_models_are_told_apart():
    metrics = Metrics()

    for number in range(150):
        model = Model(f"m{number}", "vllm", "m", generates=True)
        metrics.turn_ended(replace(TURN, model=model, input_tokens=1), 1.0)

    inputs = [each for each in told(metrics) if 'direction="input"' in each]
    assert len(inputs) == 101
    assert told(metrics)['turnstile_tokens_total{direction="input",model="other"}'] == 50


def test_the_codes_of_streams_are_those_of_the_protocol():
    (section,) = re.findall(r"^## Error codes\n(.*?)^## ", PROTOCOL, re.MULTILINE | re.DOTALL)
    documented = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    never_seen = {"machine_misuse", "recording_damaged", "stream_error"}

    assert documented - never_seen == STREAM_CODES
    assert {*FAULTS, *STREAM_CODES, "forbidden", "quota_exceeded", "upstream_too_much"} <= CODES


def test_two_processes_in_one_do_not_count_together():
    one, other = Metrics(), Metrics()

    one.turn_started()

    assert told(other)["turnstile_turns_started_total"] == 0


# How it is told.


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain;version=0.0.4;q=0.5",
        "text/plain;version=x.y",
        "text/html, application/openmetrics",
        "é;;;,,,\x7f",
    ],
)
def test_plain_text_is_told_unless_asked_otherwise(accept):
    body, media_type = Metrics().render(accept)

    assert media_type == "text/plain; version=0.0.4; charset=utf-8"
    assert {each.name for each in families(body.decode())} >= {"turnstile_turns_running"}


@pytest.mark.parametrize(
    "accept",
    [
        OPENMETRICS,
        f"{OPENMETRICS};version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        f"{OPENMETRICS};version=abc;escaping=x",
        f"text/html, {OPENMETRICS.upper()} ; q=1",
    ],
)
def test_openmetrics_is_told_to_who_asks_for_it(accept):
    body, media_type = Metrics().render(accept)

    assert media_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert body.endswith(b"# EOF\n")
    assert {each.name for each in open_families(body.decode())} >= {"turnstile_turns_running"}


def test_every_metric_is_documented():
    metrics = Metrics(["email"])
    metrics.watch(int, int, int)
    metrics.refused("forbidden")
    metrics.turn_ended(TURN, 1.0, 1.0)
    (section,) = re.findall(r"^## Metrics\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", section, re.MULTILINE)

    own = [each for each in families(metrics.render()[0].decode()) if "_created" not in each.name]
    there = {
        (
            each.name + ("_total" if each.type == "counter" else ""),
            each.type,
            frozenset(name for sample in each.samples for name in sample.labels) - {"le"},
        )
        for each in own
        if each.name.startswith("turnstile_")
    }

    documented = {
        (name, kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows
    }
    assert documented == there


# In the service.


async def test_the_turns_of_a_service_are_counted():
    async with application(HELLO) as app:
        await app.ended()
        counts = await counted(app)

    assert counts["turnstile_turns_started_total"] == 1
    assert counts['turnstile_turns_ended_total{code="",outcome="end"}'] == 1
    assert counts["turnstile_first_chunk_seconds_count"] == 1
    assert sum(counts[f'turnstile_turns_stored_total{{stored="{each}"}}'] for each in STORED) == 1


STORED = ("true", "false")


async def test_what_runs_and_who_reads_is_told_while_it_does():
    async with application(Script((opening_chunk(), NEVER)), commit_wait_s=0.01) as app:
        async with app.turn() as turn:
            await turn.begun()
            during = await counted(app)
        await app.interrupt(turn)
        after = await counted(app)

    assert (during["turnstile_turns_running"], during["turnstile_streams_open"]) == (1, 1)
    assert (after["turnstile_turns_running"], after["turnstile_streams_open"]) == (0, 0)


async def test_a_refused_request_is_counted_by_its_code():
    async with application(HELLO) as app:
        await app.ask("POST", TURNS, QUERY | {"colour": 1})
        counts = await counted(app)

    assert counts['turnstile_requests_refused_total{code="request_invalid"}'] == 1


async def test_the_route_needs_its_action_and_is_kept_by_nobody():
    async with used_by({ALICE: (), ADMIN: ("admin",)}) as people:
        refused, _ = await people[ALICE].ask("GET", "/metrics")
        nobody, _ = await people[ALICE].sending().ask("GET", "/metrics")
        told_to, body = await people[ADMIN].ask("GET", "/metrics", None, Accept=OPENMETRICS)

    assert (refused.status, nobody.status, told_to.status) == (403, 401, 200)
    assert told_to.headers["content-type"].startswith(OPENMETRICS)
    assert told_to.headers["cache-control"] == "no-store"
    assert body.endswith(b"# EOF\n")
