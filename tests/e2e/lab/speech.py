"""The playing of a reply: token after token, with pauses, failures and cuts where wanted."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from tests.e2e.lab.observations import Observation
from tests.e2e.lab.pace import Pace
from tests.e2e.lab.reply import Delta, Reply

FAILURE = "The model server ran out of memory. Try again in a moment."


def failure(status: int, message: str = FAILURE) -> dict[str, Any]:
    """Return an error as OpenAI-compatible servers write it."""
    return {"error": {"message": message, "type": "server_error", "param": None, "code": status}}


@dataclass(frozen=True, slots=True)
class Speech:
    """One reply as an ASGI response."""

    reply: Reply
    seen: Observation
    pace: Pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Play the reply until it ends or the caller leaves."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, receive, group.cancel_scope)
            status = self.reply.controls.status
            if status is not None:
                await anyio.sleep(self.reply.controls.stall_s)
                self.seen.end("failed")
                await JSONResponse(failure(status), status)(scope, receive, send)
            elif self.seen.request.stream:
                await self._stream(send)
            else:
                await self._once(scope, receive, send)
            group.cancel_scope.cancel()

    async def _watch(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.seen.end("cut")
        scope.cancel()

    async def _stream(self, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

        async def say(data: Mapping[str, Any] | str, *, last: bool = False) -> None:
            text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
            body = f"data: {text}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": not last})

        await say(self._chunk({"role": "assistant", "content": ""}))
        async for delta in self._paced():
            await say(self._chunk(delta))
        if self.seen.ending == "dropped":
            # The body is not ended, so uvicorn closes the connection.
            return
        if self.seen.ending == "failed":
            await say(failure(500), last=True)
            return
        self.seen.end(self.reply.finish)
        await say(self._chunk({}, self.reply.finish))
        if self.seen.request.with_usage:
            await say(self._chunk({}) | {"choices": [], "usage": self._usage()})
        await say("[DONE]", last=True)

    async def _once(self, scope: Scope, receive: Receive, send: Send) -> None:
        deltas = [delta async for delta in self._paced()]
        if self.seen.ending is not None:
            await JSONResponse(failure(500), 500)(scope, receive, send)
            return
        self.seen.end(self.reply.finish)
        text = "".join(delta.get("content", "") for delta in deltas)
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": self.reply.finish}
        body = self._envelope("chat.completion") | {"choices": [choice], "usage": self._usage()}
        await JSONResponse(body)(scope, receive, send)

    async def _paced(self) -> AsyncIterator[Delta]:
        """Yield the deltas in time; a failure or a drop is noted and ends them early."""
        controls = self.reply.controls
        await anyio.sleep(self.pace.first_s)
        for number in range(len(self.reply.deltas) + 1):
            if number == controls.stall_at:
                await anyio.sleep(controls.stall_s)
            if number in {controls.fail_at, controls.cut_at}:
                self.seen.end("failed" if number == controls.fail_at else "dropped")
                return
            if number < len(self.reply.deltas):
                yield self.reply.deltas[number]
                self.seen.tokens_sent += 1
                await anyio.sleep(self.pace.pause_s(number))

    def _envelope(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.seen.number:06}",
            "object": kind,
            "created": int(time.time()),
            "model": self.seen.request.model,
        }

    def _chunk(self, delta: Delta, finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return self._envelope("chat.completion.chunk") | {"choices": [choice]}

    def _usage(self) -> dict[str, int]:
        asked = sum(len(each.text) // 4 + 4 for each in self.seen.request.messages)
        sent = self.seen.tokens_sent
        return {
            "prompt_tokens": asked,
            "completion_tokens": sent,
            "total_tokens": asked + sent,
        }
