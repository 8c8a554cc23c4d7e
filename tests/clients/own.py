"""What our own client is asked for in these tests, and what it told."""

from typing import Any

from tests.clients.conftest import Run, Told
from tests.support.server import ROOT

CLIENT = ROOT / "service" / "web" / "client.js"


async def read(run: Run, base: str, *, options: dict[str, Any] | None = None, **asked: Any) -> Told:
    """Read a turn: `body` asks a question, `follow` names a turn.

    `stopAt` is the event to stop at, 0 for stopping before the question has been asked.
    """
    chosen = {"base": base, "states": False} | (options or {})
    return await run("turnstile", client=str(CLIENT), options=chosen, **asked)


def of_kind(told: Told, kind: str) -> Told:
    """Return the notices of a kind."""
    return [each for each in told if each["kind"] == kind]


def payloads_of(told: Told) -> list[str]:
    """Return the events that were given, as they were on the wire."""
    return [each["payload"] for each in of_kind(told, "event")]


def proof_of(told: Told) -> dict[str, Any]:
    """Return what comes last."""
    assert told[-1]["kind"] == "proof"
    proof: dict[str, Any] = told[-1]["proof"]
    return proof
