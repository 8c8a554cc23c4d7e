"""A turn's stream: numbers, digest, one end, and never an exception for the upstream."""

from functools import reduce

import pytest

from statemachine import (
    FINAL,
    Emission,
    Interrupter,
    MachineMisuse,
    State,
    TurnMachine,
    TurnResumed,
    TurnStarted,
    TurnStream,
    settle,
)
from statemachine.events import Call, StepKind, StepStarted, TextDelta, TurnCompleted
from statemachine.upstream.agents import AgentsDecoder
from statemachine.upstream.responses import ResponsesDecoder
from tests.support import agents_chunks as agents
from tests.support.laws import Run, check, digest_of, new_stream, parsed
from tests.support.walks import ScriptedDecoder

SPOKEN = (agents.step_start("i1"), agents.text("i1", "Hel"), agents.text("i1", "lo"))
CLOSED = (agents.inference_complete("i1"), agents.turn_complete("Hello"))
CYCLE: dict[str, object] = {}
CYCLE["again"] = CYCLE
UNWRITABLE = [
    reduce(lambda inner, _: {"a": [inner]}, range(5_000), {}),
    {"a": 10**5_000},
    {"a": object()},
    {("a", 1): 1},
    {"a": "\ud800", "b": object()},
    CYCLE,
]
"""Mappings that no parser of JSON gives."""


def opened(*chunks: object) -> tuple[TurnStream, tuple[Emission, ...]]:
    """Begin a stream of an agent turn and feed it."""
    stream = new_stream(AgentsDecoder())
    emissions = stream.begin(TurnStarted())
    for chunk in chunks:
        emissions += stream.feed(chunk)
    return stream, emissions


def test_an_answer_is_numbered_counted_and_hashed() -> None:
    stream, emissions = opened(*SPOKEN, *CLOSED)

    check(Run(stream, emissions))
    assert [each.number for each in emissions] == [1, 2, 3, 4, 5]
    assert emissions[-1].seal.count == 5
    assert emissions[-1].seal.digest == digest_of(each.payload for each in emissions[:-1])
    assert [each.terminal for each in emissions] == [False] * 4 + [True]


def test_emissions_say_which_states_the_machine_moved_through() -> None:
    _, emissions = opened(*SPOKEN, *CLOSED)

    assert [each.path for each in emissions] == [
        (State.TURN_STARTED,),
        (State.STEP_IN_PROGRESS,),
        (),
        (State.TURN_STARTED, State.TURN_COMPLETE),
        (),
    ]


def test_of_a_long_silence_the_first_states_and_the_last_are_remembered() -> None:
    silent = (agents.step_start("i1"), agents.inference_complete("i1")) * 500

    _, emissions = opened(*silent, *SPOKEN)

    moves = [State.STEP_IN_PROGRESS, State.TURN_STARTED] * 50
    assert emissions[1].path == (*moves, State.STEP_IN_PROGRESS)


def test_a_stream_knows_where_it_stands() -> None:
    stream, _ = opened(*SPOKEN)

    assert (stream.state, stream.ended) == (State.STEP_IN_PROGRESS, False)
    stream.interrupt(Interrupter.USER)
    assert (stream.state, stream.ended) == (State.INTERRUPTED, True)


def test_a_stream_says_how_much_it_said_and_who_spoke() -> None:
    stream, emissions = opened(*SPOKEN)

    assert (stream.dialect, stream.count) == ("agents", len(emissions))


def test_a_stream_moves_the_machine_that_it_is_given() -> None:
    machine = TurnMachine("conv", "req")
    stream = TurnStream(AgentsDecoder(), conversation_id="x", request_id="y", machine=machine)

    stream.begin(TurnStarted())

    assert machine.state is stream.state is State.TURN_STARTED


def test_a_body_that_stops_early_is_an_error() -> None:
    stream, _ = opened(*SPOKEN)

    (end,) = stream.finish()

    data = parsed(end.payload)["data"]
    assert (data["code"], data["state"]) == ("upstream_truncated", "step_in_progress")
    assert stream.failure.code == "upstream_truncated"


@pytest.mark.parametrize(
    "ending",
    [
        lambda stream: stream.finish(),
        lambda stream: stream.interrupt(Interrupter.OPERATOR),
        lambda stream: stream.fail("timeout", "It took too long."),
        lambda stream: stream.feed(agents.error("500: boom")),
        lambda stream: stream.feed_payload(b"{"),
    ],
    ids=["finish", "interrupt", "fail", "error", "junk"],
)
def test_a_stream_ends_once(ending) -> None:
    stream, emissions = opened(*SPOKEN)

    emissions += ending(stream)

    check(Run(stream, emissions))
    assert ending(stream) == stream.finish() == stream.interrupt(Interrupter.USER) == ()
    assert stream.fail("late", "Too late.") == stream.feed(CLOSED[0]) == ()


def test_whatever_comes_after_the_end_is_counted_and_ignored() -> None:
    stream, _ = opened(*SPOKEN, *CLOSED)

    late = [stream.feed(agents.error("500: boom")), stream.feed(None), stream.feed_payload(b"{")]

    assert late == [(), (), ()]
    assert stream.ignored == 3
    assert stream.failure is None


def test_the_marker_of_other_servers_ends_nothing() -> None:
    stream, _ = opened(*SPOKEN)

    assert stream.feed_payload(b"[DONE] ") == ()
    assert stream.feed_payload(b"") == ()

    assert stream.unknown == {"[DONE]": 1, "(empty)": 1}
    assert not stream.ended


@pytest.mark.parametrize("payload", [b"{", b"\xff", b"<html>"])
def test_a_payload_that_is_no_json_ends_the_turn(payload: bytes) -> None:
    stream, _ = opened()

    (end,) = stream.feed_payload(payload)

    assert parsed(end.payload)["data"]["code"] == "upstream_not_json"


def test_an_illegal_chunk_ends_the_turn_and_says_what_was_legal() -> None:
    stream, _ = opened()

    (end,) = stream.feed(agents.text("i1", "Hi"))

    data = parsed(end.payload)["data"]
    assert (data["code"], data["status_code"]) == ("illegal_transition", 502)
    assert data["cause"].startswith("TextDelta is not legal in turn_started; legal: TurnStarted,")


def test_calls_are_closed_before_the_end() -> None:
    tool = agents.step_start("t1", "tool_execution")
    stream, _ = opened(tool, agents.whole_call("t1", agents.call("c1"), "tool_execution"))

    closing, end = stream.finish()

    assert parsed(closing.payload)["data"]["status"] == "failed"
    assert parsed(end.payload)["data"]["state"] == "tool_executing"


def test_a_failure_keeps_its_detail_for_the_log() -> None:
    stream, _ = opened()

    (end,) = stream.fail(
        "timeout", "Too slow.", status_code=504, cause="Silence.", detail="after 30 s"
    )

    data = parsed(end.payload)["data"]
    assert (data["status_code"], data["response"], data["cause"]) == (504, "Too slow.", "Silence.")
    assert stream.failure.detail == "after 30 s"
    assert b"30 s" not in end.payload


def test_a_failure_without_a_cause_gives_its_message() -> None:
    stream, _ = opened()

    (end,) = stream.fail("timeout", "Too slow.")

    assert (parsed(end.payload)["data"]["cause"], stream.summary.code) == ("Too slow.", "timeout")


def test_a_turn_can_only_begin_once() -> None:
    stream, _ = opened()

    with pytest.raises(MachineMisuse, match="begin once"):
        stream.begin(TurnStarted())


def test_a_stream_that_was_not_begun_refuses_work() -> None:
    stream = new_stream(AgentsDecoder())

    (end,) = stream.feed(agents.step_start("i1"))

    assert parsed(end.payload)["data"]["state"] == "idle"


def test_a_response_that_was_not_begun_begins_itself() -> None:
    stream = new_stream(ResponsesDecoder())

    (start,) = stream.feed({"type": "response.created", "response": {"id": "resp_1"}})

    assert parsed(start.payload)["data"]["turn_id"] == "resp_1"


def test_a_resumed_turn_names_itself_and_reports_what_was_owed() -> None:
    stream = new_stream(AgentsDecoder())
    emissions = stream.begin(TurnResumed("t1", (Call("c1", "get_weather", "{}"),)))

    emissions += stream.feed(agents.tool_complete("t9", agents.response("c1", "Sunny")))

    start, result = (parsed(each.payload) for each in emissions)
    assert start["data"]["turn_id"] == "t1"
    assert result["data"]["call_id"] == "c1"


def test_events_after_the_end_in_the_same_chunk_are_dropped() -> None:
    stream = new_stream(ScriptedDecoder())
    stream.begin(TurnStarted())

    emissions = stream.feed((TurnCompleted("Hi"), StepStarted("i1", StepKind.INFERENCE)))

    assert [parsed(each.payload)["event"] for each in emissions] == ["turn_complete", "end"]


def test_events_after_an_illegal_one_in_the_same_chunk_are_dropped() -> None:
    stream = new_stream(ScriptedDecoder())
    stream.begin(TurnStarted())

    emissions = stream.feed((TextDelta("i1", StepKind.INFERENCE, "Hi"), TurnCompleted("Hi")))

    assert [parsed(each.payload)["event"] for each in emissions] == ["error"]
    assert stream.state in FINAL


def test_settling_says_what_was_stored_and_keeps_the_digest() -> None:
    _, emissions = opened(*SPOKEN, *CLOSED)
    end = emissions[-1]

    settled = settle(end, stored=True, available_quotas={"daily": 7})

    told = parsed(settled.payload)
    assert (told["data"]["stored"], told["available_quotas"]) == (True, {"daily": 7})
    assert (told["data"]["count"], told["data"]["digest"]) == (5, end.seal.digest)
    assert parsed(end.payload)["data"]["stored"] is False


def test_settling_says_how_long_calls_can_be_answered() -> None:
    _, emissions = opened(agents.awaiting(agents.call("c1")))

    settled = settle(emissions[-1], stored=False, available_quotas={}, answer_within_s=600)

    told = parsed(settled.payload)
    assert told["data"]["answer_within_s"] == 600
    assert "answer_within_s" not in parsed(emissions[-1].payload)["data"]
    assert "available_quotas" not in told


def test_only_the_end_can_be_settled() -> None:
    _, emissions = opened()

    with pytest.raises(MachineMisuse, match="terminal"):
        settle(emissions[0], stored=True, available_quotas={})


def test_the_prompt_only_serves_to_estimate() -> None:
    stream, emissions = opened(*SPOKEN, *CLOSED)

    assert parsed(emissions[-1].payload)["data"]["input_tokens"] == 3
    assert b"How are you?" not in b"".join(each.payload for each in emissions)
    assert stream.summary.answer == "Hello"


def test_an_output_that_cannot_be_written_takes_no_number() -> None:
    """A bug of ours must not leave a gap: the failure that follows takes the number."""
    stream, emissions = opened(*SPOKEN)

    with pytest.raises(KeyError):
        stream._number(None)

    assert stream.fail("internal_error", "Oh.")[-1].number == len(emissions) + 1


@pytest.mark.parametrize("chunks", [SPOKEN, (*SPOKEN, *CLOSED)], ids=["running", "ended"])
def test_an_abandoned_turn_still_has_one_end_with_the_right_number(chunks) -> None:
    stream, emissions = opened(*chunks)
    said = [each for each in emissions if not each.terminal]

    last = stream.abandon()

    assert (last.number, parsed(last.payload)["data"]["code"]) == (len(said) + 1, "internal_error")
    assert last.seal.digest == digest_of(each.payload for each in said)


@pytest.mark.parametrize("odd", UNWRITABLE, ids=range(len(UNWRITABLE)))
@pytest.mark.parametrize(
    "chunks",
    [
        lambda odd: [agents.step_start("i1"), agents.whole_call("i1", agents.call("c", "x", odd))],
        lambda odd: [agents.awaiting(agents.call("c", "x", odd))],
        lambda odd: [
            agents.step_start("s1", "shield_call"),
            agents.verdict("s1", {"user_message": "No.", "metadata": odd}),
        ],
    ],
    ids=["call", "owed", "violation"],
)
def test_what_no_parser_gives_is_malformed(chunks, odd: object) -> None:
    stream, emissions = opened(*chunks(odd))

    check(Run(stream, emissions))
    assert (stream.failure.code, stream.failure.cause) == (
        "malformed_chunk",
        "chunk: expected plain JSON",
    )


@pytest.mark.parametrize("odd", UNWRITABLE, ids=range(len(UNWRITABLE)))
@pytest.mark.parametrize("decoder", [AgentsDecoder, ResponsesDecoder])
def test_an_error_of_the_upstream_is_one_whatever_else_is_in_it(decoder, odd: object) -> None:
    stream = new_stream(decoder())
    stream.begin(TurnStarted())

    (end,) = stream.feed({"error": {"message": "404: no model", "odd": odd}})

    assert parsed(end.payload)["data"]["code"] == "upstream_not_found"
    assert stream.failure.detail == "404: no model"


def test_texts_of_another_class_are_texts() -> None:
    class Text(str):
        __slots__ = ()

    call = {"call_id": Text("c1"), "tool_name": Text("x"), "arguments": Text("{}")}
    said = (agents.step_start(Text("i1")), agents.text(Text("i1"), Text("Hi")))
    called = agents.whole_call("i1", call)

    stream, emissions = opened(
        *said, called, agents.inference_complete("i1"), agents.turn_complete(Text("Hi"))
    )

    check(Run(stream, emissions))
    assert stream.summary.outcome == "end"
