"""What goes wrong below Turnstile is told as what it is, and nothing said before is lost."""

import pytest

from tests.e2e.lab.gateway import only
from tests.e2e.lab.processes import free_port
from tests.e2e.lab.tokens import filler

HEALTH = "Is the checkout service in the shop namespace healthy?"
POD = "What is a pod in Kubernetes?"
NO_SUCH_MODEL = {"provider": "vllm", "model": "scripted-700b"}

one_of_each_dialect = only("agents-0.3.5", "0.7.3")


def test_a_model_that_fails_before_its_first_token_is_an_error(gateway):
    told = gateway.ask("Anything. [[status=503]]", shield_ids=[])

    assert told.names == ["start", "error"]
    assert told.last["status_code"] in {502, 503}
    assert "out of memory" not in told.body.decode()


@pytest.mark.parametrize("control", ["fail_at=10", "cut_at=10"])
def test_what_was_said_before_a_failure_is_kept(gateway, control):
    told = gateway.ask(f"Tell me. [[tokens=40 {control}]]")

    assert told.text.strip() == "".join(filler(10))
    assert (told.last["event"], told.last["code"]) == ("error", "upstream_error")
    assert told.last["state"] == "step_in_progress"


def test_a_failure_after_a_tool_keeps_the_result(gateway):
    told = gateway.ask(f"{HEALTH} [[status=500 round=1]]")

    assert told.one("tool_result")["status"] == "ok"
    assert told.last["event"] == "error"


def test_plain_text_ends_with_the_failure(gateway):
    told = gateway.post({"query": "Tell me. [[tokens=40 fail_at=10]]", "media_type": "text/plain"})

    assert told.body.decode().startswith("".join(filler(10)))
    assert "\n\n[error: upstream_error] " in told.body.decode()


@one_of_each_dialect
@pytest.mark.parametrize(
    ("fields", "code", "named"),
    [
        (NO_SUCH_MODEL, "model_unknown", "scripted-700b"),
        ({"provider": "nobody", "model": "scripted-8b"}, "model_unknown", "nobody"),
        ({"shield_ids": ["nobody"]}, "shield_unknown", "nobody"),
        ({"vector_store_ids": ["vs_nope"]}, "vector_store_unknown", "vs_nope"),
    ],
)
def test_what_the_server_does_not_have_is_not_found(gateway, fields, code, named):
    refused = gateway.refused(POD, **fields)

    assert (refused["status"], refused["code"]) == (404, code)
    assert named in refused["cause"]
    assert gateway.model.requests() == []


@one_of_each_dialect
def test_a_server_that_stays_silent_is_given_up(gateway):
    with gateway.with_settings(idle_timeout_s="1") as impatient:
        told = impatient.ask("Tell me. [[tokens=20 stall_at=10 stall_s=30]]", shield_ids=[])

    assert told.text == "".join(filler(10))
    assert (told.last["code"], told.last["status_code"]) == ("upstream_timeout", 504)
    assert gateway.model_is_cut()


@one_of_each_dialect
def test_a_turn_that_takes_too_long_is_ended(gateway):
    with gateway.with_settings(turn_timeout_s="1") as impatient:
        told = impatient.ask("Tell me. [[tokens=900 pause_ms=20]]", shield_ids=[])

    assert (told.last["code"], told.last["status_code"]) == ("turn_timeout", 504)
    assert gateway.model_is_cut()


@one_of_each_dialect
def test_a_silent_reader_is_kept_by_heartbeats(gateway):
    with gateway.with_settings(heartbeat_s="0.1") as lively:
        told = lively.ask("Tell me. [[tokens=20 stall_at=10 stall_s=1]]", shield_ids=[])

    assert told.text == "".join(filler(20))
    assert told.body.count(b"\n:\n") >= 3


@only("0.7.3")
def test_a_server_that_is_not_there_is_unreachable(gateway):
    nowhere = f"http://127.0.0.1:{free_port()}"
    with gateway.with_settings(upstream_url=nowhere) as lonely:
        refused = lonely.refused(POD)

    assert (refused["status"], refused["code"]) == (503, "upstream_unreachable")
