"""An application before callers who mean it harm, or do not know what they do."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.support.applications import Application, application
from tests.support.asgi import Exchange
from tests.support.databases import IN_MEMORY
from tests.support.described import OUTSIDE, Told, complaints, route_of, told
from tests.support.offers import OFFER
from tests.support.people import ADMIN, PEOPLE, acting, keys
from tests.support.upstreams import Script, answer
from tests.support.waiting_turns import WAITS

HELLO = Script(answer("Hi"))


@dataclass(frozen=True, slots=True)
class Target:
    """A running application in another thread; `turn` is one that waits for answers there."""

    app: Application
    turn: Exchange
    portal: BlockingPortal

    def address(self, path: str) -> str:
        """Return where a route is, about the turn."""
        headers = self.turn.headers
        ids = {
            "request_id": headers["x-request-id"],
            "conversation_id": headers["x-conversation-id"],
        }
        return path.format(**ids)

    def send(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[Told, bytes]:
        """Send a request, which must be answered as the document says whatever it is."""
        asking = partial(self.app.ask, method, target, body, **(headers or {}))
        reply, answered = self.portal.call(asking)
        return judged(method, target, reply, answered), answered

    def post(self, target: str, value: object) -> tuple[Told, Any]:
        """Send JSON, and return what was answered with its body."""
        made, body = self.send("POST", target, json.dumps(value).encode())
        return made, json.loads(body)


def judged(method: str, target: str, reply: Exchange, body: bytes) -> Told:
    """Return what was answered; fail at a crash, and at what is not documented."""
    assert reply.crash is None
    assert reply.status != 500, body
    assert b"Traceback" not in body
    route = route_of(method, target.partition("?")[0])
    if route is not None:
        return told(route, reply.status, reply.headers, body)
    if unquote(target).startswith("/web/") and reply.status in (200, 304):
        return Told("/web", reply.status)
    assert reply.status in (404, 405), f"{method} {target} is no route: {reply.status}"
    assert method == "HEAD" or _refused(body)
    return Told("", reply.status)


def _refused(body: bytes) -> bool:
    value = json.loads(body)
    return value["code"] in OUTSIDE and not complaints("#/components/schemas/Problem", value)


@contextmanager
def targeted(database_url: str = IN_MEMORY, user: str = ADMIN) -> Iterator[Target]:
    """Run an application that is used by somebody who may do everything, unless told otherwise."""
    settings = {**keys(PEOPLE), "titles": {"generate": False}, "database": {"url": database_url}}
    with start_blocking_portal("asyncio", {"use_uvloop": True}) as portal:
        running = application(WAITS, HELLO, catalogues=(OFFER,), **settings)
        with portal.wrap_async_context_manager(running) as app:
            user_app = acting(app, user)
            yield Target(user_app, portal.call(user_app.ended), portal)
