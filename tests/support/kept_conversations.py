"""How tests ask the routes of conversations."""

import json
from typing import Any

from tests.support.applications import Application
from tests.support.asgi import Exchange
from tests.support.people import credential

CONVERSATIONS = "/v1/conversations"


async def asked(
    app: Application, method: str, target: str, body: object = None, who: str | None = None
) -> tuple[int, Any]:
    """Send a request, as somebody, and return status and body."""
    made, data = await app.ask(method, target, body, **(credential(who) if who else {}))
    return made.status, json.loads(data)


def conversation_of(turn: Exchange) -> str:
    """Return the address of the conversation of a turn."""
    return f"{CONVERSATIONS}/{turn.headers['x-conversation-id']}"


async def begun(app: Application, query: str = "What is a pod?", who: str | None = None) -> str:
    """Run a turn to its end and return the address of its conversation."""
    return conversation_of(await app.ended(query=query, headers=credential(who) if who else None))
