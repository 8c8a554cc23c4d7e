"""What the scripted model says to a request; pure, so that the same request gets the same."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.e2e.lab import echo
from tests.e2e.lab.chat_request import ChatRequest
from tests.e2e.lab.controls import Controls, without_controls, written_controls
from tests.e2e.lab.guard import GUARDS, UNSAFE_PIECE, verdict
from tests.e2e.lab.scenarios import UNKNOWN, Round, Scenario, scenario_for
from tests.e2e.lab.tokens import filler, pieces

FIRST_MODEL = "scripted-8b"
SECOND_MODEL = "scripted-70b"
SIGNATURE = f"[{SECOND_MODEL}] "
"""What every text of the second model begins with."""

type Delta = dict[str, Any]
type NamedCall = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent, a token a delta, and how."""

    deltas: tuple[Delta, ...]
    finish: str
    controls: Controls


@dataclass(frozen=True, slots=True)
class _Question:
    """Where the question of this turn stands, what it is and what it wants."""

    position: int
    scenario: Scenario
    controls: Controls
    rounds_done: int


def reply_to(request: ChatRequest, call_prefix: str) -> Reply:
    """Return the reply to a request; ids of tool calls begin with a prefix.

    Raises:
        pydantic.ValidationError: a control in the question is unknown or wrong.
    """
    if request.model in GUARDS:
        said = verdict("\n".join(each.text for each in request.messages))
        return Reply(_texts(pieces(said)), "stop", Controls(pause_ms=0))
    question = _question(request)
    controls = question.controls.in_round(question.rounds_done)
    rounds = question.scenario.round
    chosen = rounds[min(question.rounds_done, len(rounds) - 1)]
    calls = list(_calls(request, question, chosen))
    deltas = [
        *_thoughts(chosen, controls),
        *_texts(_said(request, question, chosen)),
        *_called(calls, call_prefix),
    ]
    finish = controls.finish or ("tool_calls" if calls else chosen.finish)
    if request.token_limit and len(deltas) > request.token_limit:
        return Reply(tuple(deltas[: request.token_limit]), "length", controls)
    return Reply(tuple(deltas), finish, controls)


def _question(request: ChatRequest) -> _Question:
    """Find the last question of this turn that is known, else the last one."""
    asked = [
        index
        for index, each in enumerate(request.messages)
        if each.role == "user" and index >= request.turn_start
    ]
    known = [each for each in asked if scenario_for(without_controls(request.messages[each].text))]
    position = (known or asked or [len(request.messages) - 1])[-1]
    text = request.messages[position].text
    scenario = scenario_for(without_controls(text)) or UNKNOWN
    controls = Controls.model_validate(scenario.set_controls).with_others(written_controls(text))
    done = sum(1 for each in request.messages[position + 1 :] if each.calls)
    return _Question(position, scenario, controls, done)


def _thoughts(chosen: Round, controls: Controls) -> Iterator[Delta]:
    thought = filler(controls.reasoning) if controls.reasoning else pieces(chosen.reasoning)
    # Servers read one of the two names, by version.
    return ({"reasoning_content": piece, "reasoning": piece} for piece in thought)


def _said(request: ChatRequest, question: _Question, chosen: Round) -> list[str]:
    """Return the tokens of the text."""
    said = pieces(_text(request, question, chosen))
    if question.controls.tokens is not None and not _wants_tool(question):
        said = filler(question.controls.tokens)
    if question.controls.unsafe_at is not None:
        said.insert(question.controls.unsafe_at, UNSAFE_PIECE)
    if said and request.model == SECOND_MODEL:
        return pieces(SIGNATURE) + said
    return said


def _text(request: ChatRequest, question: _Question, chosen: Round) -> str:
    if _wants_tool(question):
        return ""
    if question.scenario.echo == "history":
        return echo.history(request, question.position)
    if question.scenario.echo == "attachments":
        return echo.attachments(request, question.position, question.scenario.question)
    missing = [call.tools[0] for call in chosen.calls if not set(call.tools) & set(request.tools)]
    if missing:
        return f"I was not offered the tool {', '.join(missing)}."
    results = [each.text for each in request.messages if each.role == "tool"]
    return chosen.text.replace("{result}", results[-1] if results else "nothing")


def _wants_tool(question: _Question) -> bool:
    """Tell whether a control calls a tool now."""
    return question.controls.call is not None and question.rounds_done == 0


def _calls(request: ChatRequest, question: _Question, chosen: Round) -> Iterator[NamedCall]:
    """Yield name and arguments of each tool call of this round."""
    if question.controls.call is not None:
        if question.rounds_done == 0:
            yield question.controls.call, question.controls.arguments
        return
    for call in chosen.calls:
        offered = [tool for tool in call.tools if tool in request.tools]
        if offered:
            yield offered[0], json.dumps(call.arguments)


def _texts(said: Sequence[str]) -> tuple[Delta, ...]:
    return tuple({"content": piece} for piece in said)


def _called(calls: Sequence[NamedCall], prefix: str) -> Iterator[Delta]:
    for index, (name, arguments) in enumerate(calls):
        opened = {"name": name, "arguments": ""}
        first = {"index": index, "id": f"{prefix}{index}", "type": "function", "function": opened}
        yield {"tool_calls": [first]}
        for piece in pieces(arguments):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
