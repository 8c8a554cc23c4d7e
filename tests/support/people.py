"""An application that several people use, each with a key of their own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from service.access.authenticators.api_keys import KEY_PREFIX, hash_of
from tests.support.applications import Application, application
from tests.support.upstreams import Script

type Roles = tuple[str, ...]

ALICE, BOB, ADMIN = "alice", "bob", "admin"
PEOPLE: Mapping[str, Roles] = {ALICE: (), BOB: (), ADMIN: ("admin",)}
"""Who uses it when a test does not say: two users, and one who may do everything."""


def credential(name: str) -> dict[str, str]:
    """Return the header with the key of a name."""
    return {"Authorization": f"Bearer {KEY_PREFIX}{name}"}


def key(
    name: str, roles: Roles = (), user: str | None = None, expires_at: datetime | None = None
) -> dict[str, Any]:
    """Return the settings of a key; it can be recognised by its name."""
    taken = {"name": name, "hash": hash_of(KEY_PREFIX + name), "roles": roles}
    return taken | {"user": user, "expires_at": expires_at}


def keys(people: Mapping[str, Roles] = PEOPLE) -> dict[str, Any]:
    """Return the settings of an application that these people use."""
    api_keys = [key(name, roles) for name, roles in people.items()]
    return {"authentication": {"by": "api_keys"}, "api_keys": api_keys}


def acting(app: Application, name: str) -> Application:
    """Return the application as it is used by somebody."""
    return app.sending(**credential(name))


@asynccontextmanager
async def used_by(
    people: Mapping[str, Roles] = PEOPLE, *scripts: Script, **settings: Any
) -> AsyncIterator[dict[str, Application]]:
    """Run an application that these people use; returns it as it is used by each, by name."""
    async with application(*scripts, **(keys(people) | settings)) as app:
        yield {name: acting(app, name) for name in people}
