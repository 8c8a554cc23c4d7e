"""An ASGI client that sees every body part when it is sent, and may leave at any moment.

httpx and Starlette's test client hand a body over when it is complete, so they prove nothing about
streaming.
"""

import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import unquote

import anyio
from starlette.types import ASGIApp

PATIENCE_S = 10.0
"""How long a test waits for what should come at once."""

type Message = MutableMapping[str, Any]


@asynccontextmanager
async def beside(run: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run something beside the test, which waits for its end; a failure of the test comes first.

    A task group alone would wrap the failure.
    """
    failure: Exception | None = None
    over = anyio.Event()

    async def run_to_its_end() -> None:
        await run()
        over.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_to_its_end)
        try:
            yield
        except Exception as failed:  # noqa: BLE001 # raised below
            failure = failed
        with anyio.move_on_after(PATIENCE_S):
            await over.wait()
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    assert over.is_set(), "it does not come to an end"


class Exchange:
    """One request, and its response as far as it has come.

    With `window=0` the application waits until the test takes a part, as on a slow connection.
    `crash` is what the application raised after all, for the server to log.
    """

    def __init__(self, app: ASGIApp, scope: dict[str, Any], window: float) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.crash: Exception | None = None
        self._app = app
        self._scope = scope
        self._requests, self._receive = anyio.create_memory_object_stream[Message](math.inf)
        self._parts, self._unread = anyio.create_memory_object_stream[bytes](window)
        self._begun = anyio.Event()

    def upload(self, data: bytes, *, more: bool = False) -> None:
        """Send a part of the request body."""
        message = {"type": "http.request", "body": data, "more_body": more}
        self._requests.send_nowait(message)

    def disconnect(self) -> None:
        """Close the connection, whatever state it is in: what is sent from now on is lost."""
        self._requests.close()
        self._unread.close()

    async def begun(self) -> "Exchange":
        """Wait for status and headers."""
        with anyio.fail_after(PATIENCE_S):
            await self._begun.wait()
        return self

    async def part(self) -> bytes:
        """Wait for the next part of the body; empty when the body has ended."""
        with anyio.fail_after(PATIENCE_S):
            try:
                return await self._unread.receive()
            except anyio.EndOfStream:
                return b""

    async def body(self) -> bytes:
        """Wait for the rest of the body."""
        parts = bytearray()
        while part := await self.part():
            parts += part
        return bytes(parts)

    async def json(self) -> Any:
        """Wait for the rest of the body and parse it."""
        return json.loads(await self.body())

    def waiting_parts(self) -> int:
        """Return how many parts were sent and not taken yet."""
        return self._unread.statistics().current_buffer_used

    async def run(self) -> None:
        """Call the application; it must come to an end soon after the client has left."""
        try:
            await self._app(self._scope, self._next_message, self._take)
        except Exception as crash:  # noqa: BLE001 # a server would log it
            self.crash = crash
        finally:
            self._begun.set()
            self._parts.close()
            self._receive.close()

    async def _next_message(self) -> Message:
        try:
            return await self._receive.receive()
        except anyio.EndOfStream:
            return {"type": "http.disconnect"}

    async def _take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = _decoded(message["headers"])
            self._begun.set()
        elif message.get("body"):
            with suppress(anyio.BrokenResourceError):
                await self._parts.send(message["body"])


def _decoded(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by lower-case name; one that is there twice is a mistake."""
    names = [name for name, _ in headers]
    assert len(names) == len(set(names)), names
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _scope(method: str, target: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the scope as uvicorn makes it."""
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in ({"host": "127.0.0.1"} | {**headers}).items()
        ],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }


@asynccontextmanager
async def exchange(
    app: ASGIApp,
    method: str,
    target: str,
    *,
    body: bytes | None = b"",
    headers: Mapping[str, str] | None = None,
    window: float = math.inf,
) -> AsyncIterator[Exchange]:
    """Send a request; leaving the context closes the connection and waits for the application.

    Without a body (None) the request goes on until the test has uploaded its last part.
    """
    made = Exchange(app, _scope(method, target, headers or {}), window)
    if body is not None:
        made.upload(body)
    async with beside(made.run):
        try:
            yield made
        finally:
            made.disconnect()


async def ask(
    app: ASGIApp,
    method: str,
    target: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[Exchange, bytes]:
    """Send a request, wait for the whole answer and return it with its body.

    Bytes go as they are, anything else as JSON.
    """
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    async with exchange(app, method, target, body=data, headers=headers) as made:
        await made.begun()
        answer = await made.body()
    return made, answer


class Lifespan:
    """Drives the lifespan of an application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._stopping = anyio.Event()
        self._said: set[str] = set()
        self._asked = False
        self._started = anyio.Event()

    async def run(self) -> None:
        """Call the application with a lifespan scope."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
        await self._app(scope, self._receive, self._send)
        assert self._said == {"lifespan.startup.complete", "lifespan.shutdown.complete"}

    async def started(self) -> None:
        """Wait until the application takes requests."""
        with anyio.fail_after(PATIENCE_S):
            await self._started.wait()

    def stop(self) -> None:
        """Tell the application to stop."""
        self._stopping.set()

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await self._stopping.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        self._said.add(message["type"])
        self._started.set()


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[Lifespan]:
    """Start an application; leaving the context stops it."""
    life = Lifespan(app)
    async with beside(life.run):
        await life.started()
        try:
            yield life
        finally:
            life.stop()
