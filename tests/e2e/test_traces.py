"""What a turn leaves behind: nothing on the server, and a recording where one is wanted."""

from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.e2e.lab.gateway import GATEWAYS, only
from tests.e2e.lab.told import Told, digest_of
from tests.support.server import turnstile
from tests.support.sse import read_messages

POD = "What is a pod in Kubernetes?"
HEALTH = "Is the checkout service in the shop namespace healthy?"
RESTART = "Restart the web deployment in the staging namespace, please."
BAD = "Anything. [[tokens=40 unsafe_at=20]]"
FAILING = "Anything. [[tokens=40 fail_at=20]]"
SLOW = "Anything. [[tokens=900 pause_ms=20]]"
TOOL = {"name": "restart_deployment", "description": "Restart a deployment."}


def left_on(lab):
    """All that a server has of agents, sessions and responses."""
    with httpx.Client(base_url=lab.url, trust_env=False) as client:
        agents = client.get("/v1alpha/agents?limit=1000")
        responses = client.get("/v1/responses?limit=100")
    lists = [each.json()["data"] for each in (agents, responses) if each.is_success]
    return {each.get("agent_id") or each["id"] for listed in lists for each in listed}


def everything_happens(gateway):
    """Ask in every way that leaves something on a server; return what was told."""
    first = gateway.ask(POD)
    history = {"conversation_id": first.conversation_id}
    other = gateway.ask(HEALTH, system_prompt="Be brief.", **history)
    told = [first, other, gateway.ask(BAD), gateway.ask(FAILING)]
    waiting = gateway.ask(RESTART, client_tools=[TOOL])
    (call,) = waiting.last["calls"]
    result = {"call_id": call["call_id"], "content": "restarted"}
    told += [waiting, gateway.answer(waiting, tool_results=[result])]
    told += [gateway.ask(RESTART, client_tools=[TOOL])]
    with gateway.asking(SLOW, shield_ids=[]) as stream:
        stream.until("token")
        gateway.interrupt(stream.request_id)
        told += [stream.rest()]
    return told


@dataclass(frozen=True)
class Aftermath:
    """What was told, what the server had before, meanwhile and after, and the recordings."""

    told: list[Told]
    on_server: list[set[str]]
    recordings: Path


@pytest.fixture(scope="module", params=list(GATEWAYS))
def aftermath(request, gateways, tmp_path_factory):
    """Turnstile has done everything that it can do, and has stopped."""
    recordings = tmp_path_factory.mktemp("recordings")
    gateway = gateways(request.param)
    before = left_on(gateway.lab)
    with gateway.with_settings(recording_directory=str(recordings)) as passing:
        told = everything_happens(passing)
        meanwhile = left_on(gateway.lab)
    return Aftermath(told, [before, meanwhile, left_on(gateway.lab)], recordings)


def test_nothing_is_left_on_the_server(aftermath):
    before, meanwhile, after = aftermath.on_server

    assert meanwhile > before
    assert after == before


def test_every_turn_is_recorded_and_its_replay_is_the_same(aftermath):
    assert len(list(aftermath.recordings.iterdir())) == len(aftermath.told)
    for each in aftermath.told:
        (file,) = aftermath.recordings.glob(f"*-{each.request_id}.jsonl")
        replayed = turnstile("replay", str(file))
        again = read_messages(replayed.stdout)
        assert replayed.stderr == b""
        assert again[:-1] == each.messages[:-1]
        assert digest_of(again[:-1]) == each.last["digest"]


@only("agents-0.3.5", "0.7.3")
def test_a_recording_has_no_headers_of_callers(gateway, tmp_path):
    headers = {
        "authorization": "Bearer my-own-token",
        "mcp-headers": '{"cluster": {"X-Key": "my-own-key"}}',
    }
    with gateway.with_settings(recording_directory=str(tmp_path)) as recording:
        recording.ask(HEALTH, headers)

    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert "my-own" not in file.read_text("utf-8")
    assert "my-own" not in gateway.process.said
