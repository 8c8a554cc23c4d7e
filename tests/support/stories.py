"""One story as each API tells it: the same question, the same model, the same tools."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support import agents_chunks as agents
from tests.support import responses_chunks as responses
from tests.support.offered import listed, offered_by, shield
from tests.support.stack import Reply, says, streams

type Chunk = Mapping[str, object]
type Told = tuple[Chunk | Exception, ...]
type Fields = Mapping[str, object]

PASSED: Fields = {"violation": None}
OBJECTED: Fields = {"violation": agents.violation()}


@dataclass(frozen=True, slots=True)
class Story:
    """What each API sends, stream by stream, and the events that both must come to.

    `judged` is what the shields say that are asked beside a response. With `answers` the second
    stream answers to them.
    """

    agents: tuple[Told, ...]
    responses: tuple[Told, ...]
    events: tuple[str, ...]
    request: Fields = field(default_factory=dict)
    answers: Fields | None = None
    shields: tuple[str, ...] = ()
    judged: tuple[Fields, ...] = ()

    def offered(self, version: str) -> dict[str, object]:
        """Return what a server offers in this story."""
        shields = listed(*map(shield, self.shields))
        return {**offered_by(version), "/v1/shields": shields}

    def streams_of(self, dialect: str) -> list[Reply]:
        """Return the streams of one API."""
        told = self.agents if dialect == "agents" else self.responses
        return [streams(*each) for each in told]

    def verdicts(self) -> list[Reply]:
        """Return what the shields say, one after another."""
        return [says(each) for each in self.judged]


def model_says(*pieces: str, step_id: str = "s1") -> Told:
    """An inference of an agent that says something."""
    said = [agents.text(step_id, piece) for piece in pieces]
    return (agents.step_start(step_id), *said, agents.inference_complete(step_id))


def message_says(*pieces: str) -> Told:
    """A message of a response."""
    said = [responses.text("m1", piece) for piece in pieces]
    part = {"type": "output_text", "text": "".join(pieces)}
    opened = (responses.item_added("m1"), responses.part_added("m1"))
    return (*opened, *said, responses.chunk("content_part.done", item_id="m1", part=part))


def answers_in_agents(*pieces: str, step_id: str = "s1") -> Told:
    """An agent's answer and the end of the turn."""
    return (*model_says(*pieces, step_id=step_id), agents.turn_complete("".join(pieces)))


def answers_in_responses(*pieces: str) -> Told:
    """A response's answer and its end."""
    return (*message_says(*pieces), _completed("".join(pieces)))


def _completed(text: str) -> Chunk:
    usage = {"input_tokens": 3, "output_tokens": 7, "total_tokens": 10}
    return responses.completed(responses.message(responses.said(text)), usage=usage)


OPENED: Told = (responses.created(), responses.chunk("in_progress", response={"id": "resp_1"}))
ARGUMENTS = '{"city": "Brno"}'
PIECES = ('{"city": ', '"Brno"}')


def agent_calls(name: str, arguments: str, *pieces: str) -> Told:
    """An inference of an agent that asks for a tool."""
    return (
        agents.step_start("s1"),
        agents.fragment("s1", f"{name}("),
        *(agents.fragment("s1", piece) for piece in pieces),
        agents.fragment("s1", ")"),
        agents.whole_call("s1", agents.call("c1", name, arguments)),
        agents.inference_complete("s1", "end_of_message"),
    )


def agent_runs(name: str, arguments: str, response: Chunk) -> Told:
    """The server executes a tool for an agent."""
    call = agents.call("c1", name, arguments)
    return (
        agents.step_start("s2", "tool_execution"),
        agents.whole_call("s2", call, "tool_execution"),
        agents.tool_complete("s2", response, calls=[call]),
    )


def response_calls(*pieces: str) -> Told:
    """A response writes the arguments of a server's tool."""
    written = [responses.arguments("c1", piece) for piece in pieces]
    return (*written, responses.arguments_done("c1", "".join(pieces)))


def response_runs(name: str, **done: object) -> Told:
    """The server executes a tool of an MCP server for a response."""
    about = {"name": name, "server_label": "lab"}
    failed = done.get("error") is not None
    return (
        responses.item_added("c1", "mcp_call", arguments="", error=None, output=None, **about),
        responses.chunk("mcp_call.in_progress", item_id="c1"),
        responses.chunk(f"mcp_call.{'failed' if failed else 'completed'}"),
        responses.item_done("c1", "mcp_call", arguments=ARGUMENTS, **about, **done),
    )


def agent_shield(step_id: str, touchpoint: str, violation: Chunk | None = None) -> Told:
    """A shield step of an agent."""
    opened = agents.step_start(step_id, "shield_call", touchpoint=touchpoint)
    return (opened, agents.verdict(step_id, violation))
