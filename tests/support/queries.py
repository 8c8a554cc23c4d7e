"""How tests ask for one JSON answer, and find the turn that it waits for."""

import json
from collections.abc import Mapping
from typing import Any

from anyio import wait_all_tasks_blocked

from service.turns.turn import RunningTurn
from tests.support.applications import TURNS, Application
from tests.support.asgi import Exchange
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says

QUERY = "/v1/query"
ASKED = {"query": "What is a pod?"}
BODY = json.dumps(ASKED).encode()
HELLO = Script(answer("Hel", "lo"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))


async def asked(
    app: Application, headers: Mapping[str, str] | None = None, **fields: object
) -> tuple[Exchange, Any]:
    """Ask, and return the exchange and what was answered."""
    made, data = await app.ask("POST", QUERY, ASKED | fields, **(headers or {}))
    return made, json.loads(data)


async def running_turn(app: Application) -> RunningTurn:
    """Return the turn that runs, when it has said what it has to say."""
    await wait_all_tasks_blocked()
    (turn,) = app.services.live.turns
    return turn


async def stop(app: Application, turn: RunningTurn) -> None:
    """Stop a turn."""
    await app.ask("POST", f"{TURNS}/{turn.ids.request_id}/interrupt")
