"""What real servers offer is listed, and what is listed can be asked for."""

import httpx

from tests.e2e.lab.gateway import TIMEOUT_S, only
from tests.e2e.lab.reply import FIRST_MODEL, SIGNATURE

POD = "What is a pod in Kubernetes?"
CLUSTER = "mcp:cluster"


def listed(gateway, what):
    """Return what a route lists."""
    answer = httpx.get(f"{gateway.url}/v1/{what}", timeout=TIMEOUT_S, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.json()[what]


def test_models_are_told_apart_by_what_they_are_for(gateway):
    kinds = {each["provider_resource_id"]: each["model_type"] for each in listed(gateway, "models")}

    assert (kinds[FIRST_MODEL], kinds["embed"]) == ("llm", "embedding")


def test_a_model_that_is_listed_answers_when_it_is_asked_for(gateway):
    (large,) = [each for each in listed(gateway, "models") if "70b" in each["identifier"]]
    asked = {"provider": large["provider_id"], "model": large["provider_resource_id"]}

    assert gateway.ask(POD, **asked).text.startswith(SIGNATURE)


@only("agents-0.3.5", "0.7.3")
def test_the_shields_of_a_server_are_listed(gateway):
    assert {"identifier": "guard"} in listed(gateway, "shields")


@only("agents-0.3.5", "0.7.3")
def test_tools_of_the_server_are_listed_with_what_they_take(gateway):
    tools = {each["identifier"]: each for each in listed(gateway, "tools")}
    search = tools.get("knowledge_search") or tools["file_search"]

    assert search["server_source"] == "builtin"
    assert search["parameters"]["required"] == ["query"]


def test_a_configured_server_is_listed_with_its_tools_or_by_its_name(gateway):
    of_cluster = [each for each in listed(gateway, "tools") if each["server_source"] == CLUSTER]

    assert of_cluster
    assert all(each["tool_group"] == "mcp::cluster" for each in of_cluster)


def test_a_question_may_have_one_answer(gateway):
    body = {"query": POD}
    answer = httpx.post(f"{gateway.url}/v1/query", json=body, timeout=TIMEOUT_S, trust_env=False)

    assert answer.status_code == 200, answer.text
    assert answer.json()["outcome"] == "end"
    assert answer.json()["response"] == gateway.ask(POD).text
