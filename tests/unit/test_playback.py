"""A recording played again gives the bytes of the stream that it was made of."""

import json
from dataclasses import dataclass, field

import pytest

from statemachine import (
    Call,
    CallStatus,
    EndedBy,
    Ending,
    Frame,
    Header,
    OutputModeration,
    Recording,
    Release,
    ShieldChecked,
    State,
    ToolCallCompleted,
    TurnMachine,
    TurnResumed,
    TurnStarted,
    TurnStream,
    Verdict,
    opening_of,
    play,
    playback_stream,
    read_recording,
    write_recording,
)
from tests.support import agents_chunks as agents
from tests.support import responses_chunks as responses
from tests.support.moderation import (
    OBJECTION,
    PASSED,
    QUESTION_OBJECTION,
    QUESTION_PASSED,
    SPEECHES,
)

QUESTION = {"query": "What is 1 + 2?"}
ADD = Call("c1", "add", "{}")
RESUMED = TurnResumed("t1", (ADD,), (ToolCallCompleted("c1", "add", CallStatus.OK, "3"),))
AGENTS, RESPONSES = SPEECHES["agents"], SPEECHES["responses"]
AFTER, AT_ONCE = OutputModeration(4), OutputModeration(4, Release.AT_ONCE)


@dataclass(slots=True)
class Live:
    """A turn as a driver drives it, who notes all that goes in and all that comes out."""

    header: Header
    stream: TurnStream
    lines: list[Frame | Verdict] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)

    def say(self, emissions) -> None:
        self.payloads += [emission.payload for emission in emissions]

    def feed(self, *chunks: object) -> None:
        for chunk in chunks:
            payload = json.dumps(chunk).encode()
            self.lines.append(Frame(float(len(self.lines)), payload))
            self.say(self.stream.feed_payload(payload))

    def judge(self, verdict: ShieldChecked) -> None:
        self.lines.append(Verdict(float(len(self.lines)), verdict))
        self.say(self.stream.judge(verdict))

    def recording(self, ending: Ending = Ending.END) -> Recording:
        """Return what is read of the file of this turn."""
        ended: EndedBy = self.stream.ended_by or ending
        recording = Recording(self.header, tuple(self.lines), ended, float(len(self.lines)))
        return read_recording(write_recording(recording))


def live(dialect: str, moderation: OutputModeration | None = None, resumed=None) -> Live:
    """Begin a turn with ids of its own."""
    header = Header(
        dialect,
        request=QUESTION,
        conversation_id="conv-7",
        request_id="req-7",
        resumed=resumed,
        moderation=moderation,
    )
    stream = TurnStream(
        SPEECHES[dialect].decoder(resumed=resumed is not None),
        conversation_id="conv-7",
        request_id="req-7",
        prompt=QUESTION["query"],
        moderation=moderation,
    )
    turn = Live(header, stream)
    turn.say(stream.begin(resumed or TurnStarted()))
    return turn


def played(recording: Recording) -> list[bytes]:
    moments = play(recording, playback_stream(recording))
    return [emission.payload for _, emissions in moments for emission in emissions]


def passed(dialect: str, moderation: OutputModeration) -> Live:
    turn = live(dialect, moderation)
    turn.judge(QUESTION_PASSED)
    for chunk in SPEECHES[dialect].answer("Hello", ", ", "world"):
        turn.feed(chunk)
        if turn.stream.unjudged is not None:
            turn.judge(PASSED)
    return turn


def refused(dialect: str) -> Live:
    turn = live(dialect, AFTER)
    turn.feed(*SPEECHES[dialect].opening, SPEECHES[dialect].says("Hello"))
    turn.judge(OBJECTION)
    return turn


def refused_at_once() -> Live:
    turn = live("agents", AFTER)
    turn.judge(QUESTION_OBJECTION)
    return turn


def interrupted(dialect: str) -> Live:
    turn = live(dialect, AFTER)
    turn.feed(*SPEECHES[dialect].opening, SPEECHES[dialect].says("Hel"))
    turn.say(turn.stream.interrupt("user"))
    return turn


def timed_out(dialect: str) -> Live:
    turn = live(dialect)
    turn.feed(*SPEECHES[dialect].opening, SPEECHES[dialect].says("Hello"))
    turn.feed(*SPEECHES[dialect].starts_tool)
    silent = {"status_code": 504, "cause": "For 30 s.", "detail": "Pod 7"}
    turn.say(turn.stream.fail("upstream_timeout", "Silent.", **silent))
    return turn


def resumed() -> Live:
    turn = live("responses", resumed=RESUMED)
    turn.feed(*RESPONSES.answer("It is 3."))
    return turn


def truncated(dialect: str, verdict: ShieldChecked, *, reset: bool = False) -> Live:
    """The body ends while text waits; the driver asks then, and notes the verdict."""
    turn = live(dialect, AFTER)
    turn.feed(*SPEECHES[dialect].opening, SPEECHES[dialect].says("Hel"))
    turn.say(turn.stream.finish(reset=reset))
    turn.judge(verdict)
    return turn


TURNS = {
    "an answer that passed": lambda: passed("agents", AFTER),
    "a response that passed": lambda: passed("responses", AFTER),
    "a response that was released at once": lambda: passed("responses", AT_ONCE),
    "an answer that was refused": lambda: refused("agents"),
    "a response that was refused": lambda: refused("responses"),
    "a question that was refused": refused_at_once,
    "an interrupt while text waits": lambda: interrupted("agents"),
    "an interrupted response": lambda: interrupted("responses"),
    "a timeout": lambda: timed_out("agents"),
    "a timeout of a response": lambda: timed_out("responses"),
    "a resumed response": resumed,
    "a truncated answer": lambda: truncated("agents", PASSED),
    "a truncated response that was refused": lambda: truncated("responses", OBJECTION),
}


@pytest.mark.parametrize("name", TURNS)
def test_a_recorded_turn_gives_its_bytes_again(name: str) -> None:
    turn = TURNS[name]()

    assert turn.stream.ended
    assert played(turn.recording()) == turn.payloads


def test_a_turn_whose_connection_was_lost_gives_its_bytes_again() -> None:
    turn = truncated("agents", PASSED, reset=True)

    assert played(turn.recording(Ending.RESET)) == turn.payloads
    assert b"upstream_reset" in turn.payloads[-1]


def test_a_resumed_response_tells_the_answers_first() -> None:
    told = played(resumed().recording())

    assert [json.loads(each)["event"] for each in told] == [
        *("start", "tool_result", "token", "turn_complete", "end"),
    ]


def test_every_moment_has_its_time() -> None:
    turn = passed("agents", AFTER)

    moments = list(play(turn.recording(), playback_stream(turn.recording())))

    times = [at_ms for at_ms, _ in moments]
    assert times == [0.0, *(line.at_ms for line in turn.lines), float(len(turn.lines))]


def test_a_recording_that_was_cut_has_no_end() -> None:
    frames = (Frame(1.0, json.dumps(agents.step_start("i1")).encode()),)
    recording = Recording(Header("agents"), frames, Ending.CUT, 1.0)
    stream = playback_stream(recording)

    moments = list(play(recording, stream))

    assert moments[-1] == (1.0, ())
    assert stream.state is State.STEP_IN_PROGRESS


def test_a_recording_without_ids_gets_some() -> None:
    (first, *_) = played(Recording(Header("agents"), ()))

    data = json.loads(first)["data"]
    assert data["conversation_id"] == "00000000-0000-4000-8000-000000000001"
    assert data["request_id"] == "00000000-0000-4000-8000-000000000002"


@pytest.mark.parametrize("request_", [{}, {"query": 7}], ids=["none", "odd"])
def test_a_request_without_a_question_has_no_prompt(request_: dict[str, object]) -> None:
    stream = playback_stream(Recording(Header("agents", request=request_), ()))

    assert stream.summary.prompt == ""


def test_the_prompt_is_all_that_the_model_was_sent() -> None:
    sent = {
        "query": "What is it?",
        "system_prompt": "Be brief.",
        "attachments": [{"content": "A pod."}, {"content": 7}, "odd"],
    }

    stream = playback_stream(Recording(Header("agents", request=sent), ()))

    assert stream.summary.prompt == "Be brief.\n\nWhat is it?\n\nA pod."


def frame(chunk: object) -> Frame:
    return Frame(1.0, json.dumps(chunk).encode())


RESULT = frame(agents.tool_complete("t9", agents.response("c1", "3", "add")))
OPENINGS = [
    (Recording(Header("agents"), ()), TurnStarted()),
    (Recording(Header("agents"), (Verdict(0.0, QUESTION_PASSED),)), TurnStarted()),
    (Recording(Header("agents"), (RESULT,)), TurnResumed("t1", (ADD,))),
    (Recording(Header("responses"), (frame(responses.created()),)), TurnStarted()),
    (Recording(Header("responses", resumed=RESUMED), ()), RESUMED),
    (Recording(Header("agents", resumed=TurnResumed()), (RESULT,)), TurnResumed()),
]


@pytest.mark.parametrize(("recording", "opening"), OPENINGS, ids=range(6))
def test_a_recording_tells_how_its_stream_opened(recording: Recording, opening) -> None:
    assert opening_of(recording) == opening


def test_a_played_stream_moves_the_machine_that_it_is_given() -> None:
    machine = TurnMachine("conv", "req")
    recording = interrupted("agents").recording()

    for _ in play(recording, playback_stream(recording, machine)):
        pass

    assert machine.state is State.INTERRUPTED
