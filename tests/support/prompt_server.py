"""A server of both APIs that answers everything at once, and counts what it is asked.

Run as a script: `python -m tests.benchmarks.prompt_server VERSION`; it prints its port.
"""

import json
import socket
import sys
from collections.abc import AsyncIterator, Iterable, Mapping

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support import agents_chunks as agents
from tests.support.upstreams import answer

TURN = "/v1alpha/agents/{agent}/session/{session}/turn"
MODEL = {"identifier": "a/m", "provider_id": "a", "provider_resource_id": "m", "model_type": "llm"}
RESPONSE = {"id": "resp_1", "output": [{"type": "message", "id": "m", "content": "Hello"}]}
RESPONSES = (
    {"type": "response.created", "response": {"id": "resp_1"}},
    {"type": "response.output_item.added", "item": {"type": "message", "id": "m"}},
    {"type": "response.output_text.delta", "item_id": "m", "delta": "Hello"},
    {"type": "response.completed", "response": RESPONSE},
)
AGENTS = (*answer("Hello"), agents.turn_complete("Hello"))[:-1]


class Counted:
    """Counts requests; asking for the count is none."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and scope["path"] != "/count":
            self.count += 1
        await self.app(scope, receive, send)


def says(value: object) -> object:
    """Return a handler that answers with the same JSON every time."""

    async def handler(_: Request) -> Response:
        return JSONResponse(value)

    return handler


def streams(chunks: Iterable[Mapping[str, object]]) -> object:
    """Return a handler that streams the same chunks every time."""
    frames = [f"data: {json.dumps(each)}\n\n" for each in chunks]

    async def body() -> AsyncIterator[str]:
        for frame in frames:
            yield frame

    async def handler(request: Request) -> Response:
        await request.body()
        return StreamingResponse(body(), media_type="text/event-stream")

    return handler


def create_app(version: str) -> Counted:
    """Return the server."""
    nothing = says({"data": []})
    gets = {
        "/v1/version": says({"version": version}),
        "/v1/models": says({"data": [MODEL]}),
        "/v1/shields": says({"data": [{"identifier": "guard"}]}),
        "/v1/toolgroups": nothing,
        "/v1/vector_stores": nothing,
        "/count": lambda _: JSONResponse(counted.count),
    }
    posts = {
        "/v1alpha/agents": says({"agent_id": "a"}),
        "/v1alpha/agents/{agent}/session": says({"session_id": "s"}),
        TURN: streams(AGENTS),
        "/v1/responses": streams(RESPONSES),
        "/v1/safety/run-shield": says({"violation": None}),
    }
    routes = [Route(path, handler) for path, handler in gets.items()]
    routes += [Route(path, handler, methods=["POST"]) for path, handler in posts.items()]
    counted = Counted(Starlette(routes=routes))
    return counted


def main() -> None:
    """Serve on a free port until the process is ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(create_app(sys.argv[1]), log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
