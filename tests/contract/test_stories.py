"""The same story, told by either API, is the same stream for the client.

Both live adapters, the machine and the routes run; only HTTP is played.
"""

import json

import pytest

from service.app import create_app
from service.settings import Settings
from service.wiring import services_on
from tests.support.agent_server import AgentServer
from tests.support.applications import QUERY, TURNS, assert_nothing_left, events
from tests.support.asgi import exchange, lifespan
from tests.support.stack import FakeStack, live, mocked, says
from tests.support.story_table import STORIES

pytestmark = pytest.mark.slow

LEGITIMATE = {
    # Made up by us or by the server, anew for each turn.
    "start.conversation_id", "start.request_id", "start.turn_id", "awaiting_input.turn_id",
    "end.digest", "awaiting_input.digest", "error.digest",
    # Agent turns count no tokens, so theirs are estimated.
    "end.input_tokens", "end.output_tokens", "end.usage",
    # Agent turns do not say which MCP server has a tool.
    "tool_call.server_label",
    # Agent turns write arguments before they say to which call they belong.
    "tool_call_delta.call_id", "tool_call_delta.tool_name",
    # Each server says in its own words what it has found.
    "tool_result.token.summary",
}  # fmt: skip
RETRIEVAL = {"file_search": "knowledge_search"}
"""What the model calls retrieval."""

AT_ONCE = {"moderation": {"hold_back": False}}
"""Agent turns release their text at once; the others only when they are told to."""


async def told(story, version):
    """Play a story through the application and return its events, stream after stream."""
    settings = Settings(**AT_ONCE)
    services = services_on(live(settings.moderation), settings)
    app = create_app(services)
    async with mocked(play(story, version)), lifespan(app):
        found = await asked(app, TURNS, QUERY | dict(story.request))
        if story.answers is not None:
            request_id = found[0]["data"]["request_id"]
            found += await asked(app, f"{TURNS}/{request_id}/tool_results", story.answers)
    assert_nothing_left(services)
    return found


async def asked(app, target, body):
    async with exchange(app, "POST", target, body=json.dumps(body).encode()) as answer:
        await answer.begun()
        data = await answer.body()
    if answer.status != 200:
        return [{"event": f"http {answer.status}", "data": json.loads(data)}]
    return events(data)


def play(story, version):
    """Return a server of a version that tells the story."""
    offered = story.offered(version)
    if version >= "0.4":
        stack = FakeStack(version, offered)
        stack.on("POST", "/v1/safety/run-shield", *story.verdicts())
        return stack.on("POST", "/v1/responses", *story.streams_of("responses"))
    server = AgentServer(version, offered)
    first, *second = story.streams_of("agents")
    if second:
        server.on("POST", f"{server.turn()}/t1/resume", *second)
    return server.turns(1, 1, first).on("POST", "/v1/nothing", says({}))


def flat(value, path):
    """Return what is inside a value, by where it is."""
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        parts = [flat(each, f"{path}.{name}") for name, each in inside]
        return {key: each for part in parts for key, each in part.items()}
    return {path: RETRIEVAL.get(value, value)}


def differing(one, other):
    """Return where two streams are not the same."""
    assert [each["event"] for each in one] == [each["event"] for each in other]
    found = set()
    for left, right in zip(one, other, strict=True):
        ours, theirs = (flat(each["data"], each["event"]) for each in (left, right))
        paths = ours.keys() | theirs.keys()
        found |= {path for path in paths if ours.get(path) != theirs.get(path)}
    return found


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
async def test_both_apis_tell_the_same(story):
    of_agents, of_responses = await told(story, "0.3.5"), await told(story, "0.7.3")

    assert tuple(each["event"] for each in of_agents) == story.events
    assert differing(of_agents, of_responses) <= LEGITIMATE


UNSHIELDED = {name: story for name, story in STORIES.items() if not story.shields}


@pytest.mark.parametrize("story", UNSHIELDED.values(), ids=UNSHIELDED)
@pytest.mark.parametrize(("one", "other"), [("0.2.22", "0.3.5"), ("1.5.0", "0.7.3")])
async def test_versions_of_one_api_tell_the_same(story, one, other):
    of_one, of_other = await told(story, one), await told(story, other)

    assert differing(of_one, of_other) <= LEGITIMATE


async def test_whatever_may_differ_does():
    """A name that is not needed in the list would hide a difference one day."""
    found = set()
    for story in STORIES.values():
        found |= differing(await told(story, "0.3.5"), await told(story, "0.7.3"))

    assert found == LEGITIMATE
