"""The documents of the laboratory, and how they get into a vector store of a real server."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.lab.embeddings import EMBED, SIZE
from tests.e2e.lab.servers import RealServer

DOCUMENTS = Path(__file__).parent / "documents.toml"
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Document:
    """One document; `title` and `url` are what a client should be shown of it."""

    id: str
    title: str
    url: str
    text: str


@cache
def documents() -> tuple[Document, ...]:
    """Return all documents."""
    content = tomllib.loads(DOCUMENTS.read_text("utf-8"))
    return tuple(Document(**each) for each in content["document"])


def seeded_store(server: RealServer, url: str) -> str:
    """Make a vector store with all documents and return its id."""
    return store_with(server, url, "runbooks", documents())


def store_with(server: RealServer, url: str, name: str, chosen: Sequence[Document]) -> str:
    """Make a vector store with these documents and return its id."""
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False) as client:
        fill = _insert if server.agents else _upload
        return fill(client, name, chosen)


def _insert(client: httpx.Client, name: str, chosen: Sequence[Document]) -> str:
    """Take the way of Llama Stack 0.3: the RAG tool cuts documents and stores them."""
    wanted = {
        "name": name,
        "embedding_model": f"vllm/{EMBED}",
        "embedding_dimension": SIZE,
        "provider_id": "faiss",
    }
    store: str = _json(client.post("/v1/vector_stores", json=wanted))["id"]
    body = {
        "documents": [
            {
                "document_id": each.id,
                "content": each.text,
                "mime_type": "text/plain",
                "metadata": {"title": each.title, "docs_url": each.url},
            }
            for each in chosen
        ],
        "vector_db_id": store,
        "vector_store_id": store,
        "chunk_size_in_tokens": 400,
    }
    client.post("/v1/tool-runtime/rag-tool/insert", json=body).raise_for_status()
    return store


def _upload(client: httpx.Client, name: str, chosen: Sequence[Document]) -> str:
    """Take the way of later servers: files, attached to a store with attributes."""
    store: str = _json(client.post("/v1/vector_stores", json={"name": name}))["id"]
    for each in chosen:
        file = (f"{each.id}.md", each.text.encode(), "text/markdown")
        uploaded = client.post("/v1/files", files={"file": file}, data={"purpose": "assistants"})
        body = {
            "file_id": _json(uploaded)["id"],
            "attributes": {"title": each.title, "docs_url": each.url},
        }
        attached = _json(client.post(f"/v1/vector_stores/{store}/files", json=body))
        if attached["status"] != "completed":
            raise RuntimeError(f"{each.id} was not stored: {attached.get('last_error')}")
    return store


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    answer.raise_for_status()
    body: Mapping[str, Any] = answer.json()
    return body
