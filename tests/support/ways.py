"""Every request that names a turn or a conversation: what only its owner may do with it."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.applications import QUERY, TURNS, Application
from tests.support.asgi import Exchange
from tests.support.waiting_turns import BOTH, THREE

type Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body; ids are left out of them."""

_TURN, _CONVERSATION = "{request_id}", "{conversation_id}"
_STREAM, _KEPT = f"{TURNS}/{_TURN}", f"/v1/conversations/{_CONVERSATION}"
_HERE = {"conversation_id": _CONVERSATION}


@dataclass(frozen=True, slots=True)
class Way:
    """A request; its address and its body hold the ids in braces."""

    name: str
    method: str
    target: str
    body: Mapping[str, object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


WAYS = (
    Way("follow", "GET", _STREAM),
    Way("follow on", "GET", f"{_STREAM}?last_event_id=1"),
    Way("follow from beyond", "GET", _STREAM, headers={"Last-Event-ID": "999"}),
    Way("follow in capitals", "GET", _STREAM.replace(_TURN, "{capitals}")),
    Way("look", "HEAD", _STREAM),
    Way("look beyond", "HEAD", f"{_STREAM}?last_event_id=999"),
    Way("interrupt", "POST", f"{_STREAM}/interrupt"),
    Way("interrupt by body", "POST", f"{TURNS}/interrupt", {"request_id": _TURN}),
    Way("answer", "POST", f"{_STREAM}/tool_results", BOTH),
    Way("answer otherwise", "POST", f"{_STREAM}/tool_results", {"tool_results": [THREE]}),
    Way("ask", "POST", TURNS, QUERY | _HERE),
    Way("ask at once", "POST", TURNS, QUERY | _HERE | {"if_busy": "interrupt"}),
    Way("ask once", "POST", TURNS, QUERY | _HERE, {"Idempotency-Key": "a-key"}),
    Way("query", "POST", "/v1/query", QUERY | _HERE),
    Way("read", "GET", _KEPT),
    Way("read before", "GET", f"{_KEPT}?cursor=nowhere"),
    Way("rename", "PATCH", _KEPT, {"title": "Taken"}),
    Way("delete", "DELETE", _KEPT),
    Way("judge", "POST", "/v1/feedback", {"request_id": _TURN, "sentiment": -1}),
    Way("judge in it", "POST", "/v1/feedback", {"request_id": _TURN, "text": "No."} | _HERE),
)
"""In each of them nothing is wrong but perhaps whose it is."""


def way(name: str) -> Way:
    """Return the way of a name."""
    return next(each for each in WAYS if each.name == name)


async def gone(app: Application, way: Way, turn: Exchange) -> tuple[Exchange, bytes]:
    """Send a request about a turn, and return its whole answer."""
    return await _asked(app, way, _ids_of(turn))


async def told(app: Application, way: Way, turn: Exchange | None) -> Answer:
    """Return the answer to a request about a turn, or about one that never was (None)."""
    never = {"request_id": str(uuid.uuid4()), "conversation_id": str(uuid.uuid4())}
    ids = never if turn is None else _ids_of(turn)
    made, body = await _asked(app, way, ids)
    headers = {name: _without(ids, value) for name, value in made.headers.items()}
    return made.status, headers, _without(ids, body.decode()).encode()


async def _asked(app: Application, way: Way, ids: Mapping[str, str]) -> tuple[Exchange, bytes]:
    named = {**ids, "capitals": ids["request_id"].upper()}
    target = way.target.format(**named)
    body: Any = way.body
    if body is not None:
        body = json.dumps(body)
        for name, each in ids.items():
            body = body.replace(f"{{{name}}}", each)
        body = body.encode()
    return await app.ask(way.method, target, body, **way.headers)


def _ids_of(turn: Exchange) -> dict[str, str]:
    names = ("request_id", "conversation_id")
    headers = ("x-request-id", "x-conversation-id")
    return {name: turn.headers[each] for name, each in zip(names, headers, strict=True)}


def _without(ids: Mapping[str, str], text: str) -> str:
    for name, each in ids.items():
        text = text.replace(each, name).replace(each.upper(), name)
    return text
