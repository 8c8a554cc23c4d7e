"""Questions put to a real server directly, to see what Turnstile would see."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from tests.e2e.lab.laboratory import Laboratory

INSTRUCTIONS = "You are a helpful assistant for people who operate Kubernetes clusters."
SHIELD = "guard"
TIMEOUT_S = 60

type Chunk = dict[str, Any]
type Shown = Mapping[str, Any]


@contextmanager
def asking(lab: Laboratory, question: str, **more: Any) -> Iterator[Iterator[Chunk]]:
    """Ask, and give the chunks as they come; leaving the context closes the connection.

    `more` is put into the agent's configuration (0.3) or into the body of the request.
    """
    with httpx.Client(base_url=lab.url, timeout=TIMEOUT_S, trust_env=False) as client:
        ask = _agent_turn if lab.server.agents else _response
        path, body = ask(client, {"model": lab.first_model, **more}, question)
        with client.stream("POST", path, json=body) as answer:
            answer.raise_for_status()
            yield _chunks(answer)


def asked(lab: Laboratory, question: str, **more: Any) -> list[Chunk]:
    """Ask, and return all chunks."""
    with asking(lab, question, **more) as chunks:
        return list(chunks)


def text_of(chunks: Sequence[Shown]) -> str:
    """Return the text that was streamed."""
    return "".join(_delta(chunk) for chunk in chunks)


def _delta(chunk: Shown) -> str:
    if chunk.get("type") == "response.output_text.delta":
        return str(chunk["delta"])
    delta = chunk.get("event", {}).get("payload", {}).get("delta", {})
    return str(delta["text"]) if delta.get("type") == "text" else ""


def _agent_turn(client: httpx.Client, config: Chunk, question: str) -> tuple[str, Chunk]:
    agents = "/v1alpha/agents"
    config = {
        "instructions": INSTRUCTIONS,
        "enable_session_persistence": True,
        "sampling_params": {"strategy": {"type": "greedy"}, "max_tokens": 4096},
        **config,
    }
    agent = client.post(agents, json={"agent_config": config}).raise_for_status().json()["agent_id"]
    session = client.post(f"{agents}/{agent}/session", json={"session_name": "lab"})
    session_id = session.raise_for_status().json()["session_id"]
    body = {"messages": [{"role": "user", "content": question}], "stream": True}
    return f"{agents}/{agent}/session/{session_id}/turn", body


def _response(_: httpx.Client, body: Chunk, question: str) -> tuple[str, Chunk]:
    return "/v1/responses", {
        "instructions": INSTRUCTIONS,
        "input": question,
        "stream": True,
        **body,
    }


def _chunks(answer: httpx.Response) -> Iterator[Chunk]:
    # httpx would split at U+2028 as well.
    rest = b""
    for block in answer.iter_bytes():
        *lines, rest = (rest + block).split(b"\n")
        yield from (json.loads(line[6:]) for line in lines if line.startswith(b"data: "))


def search_tools(lab: Laboratory) -> dict[str, Any]:
    """Return the fields that let the model search the documents."""
    if lab.server.agents:
        group = "builtin::rag/knowledge_search"
        arguments = {"vector_db_ids": [lab.vector_store]}
        return {"toolgroups": [{"name": group, "args": arguments}]}
    store = {"type": "file_search", "vector_store_ids": [lab.vector_store], "max_num_results": 3}
    return {"tools": [store], "include": ["file_search_call.results"]}


def cluster_tools(lab: Laboratory, approval: str = "never") -> dict[str, Any]:
    """Return the fields that offer the MCP server's tools; on 0.3 this registers the server."""
    if not lab.server.agents:
        server = {"type": "mcp", "server_label": "cluster", "server_url": lab.mcp_url}
        return {"tools": [server | {"require_approval": approval}]}
    body = {
        "toolgroup_id": "mcp::cluster",
        "provider_id": "model-context-protocol",
        "mcp_endpoint": {"uri": lab.mcp_url},
    }
    httpx.post(f"{lab.url}/v1/toolgroups", json=body, trust_env=False).raise_for_status()
    return {"toolgroups": ["mcp::cluster"]}


def guarded(lab: Laboratory) -> dict[str, Any]:
    """Return the fields that switch the shield on."""
    if lab.server.agents:
        return {"input_shields": [SHIELD], "output_shields": [SHIELD]}
    return {"guardrails": [SHIELD] if lab.server.shields else True}
