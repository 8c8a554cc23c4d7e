"""Tools that the server runs: documents, MCP tools in every order, failures, limits, headers."""

import json

import httpx

from tests.e2e.lab.gateway import only
from tests.e2e.lab.processes import free_port
from tests.e2e.lab.reply import FIRST_MODEL

DRAIN = "How do I drain a node for maintenance without downtime?"
HEALTH = "Is the checkout service in the shop namespace healthy?"
COMPARE = "Compare the pods of the shop and the staging namespaces."
BROKEN = "Find the broken pod in the shop namespace and show me its log."
SLOW_NODE = "Why is node worker-03 slow? Check its conditions and its current metrics."
ENDLESS = "Check every namespace for pods that are not ready."
WHOAMI = "Who am I for your tools?"
NODE_MAINTENANCE = {
    "doc_url": "https://docs.example.org/runbooks/node-maintenance",
    "doc_title": "Taking a node out of service",
}


def shown(documents):
    return [{name: each[name] for name in NODE_MAINTENANCE} for each in documents]


@only("agents-0.3.5", "0.7.3", "ogx-1.5.0")
def test_documents_are_searched_and_named(gateway):
    told = gateway.ask(DRAIN, vector_store_ids=[gateway.lab.vector_store])

    assert NODE_MAINTENANCE in shown(told.one("tool_result")["referenced_documents"])
    assert NODE_MAINTENANCE in shown(told.last["referenced_documents"])
    assert any("kubectl drain" in each["content"] for each in told.last["rag_chunks"])
    assert "kubectl uncordon" in told.text


@only("responses-0.3.5")
def test_a_server_that_names_no_documents_has_still_searched(gateway):
    """0.3.5 tells neither titles nor urls in its Responses API."""
    told = gateway.ask(DRAIN, vector_store_ids=[gateway.lab.vector_store])

    assert told.one("tool_result")["status"] == "ok"
    assert told.last["rag_chunks"]


def test_documents_are_listed_under_plain_text(gateway):
    told = gateway.post({"query": DRAIN, "media_type": "text/plain"})

    answer, _, documents = told.body.decode().rpartition("\n\n---\n\n")
    if gateway.dialect != "responses":
        line = f"{NODE_MAINTENANCE['doc_title']}: {NODE_MAINTENANCE['doc_url']}"
        assert line in documents.splitlines()
    assert "kubectl uncordon" in (answer or documents)


def test_a_tool_is_called_and_its_result_is_told(gateway):
    told = gateway.ask(HEALTH, shield_ids=[])

    call, result = told.one("tool_call"), told.one("tool_result")
    assert call["token"]["arguments"] == {"namespace": "shop", "service": "checkout"}
    assert (result["call_id"], result["status"]) == (call["call_id"], "ok")
    assert "3/3 pods ready" in result["token"]["response"]
    assert told.text.startswith("Yes, **checkout is healthy**")


def test_fragments_of_arguments_are_the_arguments(gateway):
    told = gateway.ask(HEALTH)

    fragments = "".join(each["token"] for each in told.all("tool_call_delta"))
    assert json.loads(fragments) == told.one("tool_call")["token"]["arguments"]


def test_two_calls_of_one_round_are_told_apart(gateway):
    told = gateway.ask(COMPARE)

    calls = [each["call_id"] for each in told.all("tool_call")]
    assert len(set(calls)) == 2
    assert calls == [each["call_id"] for each in told.all("tool_result")]
    by_call = {each["call_id"]: each["token"]["arguments"] for each in told.all("tool_call")}
    assert [by_call[call]["namespace"] for call in calls] == ["shop", "staging"]


def test_calls_of_two_rounds_come_one_after_the_other(gateway):
    told = gateway.ask(BROKEN, shield_ids=[])

    order = [name for name in told.names if name in {"tool_call", "tool_result"}]
    assert order == ["tool_call", "tool_result"] * 2
    assert told.tools() == ["list_pods", "get_pod_log"]
    assert told.text.startswith("I look for the pod first.")
    assert told.text.endswith("no such file")


def test_a_tool_that_fails_ends_no_turn(gateway):
    told = gateway.ask(SLOW_NODE)

    statuses = {each["token"]["tool_name"]: each["status"] for each in told.all("tool_result")}
    assert statuses == {"get_node_conditions": "ok", "get_node_metrics": "failed"}
    assert told.last["finish_reason"] == "stop"


def test_a_model_that_calls_for_ever_is_ended_by_the_limit(gateway):
    with gateway.with_settings(upstream_iterations_limit="3") as limited:
        told = limited.ask(ENDLESS, shield_ids=[])

    assert len(gateway.model.requests(FIRST_MODEL)) == 3
    assert told.tools("tool_result") == ["list_pods"] * (2 if gateway.dialect == "agents" else 3)
    if gateway.dialect == "agents":
        assert (told.last["event"], told.last["reason"]) == ("awaiting_input", "max_iterations")
    else:
        assert (told.last["truncated"], told.last["finish_reason"]) == (True, "max_iterations")


def test_a_tool_gets_the_headers_that_are_meant_for_it(gateway):
    headers = {"mcp-headers": json.dumps({"cluster": {"Authorization": "Bearer x", "X-Who": "me"}})}

    told = gateway.ask(WHOAMI, headers)

    seen = json.loads(told.one("tool_result")["token"]["response"])
    assert (seen["authorization"], seen["x-who"]) == ("Bearer x", "me")


def test_a_tool_gets_no_header_of_the_last_caller(gateway):
    gateway.ask(WHOAMI, {"mcp-headers": json.dumps({"cluster": {"X-Who": "me"}})})

    told = gateway.ask(WHOAMI, {"authorization": "Bearer mine", "x-own": "mine"})

    assert json.loads(told.one("tool_result")["token"]["response"]) == {}


@only("agents-0.3.5", "0.7.3")
def test_headers_for_a_server_that_nobody_has_configured_are_refused(gateway):
    headers = {"mcp-headers": json.dumps({"http://127.0.0.1:9/mcp": {"X-Who": "me"}})}

    told = gateway.post({"query": WHOAMI}, headers=headers)

    assert (told.problem["status"], told.problem["code"]) == (400, "mcp_headers_invalid")
    assert gateway.model.requests() == []


def test_the_callers_token_and_set_headers_go_where_the_settings_say(gateway):
    configuration = f"""
        [[mcp_servers]]
        name = "cluster"
        url = "{gateway.lab.mcp_url}"
        authorization = "caller"
        headers = {{ "X-Set" = "always" }}
    """
    with gateway.with_settings(configuration) as passing:
        told = passing.ask(WHOAMI, {"authorization": "Bearer mine"})

    seen = json.loads(told.one("tool_result")["token"]["response"])
    assert (seen["authorization"], seen["x-set"]) == ("Bearer mine", "always")


def test_an_mcp_server_that_is_down_is_a_failure(gateway):
    url = f"http://127.0.0.1:{free_port()}/mcp"
    configuration = f'[[mcp_servers]]\nname = "down"\nurl = "{url}"\n'

    with gateway.with_settings(configuration) as broken:
        told = broken.post({"query": HEALTH})

    if gateway.dialect == "agents":
        httpx.delete(f"{gateway.lab.url}/v1/toolgroups/mcp::down", trust_env=False)
        assert (told.problem["status"], told.problem["code"]) == (502, "upstream_tools_unreachable")
    else:
        assert (told.check().last["event"], told.last["code"]) == ("error", "upstream_error")
