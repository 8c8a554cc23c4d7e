"""Plans as the use cases make them, and turns run to their end without the use cases."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from service.domain import Conversation, History, McpServer, Model, PastTurn, Plan, Thread
from service.ports import UpstreamTurn
from statemachine import Summary, TurnStream

MODEL = Model("vllm/small", "vllm", "small", generates=True)
PAST = (PastTurn("k1", "Who are you?", "A pod."), PastTurn("k2", "Sure?", "Yes."))


def plan(query: str = "What is a pod?", *, thread: Thread | None = None, **fields: Any) -> Plan:
    """Return a plan; what is not given is plain."""
    conversation = Conversation("conversation", MODEL, thread)
    chosen: dict[str, Any] = {"model": MODEL, "system_prompt": "Be brief."} | fields
    return Plan(query, conversation, **chosen)


def history_of(past: Sequence[PastTurn]) -> History:
    """Return a history that is told when it is asked for."""

    async def history() -> Sequence[PastTurn]:
        return past

    return history


async def not_needed() -> Sequence[PastTurn]:
    """Return no history: nobody should ask for it."""
    pytest.fail("The history is read, though the upstream has it.")


def mcp_server(
    name: str = "lab", url: str = "http://lab.test/mcp", *, approval: bool = False, **headers: str
) -> McpServer:
    """Return an MCP server with the headers of a turn."""
    return McpServer(name, url, f"mcp::{name}", headers, approval)


async def payloads_of(turn: UpstreamTurn) -> list[object]:
    """Send a turn and return all that the upstream says."""
    async with turn.open() as body:
        return await every(body.payloads())


async def every[Payload](batches: AsyncGenerator[Sequence[Payload]]) -> list[Payload]:
    """Return all that a body has to say, however it has arrived."""
    async with aclosing(batches):
        return [payload async for batch in batches for payload in batch]


async def ran(turn: UpstreamTurn) -> Summary:
    """Send a turn, run it through the machine, and return what became of it."""
    stream = TurnStream(turn.decoder, conversation_id="c", request_id="r", prompt="")
    async with turn.open() as body, aclosing(body.payloads()) as batches:
        stream.begin(body.opening)
        async for batch in batches:
            for payload in batch:
                assert isinstance(payload, bytes)
                stream.feed_payload(payload)
    stream.finish()
    return stream.summary
