"""What the service is compared with, as bare as it can be.

Run as a script: `python -m tests.benchmarks.rig.references NAME PORT UPSTREAM DIALECT SERVER`.
`SERVER` is how uvicorn serves: `plain`, as it is installed, or `fast`, as the service has it.
"""

import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

_EVENT_STREAM = "text/event-stream"
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100)


class Query(BaseModel):
    """The body of a request to a usual gateway."""

    query: str


def passthrough(upstream: str, _: str) -> ASGIApp:
    """Starlette and httpx: bytes as they come, nothing else."""
    client = httpx.AsyncClient(base_url=upstream, timeout=None, limits=_LIMITS)  # noqa: S113 # none

    async def forward(request: Request) -> StreamingResponse:
        sent = client.build_request("POST", request.url.path, content=await request.body())
        response = await client.send(sent, stream=True)
        closing = BackgroundTask(response.aclose)
        body = response.aiter_raw()
        return StreamingResponse(body, media_type=_EVENT_STREAM, background=closing)

    return Starlette(routes=[Route("/{path:path}", forward, methods=["POST"])])


def usual(upstream: str, dialect: str) -> ASGIApp:
    """A gateway as they are usually written: FastAPI, typed chunks, one event in JSON for each."""
    from fastapi import FastAPI  # noqa: PLC0415 # only this needs what may not be installed
    from llama_stack_client import (  # noqa: PLC0415 # takes a second
        AsyncLlamaStackClient,
        DefaultAsyncHttpxClient,
    )

    # As it comes, but for its limit of 100 connections: streams over it would only wait.
    transport = DefaultAsyncHttpxClient(limits=_LIMITS)
    client = AsyncLlamaStackClient(base_url=upstream, api_key="none", http_client=transport)
    app = FastAPI()

    async def ask(query: str) -> Any:
        if dialect == "agents":
            messages: Any = [{"role": "user", "content": query}]
            turns = client.alpha.agents.turn
            return await turns.create("s", agent_id="a", messages=messages, stream=True)
        return await client.responses.create(model="a/m", input=query, stream=True)

    @app.post("/v1/streaming_query")
    async def streaming_query(body: Query) -> StreamingResponse:
        return StreamingResponse(_events(await ask(body.query)), media_type=_EVENT_STREAM)

    return app


async def _events(chunks: Any) -> AsyncIterator[str]:
    number = 0
    async for chunk in chunks:
        number += 1
        event, token = _told(chunk)
        data = {"id": number, "role": "inference", "token": token}
        yield f"data: {json.dumps({'event': event, 'data': data})}\n\n"
    yield f"data: {json.dumps({'event': 'end', 'data': {}})}\n\n"


def _told(chunk: Any) -> tuple[str, str]:
    """Return what a client is told of a chunk, of either API."""
    event = getattr(chunk, "event", None)
    if event is not None:
        payload = event.payload
        if payload.event_type == "step_progress" and payload.delta.type == "text":
            return "token", payload.delta.text
        return payload.event_type, ""
    if chunk.type == "response.output_text.delta":
        return "token", chunk.delta
    return chunk.type, ""


APPS = {"passthrough": passthrough, "usual": usual}
SERVERS: dict[str, dict[str, Any]] = {
    "plain": {"loop": "asyncio", "http": "h11"},
    "fast": {"loop": "uvloop", "http": "httptools"},
}


def main() -> None:
    """Serve until the process is ended."""
    name, port, upstream, dialect, server = sys.argv[1:]
    app = APPS[name](upstream, dialect)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(port),
        log_level="warning",
        access_log=False,
        **SERVERS[server],
    )


if __name__ == "__main__":
    main()
