"""Hypothesis strategies: streams of chunks that a real server could have sent, and spoiled ones.

The spoiled ones are what a broken server, proxy or network could make of them.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.support import agents_chunks as agents
from tests.support import responses_chunks as responses
from tests.support.walks import JUNK, TEXTS, spoiled

type Chunk = dict[str, object]


@dataclass(frozen=True, slots=True)
class Conversation:
    """A stream that a real server could have sent, and what must come of it."""

    dialect: str
    chunks: list[Chunk]
    outcome: str
    said: str
    results: int = 0


def _pieces(draw: st.DrawFn) -> list[str]:
    return draw(st.lists(TEXTS, min_size=1, max_size=5))


def _cut(draw: st.DrawFn, whole: str) -> list[str]:
    """Cut a text at two places, as servers cut arguments."""
    first, second = sorted(draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    return [whole[:first], whole[first:second], whole[second:]]


@st.composite
def agent_turns(draw: st.DrawFn) -> Conversation:
    """A turn of an agent: shields, inferences with text and calls, tool steps, and an end."""
    chunks: list[Chunk] = []
    if draw(st.booleans()):
        chunks += [agents.step_start("s0", "shield_call", touchpoint="user-input")]
        if draw(st.booleans()):
            refusal = agents.turn_complete("I can't answer that.")
            chunks += [agents.verdict("s0", agents.violation()), refusal]
            return Conversation("agents", chunks, "end", "")
        chunks += [agents.verdict("s0")]
    said, results = "", 0
    for number in range(draw(st.integers(0, 2))):
        pieces, calls = _pieces(draw), draw(st.integers(1, 2))
        said += "".join(pieces)
        results += calls
        chunks += _tool_round(draw, f"i{number}", pieces, calls)
    ending = draw(st.sampled_from(("answer", "violation", "awaiting", "error")))
    pieces = _pieces(draw)
    chunks += [agents.step_start("last"), *(agents.text("last", piece) for piece in pieces)]
    chunks += _agent_ending(ending, "".join(pieces))
    outcome = {"awaiting": "awaiting_input", "error": "error"}.get(ending, "end")
    return Conversation("agents", chunks, outcome, said + "".join(pieces), results)


def _tool_round(draw: st.DrawFn, step_id: str, pieces: list[str], count: int) -> list[Chunk]:
    """The model speaks and asks for tools, and the server executes them one after another."""
    calls = [agents.call(f"{step_id}-c{number}") for number in range(count)]
    chunks = [agents.step_start(step_id), *(agents.text(step_id, piece) for piece in pieces)]
    for piece in _cut(draw, "get_weather({" * count + "})" * count):
        chunks += [agents.fragment(step_id, piece)]
    chunks += [agents.whole_call(step_id, call) for call in calls]
    chunks += [agents.inference_complete(step_id, "end_of_message")]
    for call in calls:
        tool_step = f"t-{call['call_id']}"
        content: object = draw(st.sampled_from(("Sunny", "Error executing tool x", None)) | TEXTS)
        chunks += [
            agents.step_start(tool_step, "tool_execution"),
            agents.whole_call(tool_step, call, "tool_execution"),
            agents.tool_complete(tool_step, agents.response(str(call["call_id"]), content)),
        ]
    return chunks


def _agent_ending(kind: str, answer: str) -> list[Chunk]:
    done = agents.inference_complete("last")
    match kind:
        case "answer":
            return [done, agents.turn_complete(answer)]
        case "violation":
            shield = agents.step_start("out", "shield_call", touchpoint="assistant-output")
            refusal = agents.turn_complete("I can't answer that.")
            return [done, shield, agents.verdict("out", agents.violation()), refusal]
        case "awaiting":
            return [done, agents.awaiting(agents.call("c9"))]
        case _:
            return [agents.error("500: the model exploded")]


@st.composite
def response_streams(draw: st.DrawFn) -> Conversation:
    """A response: thinking, text, server tools one after another or side by side, and an end."""
    chunks: list[Chunk] = [responses.created(), responses.chunk("in_progress", response={})]
    said, results = "", 0
    for number in range(draw(st.integers(0, 2))):
        count = draw(st.integers(1, 3))
        results += count
        chunks += _server_tools(draw, [f"r{number}-fc{each}" for each in range(count)])
    if draw(st.booleans()):
        chunks += [responses.part_added("m1", "reasoning_text")]
        chunks += [responses.reasoning("m1", piece) for piece in _pieces(draw)]
    ending = draw(st.sampled_from(list(_ENDINGS)))
    if ending != "guardrail":
        pieces = _pieces(draw)
        said = "".join(pieces)
        chunks += [responses.item_added("m1"), responses.part_added("m1")]
        chunks += [responses.text("m1", piece) for piece in pieces]
    outcome, make = _ENDINGS[ending]
    return Conversation("responses", [*chunks, make(said)], outcome, said, results)


def _server_tools(draw: st.DrawFn, item_ids: list[str]) -> list[Chunk]:
    chunks: list[Chunk] = []
    whole = json.dumps({"text": draw(TEXTS)})
    for item_id in item_ids:
        chunks += [responses.arguments(item_id, piece) for piece in _cut(draw, whole)]
    chunks += [responses.arguments_done(item_id, whole) for item_id in item_ids]
    fields: Chunk = {"name": "shout", "server_label": "lab"}
    added = [responses.item_added(item_id, "mcp_call", **fields) for item_id in item_ids]
    done = [
        responses.item_done(item_id, "mcp_call", **fields, output=draw(TEXTS), error=None)
        for item_id in item_ids
    ]
    if draw(st.booleans()):
        return [*chunks, *added, *done]
    return [*chunks, *(each for pair in zip(added, done, strict=True) for each in pair)]


_FUNCTION: Chunk = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "add"}
_APPROVAL: Chunk = {"type": "mcp_approval_request", "id": "a1", "name": "add", "arguments": "{}"}
_LIMIT: Chunk = {"reason": "length"}
_ENDINGS: dict[str, tuple[str, Callable[[str], Chunk]]] = {
    "answer": ("end", lambda said: responses.completed(responses.message(responses.said(said)))),
    "nothing": ("end", lambda _: responses.completed()),
    "guardrail": ("end", lambda _: responses.completed(responses.message(responses.refused("No")))),
    "limit": ("end", lambda _: responses.ended("incomplete", incomplete_details=_LIMIT)),
    "failed": ("error", lambda _: responses.ended("failed", error={"code": "server_error"})),
    "function": ("awaiting_input", lambda _: responses.completed(_FUNCTION)),
    "approval": ("awaiting_input", lambda _: responses.completed(_APPROVAL)),
    "error": ("error", lambda _: {"error": {"message": "gone", "code": "404"}}),
}


def conversations() -> st.SearchStrategy[Conversation]:
    """Conversations in both dialects."""
    return st.one_of(agent_turns(), response_streams())


def garbled(chunk: object, path: Sequence[int], junk: object) -> object:
    """Return a copy of a chunk with junk at a place inside it, which the path leads to."""
    if not path or not isinstance(chunk, dict | list) or not chunk:
        return junk
    at = path[0] % len(chunk)
    values = list(chunk.values()) if isinstance(chunk, dict) else list(chunk)
    values[at] = garbled(values[at], path[1:], junk)
    return dict(zip(chunk, values, strict=True)) if isinstance(chunk, dict) else values


PATHS = st.lists(st.integers(0, 7), max_size=6)


@st.composite
def broken_conversations(draw: st.DrawFn) -> tuple[str, list[object]]:
    """A dialect, and chunks that have been dropped, doubled, swapped, garbled or smuggled in."""
    conversation = draw(conversations())
    foreign = JUNK | conversations().flatmap(lambda each: st.sampled_from(each.chunks))
    chunks = draw(spoiled(st.just(list[object](conversation.chunks)), foreign))
    for _ in range(draw(st.integers(0, 2)) if chunks else 0):
        at = draw(st.integers(0, len(chunks) - 1))
        chunks[at] = garbled(chunks[at], draw(PATHS), draw(JUNK))
    return conversation.dialect, chunks
