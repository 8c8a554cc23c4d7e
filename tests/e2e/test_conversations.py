"""What a model knows of a conversation: all of it, whatever happened to it or to the server."""

import httpx

from tests.e2e.lab.gateway import only
from tests.e2e.lab.reply import FIRST_MODEL, SECOND_MODEL
from tests.e2e.lab.scenarios import scenarios
from tests.e2e.lab.tokens import filler

POD = "What is a pod in Kubernetes?"
LIMITS = "Should I set CPU limits on my containers, or only requests?"
HEALTH = "Is the checkout service in the shop namespace healthy?"
HISTORY = "What did I ask before?"
SLOW = "Count slowly. [[tokens=900 pause_ms=20]]"
BAD = "Anything. [[unsafe=S2]]"
SECOND = {"provider": "vllm", "model": SECOND_MODEL}
UNKNOWN = "5f0b6a5e-7c3c-4a51-9d5e-0a3f5c1d2e4b"

plain = {"shield_ids": [], "no_tools": True}


def answer(question):
    return scenarios()[question].round[0].text


def known_to(gateway, conversation_id, **fields):
    """What the model is sent when the conversation goes on."""
    gateway.ask(HISTORY, conversation_id=conversation_id, **(plain | fields))
    seen = gateway.model.requests()[-1]
    return "\n".join(each["text"] for each in seen["messages"])


def forgotten_by(lab):
    """Let a server forget all sessions and responses, as a restart without its state would."""
    with httpx.Client(base_url=lab.url, trust_env=False) as client:
        for path, name in (("/v1alpha/agents", "agent_id"), ("/v1/responses", "id")):
            listed = client.get(path)
            for each in listed.json()["data"] if listed.is_success else ():
                client.delete(f"{path}/{each[name]}").raise_for_status()


def test_the_model_knows_what_was_said(gateway):
    first = gateway.ask(POD, **plain)
    gateway.ask(LIMITS, conversation_id=first.conversation_id, **plain)

    known = known_to(gateway, first.conversation_id)

    assert known.index(POD) < known.index(answer(POD)) < known.index(LIMITS)
    assert known.index(LIMITS) < known.index(answer(LIMITS)) < known.index(HISTORY)
    assert known.count(POD) == known.count(answer(LIMITS)) == 1


def test_two_conversations_know_nothing_of_each_other(gateway):
    gateway.ask(POD, **plain)
    second = gateway.ask(LIMITS, **plain)

    assert POD not in known_to(gateway, second.conversation_id)


def test_a_second_turn_may_have_another_model_and_other_instructions(gateway):
    first = gateway.ask(POD, system_prompt="Be kind.", **plain)

    known = known_to(gateway, first.conversation_id, system_prompt="Be brief.", **SECOND)

    assert gateway.model.requests()[-1]["model"] == SECOND_MODEL
    assert "Be brief." in known
    assert "Be kind." not in known
    assert known.index(POD) < known.index(answer(POD)) < known.index(HISTORY)


def test_a_conversation_keeps_its_model(gateway):
    first = gateway.ask(POD, **SECOND, **plain)

    known_to(gateway, first.conversation_id)

    assert gateway.model.requests()[-1]["model"] == SECOND_MODEL


def test_what_a_tool_was_asked_for_is_known(gateway):
    first = gateway.ask(HEALTH)

    assert "checkout is healthy" in known_to(gateway, first.conversation_id)


def test_an_interrupted_answer_is_known_as_far_as_it_came(gateway):
    with gateway.asking(SLOW, **plain) as stream:
        stream.until("token")
        gateway.interrupt(stream.request_id)
        told = stream.rest().check()

    known = known_to(gateway, told.conversation_id)

    assert "Count slowly." in known
    assert told.text in known
    assert "".join(filler(900)) not in known


def test_a_failed_answer_spoils_no_conversation(gateway):
    first = gateway.ask(POD, **plain)
    told = gateway.ask("Fail. [[fail_at=5]]", conversation_id=first.conversation_id, **plain)

    known = known_to(gateway, first.conversation_id)

    assert told.last["event"] == "error"
    assert answer(POD) in known


@only("agents-0.3.5", "responses-0.3.5", "0.7.3")
def test_what_a_shield_refused_is_not_known(gateway):
    first = gateway.ask(POD)
    told = gateway.ask(BAD, conversation_id=first.conversation_id)

    known = known_to(gateway, first.conversation_id)

    assert told.last["finish_reason"] == "shield"
    assert answer(POD) in known
    assert "unsafe=S2" not in known


def test_a_server_that_has_forgotten_everything_is_told_again(gateway):
    first = gateway.ask(POD, **plain)
    forgotten_by(gateway.lab)

    known = known_to(gateway, first.conversation_id)

    assert known.index(POD) < known.index(answer(POD)) < known.index(HISTORY)


def test_a_conversation_that_was_never_begun_is_not_found(gateway):
    refused = gateway.refused(HISTORY, conversation_id=UNKNOWN)

    assert (refused["status"], refused["code"]) == (404, "conversation_unknown")
    assert gateway.model.requests(FIRST_MODEL) == []


def test_a_question_that_comes_while_a_turn_runs_is_refused_or_stops_it(gateway):
    first = gateway.ask(POD, **plain)
    fields = plain | {"conversation_id": first.conversation_id}
    with gateway.asking("Count. [[tokens=200 pause_ms=20]]", **fields) as slow:
        slow.until("token")
        refused = gateway.refused(LIMITS, **fields)
        gateway.ask(LIMITS, **fields, if_busy="interrupt")
        stopped = slow.rest().check()

    known = known_to(gateway, first.conversation_id)

    assert (refused["status"], refused["code"]) == (409, "conversation_busy")
    assert (stopped.last["event"], stopped.last["by"]) == ("interrupted", "user")
    assert gateway.model_is_cut()
    assert all(each in known for each in (answer(POD), answer(LIMITS), next(iter(filler(200)))))
