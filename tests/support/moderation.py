"""Shields beside the stream, as a driver asks them: fed, asked, judged, then fed on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from statemachine import (
    Emission,
    OutputModeration,
    Release,
    ShieldChecked,
    Touchpoint,
    TurnResumed,
    TurnStarted,
    TurnStream,
)
from statemachine.emissions import Reasoning, Token
from statemachine.upstream import Decoder
from statemachine.upstream.agents import AgentsDecoder
from statemachine.upstream.responses import ResponsesDecoder
from tests.support import agents_chunks as agents
from tests.support import responses_chunks as responses
from tests.support.laws import Run, new_stream

REFUSAL = "I can't say that."
PASSED = ShieldChecked(Touchpoint.ASSISTANT_OUTPUT, None)
OBJECTION = ShieldChecked(Touchpoint.ASSISTANT_OUTPUT, REFUSAL, None, "error")
QUESTION_PASSED = ShieldChecked(Touchpoint.USER_INPUT, None)
QUESTION_OBJECTION = ShieldChecked(Touchpoint.USER_INPUT, REFUSAL, None, "error")

type Objects = Callable[[str], bool]


def never(_: str) -> bool:
    """Object to nothing."""
    return False


def after_verdict(characters: int) -> OutputModeration:
    """Text waits for its verdict."""
    return OutputModeration(characters)


def at_once(characters: int) -> OutputModeration:
    """Text is released as it comes."""
    return OutputModeration(characters, Release.AT_ONCE)


@dataclass(slots=True)
class Moderated:
    """A moderated turn; `asked` is what the shield was asked about, `said` what was emitted.

    `objects` tells which text the shield objects to.
    """

    stream: TurnStream
    objects: Objects = never
    asked: list[str] = field(default_factory=list)
    said: tuple[Emission, ...] = ()

    def take(self, emissions: tuple[Emission, ...]) -> tuple[Emission, ...]:
        """Keep what was emitted, and what the verdict that may be due brings."""
        text = self.stream.unjudged
        if text is not None:
            self.asked.append(text)
            emissions += self.stream.judge(OBJECTION if self.objects(text) else PASSED)
        self.said += emissions
        return emissions

    def feed(self, chunk: object) -> tuple[Emission, ...]:
        """Feed a parsed chunk."""
        return self.take(self.stream.feed(chunk))

    def finish(self, *, reset: bool = False) -> Run:
        """End the body."""
        self.take(self.stream.finish(reset=reset))
        return Run(self.stream, self.said)


def begun(
    decoder: Decoder,
    moderation: OutputModeration | None,
    objects: Objects = never,
    opening: TurnStarted | TurnResumed | None = None,
) -> Moderated:
    """Return a moderated turn that has begun."""
    turn = Moderated(new_stream(decoder, moderation), objects)
    turn.take(turn.stream.begin(opening or TurnStarted()))
    return turn


def run_moderated(
    decoder: Decoder,
    chunks: Iterable[object],
    moderation: OutputModeration,
    objects: Objects = never,
) -> tuple[Run, list[str]]:
    """Feed chunks and finish; return the run and what the shield was asked about."""
    chunks = list(chunks)
    turn = begun(decoder, moderation, objects, decoder.opening(chunks[0] if chunks else None))
    for chunk in chunks:
        turn.feed(chunk)
    return turn.finish(), turn.asked


def names_of(emissions: Iterable[Emission]) -> list[str]:
    """Return the kinds of output, in order."""
    return [type(emission.output).__name__ for emission in emissions]


def text_of(emissions: Iterable[Emission]) -> str:
    """Return what the model was heard to say and think."""
    outputs = (emission.output for emission in emissions)
    spoken = (each for each in outputs if isinstance(each, (Token, Reasoning)))
    return "".join(each.text for each in spoken)


@dataclass(frozen=True, slots=True)
class Speech:
    """How one dialect says the same things."""

    decoder: type[Decoder]
    opening: tuple[object, ...]
    says: Callable[[str], object]
    starts_tool: tuple[object, ...]
    ends_tool: tuple[object, ...]
    closes: Callable[[str], tuple[object, ...]]
    awaits: tuple[object, ...]
    error: object
    illegal: object

    def answer(self, *pieces: str, whole: str | None = None) -> list[object]:
        """Return the chunks of an answer; `whole` is given where its end says something else."""
        said = "".join(pieces)
        deltas = [self.says(piece) for piece in pieces]
        return [*self.opening, *deltas, *self.closes(said if whole is None else whole)]


_CALL = agents.call("c1")
_TOOL: dict[str, object] = {"name": "shout", "server_label": "lab", "arguments": "{}"}
_FUNCTION = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "add", "arguments": "{}"}

SPEECHES = {
    "agents": Speech(
        AgentsDecoder,
        (agents.step_start("i1"),),
        lambda piece: agents.text("i1", piece),
        (
            agents.inference_complete("i1", "end_of_message"),
            agents.step_start("t1", "tool_execution"),
            agents.whole_call("t1", _CALL, "tool_execution"),
        ),
        (
            agents.tool_complete("t1", agents.response("c1", "Sunny")),
            agents.step_start("i1"),
        ),
        lambda whole: (agents.inference_complete("i1"), agents.turn_complete(whole)),
        (agents.inference_complete("i1", "end_of_message"), agents.awaiting(_CALL)),
        agents.error("500: boom"),
        agents.step_start("i2"),
    ),
    "responses": Speech(
        ResponsesDecoder,
        (responses.created(), responses.item_added("m1"), responses.part_added("m1")),
        lambda piece: responses.text("m1", piece),
        (responses.item_added("c1", "mcp_call", **_TOOL),),
        (
            responses.item_done("c1", "mcp_call", **_TOOL, output="Sunny"),
            responses.part_added("m1"),
        ),
        lambda whole: (responses.completed(responses.message(responses.said(whole))),),
        (responses.completed(_FUNCTION),),
        responses.ended("failed", error={"code": "server_error", "message": "boom"}),
        responses.item_done("c9", "mcp_call", **_TOOL),
    ),
}
"""The dialects by name."""
