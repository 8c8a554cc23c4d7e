"""Readers come, leave and return, and turns are stopped: nobody else notices, nothing is lost."""

import signal

from tests.e2e.lab.gateway import only

COUNT = "Count. [[tokens=100 pause_ms=10]]"
SLOW = "Count. [[tokens=900 pause_ms=20]]"
SILENT = "Count. [[tokens=20 stall_s=30]]"
AUDIT = "Run the full audit of the cluster."
RETRY = b"retry: 1000\n"


def test_an_interrupt_stops_the_model_within_a_second(gateway):
    with gateway.asking(SLOW, shield_ids=[]) as stream:
        stream.until("token")
        answer = gateway.interrupt(stream.request_id)
        assert gateway.model_is_cut(within_s=1)
        told = stream.rest().check()

    assert answer["interrupted"] is True
    assert (told.last["event"], told.last["by"]) == ("interrupted", "user")


def test_an_interrupt_stops_a_model_that_has_not_begun(gateway):
    with gateway.asking(SILENT, shield_ids=[]) as stream:
        gateway.model.wait_for(lambda seen: seen["stream"])
        gateway.interrupt(stream.request_id)
        assert gateway.model_is_cut(within_s=1)
        told = stream.rest().check()

    assert told.names == ["start", "interrupted"]


def test_an_interrupt_in_a_tool_call_closes_the_call(gateway):
    with gateway.asking(AUDIT, shield_ids=[]) as stream:
        stream.until("tool_call")
        gateway.interrupt(stream.request_id)
        told = stream.rest().check()

    assert told.last["event"] == "interrupted"
    assert len(gateway.model.requests()) == 1


@only("agents-0.3.5", "0.7.3")
def test_an_ended_turn_cannot_be_interrupted(gateway):
    told = gateway.ask("Say nothing.")

    assert gateway.interrupt(told.request_id)["interrupted"] is False


def test_a_turn_goes_on_without_its_reader_who_gets_the_rest_later(gateway):
    with gateway.asking(COUNT, shield_ids=[]) as stream:
        stream.until("token")
        read = stream.whole()

    rest = gateway.follow(stream.request_id, stream.last_id)

    whole = gateway.follow(stream.request_id)
    assert read + rest.body.removeprefix(RETRY) == whole.body
    assert whole.check().last["event"] == "end"
    assert gateway.model.requests()[0]["tokens_sent"] == 100


def test_a_second_reader_reads_the_same(gateway):
    with gateway.asking(COUNT, shield_ids=[]) as stream:
        stream.until("token")
        second = gateway.follow(stream.request_id)
        first = stream.rest()

    assert first.body == second.body


@only("agents-0.3.5", "0.7.3")
def test_who_has_read_everything_gets_nothing_more(gateway):
    told = gateway.ask("Say nothing.")

    answer = gateway.follow(told.request_id, told.messages[-1].last_id)

    assert (answer.status, answer.body) == (204, b"")


def test_stopping_turnstile_tells_its_readers_and_the_server(gateway):
    with (
        gateway.with_settings(drain_timeout_s="0.5") as stopping,
        stopping.asking(SLOW, shield_ids=[]) as stream,
    ):
        stream.until("token")
        stopping.process.signal(signal.SIGTERM)
        told = stream.rest().check()

    assert (told.last["event"], told.last["by"]) == ("interrupted", "drain")
    assert gateway.model_is_cut()
