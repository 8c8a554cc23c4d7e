"""A server of both APIs that answers everything at once, and counts what it is asked.

Run as a script: `python -m tests.support.prompt_server VERSION`; it prints its port.
"""

import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support import agents_chunks as agents
from tests.support.server import ROOT
from tests.support.upstreams import answer

type Handler = Callable[[Request], Awaitable[Response]]

WAIT = b'"wait"'
"""A question that is not answered to its end."""

TURN = "/v1alpha/agents/{agent}/session/{session}/turn"
DELETES = (
    "/v1alpha/agents/{agent}",
    "/v1alpha/agents/{agent}/session/{session}",
    "/v1/responses/{response}",
)
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


def says(value: object) -> Handler:
    """Return a handler that answers with the same JSON every time."""

    async def handler(_: Request) -> Response:
        return JSONResponse(value)

    return handler


def streams(chunks: Iterable[Mapping[str, object]]) -> Handler:
    """Return a handler that streams the same chunks; the last one never comes when told to wait."""
    frames = [f"data: {json.dumps(each)}\n\n" for each in chunks]

    async def body(*, waits: bool) -> AsyncIterator[str]:
        for frame in frames[:-1]:
            yield frame
        if waits:
            await anyio.sleep_forever()
        yield frames[-1]

    async def handler(request: Request) -> Response:
        waits = WAIT in await request.body()
        return StreamingResponse(body(waits=waits), media_type="text/event-stream")

    return handler


def create_app(version: str) -> Counted:
    """Return the server."""

    async def count(_: Request) -> Response:
        return JSONResponse(counted.count)

    nothing = says({"data": []})
    gets = {
        "/v1/version": says({"version": version}),
        "/v1/models": says({"data": [MODEL]}),
        "/v1/shields": says({"data": [{"identifier": "guard"}]}),
        "/v1/toolgroups": nothing,
        "/v1/vector_stores": nothing,
        "/count": count,
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
    routes += [Route(path, says({}), methods=["DELETE"]) for path in DELETES]
    counted = Counted(Starlette(routes=routes))
    return counted


@contextmanager
def prompt_server(version: str) -> Iterator[str]:
    """Run the server in a process of its own, and return its address."""
    command = [sys.executable, "-m", "tests.support.prompt_server", version]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def main() -> None:
    """Serve on a free port until the process is ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(create_app(sys.argv[1]), log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
