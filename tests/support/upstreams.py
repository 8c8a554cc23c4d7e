"""A scripted upstream: says what a test tells it to say, when the test tells it to."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from service.domain import Answers, Catalogue, PausedTurn, Plan, Thread, UpstreamInfo
from service.ports import Moderator
from statemachine import (
    DECODERS,
    Decoder,
    OutputModeration,
    ShieldChecked,
    Summary,
    TurnResumed,
    TurnStarted,
)
from tests.support import agents_chunks as agents


class Never:
    """Something to wait for that does not happen."""


NEVER = Never()

type Step = bytes | Mapping[str, object] | anyio.Event | Never | Exception
"""What an upstream does next: send a payload or a chunk, wait for an event, or raise."""


def opening_chunk() -> Mapping[str, object]:
    """Return a chunk that says nothing to the client: a step opens."""
    return agents.step_start("s1")


def says(text: str) -> Mapping[str, object]:
    """Return a chunk with a piece of the answer."""
    return agents.text("s1", text)


def closing(answer: str) -> tuple[Mapping[str, object], ...]:
    """Return the chunks that end a turn in order."""
    return agents.inference_complete("s1"), agents.turn_complete(answer)


def answer(*pieces: str) -> tuple[Mapping[str, object], ...]:
    """Return the chunks of a plain answer."""
    return opening_chunk(), *map(says, pieces), *closing("".join(pieces))


INFO = UpstreamInfo(kind="scripted", recorded=False, notice="")


@dataclass(frozen=True, slots=True)
class Script:
    """What an upstream does in one turn: on being asked, on opening, in its body, on closing."""

    body: tuple[Step, ...] = ()
    at_prepare: tuple[Step, ...] = ()
    at_open: tuple[Step, ...] = ()
    at_close: tuple[Step, ...] = ()
    recording: str | None = None
    dialect: str = "agents"
    threads: bool = True


@dataclass(slots=True)
class ScriptedTurn:
    """One turn; see `UpstreamTurn`. `opened` and `closed` tell how far it has come."""

    script: Script
    opened: anyio.Event = field(default_factory=anyio.Event)
    closed: anyio.Event = field(default_factory=anyio.Event)
    recording: str | None = field(init=False)
    decoder: Decoder = field(init=False)
    opening: TurnStarted | TurnResumed = field(default_factory=TurnStarted)
    server: str = "scripted"
    moderation: OutputModeration | None = None
    moderator: Moderator | None = None

    def __post_init__(self) -> None:
        self.recording = self.script.recording
        self.decoder = DECODERS[self.script.dialect]()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["ScriptedTurn"]:
        """See `UpstreamTurn.open`."""
        await perform(self.script.at_open)
        self.opened.set()
        try:
            yield self
            await perform(self.script.at_close)
        finally:
            self.closed.set()

    def thread(self, summary: Summary) -> Thread | None:
        """See `UpstreamTurn.thread`."""
        kept = summary.outcome in ("end", "awaiting_input")
        return Thread("scripted", (str(id(self)),)) if kept and self.script.threads else None

    async def payloads(self) -> AsyncGenerator[bytes | ShieldChecked]:
        """See `UpstreamBody.payloads`."""
        for step in self.script.body:
            if isinstance(step, bytes):
                yield step
            elif isinstance(step, Mapping):
                yield json.dumps(step).encode()
            else:
                await perform((step,))


class ScriptedUpstream:
    """Plays one script per turn; the last one again and again. See `Upstream`."""

    def __init__(self, *scripts: Script) -> None:
        self.info = INFO
        self.plans: list[Plan] = []
        self.resumed: list[tuple[PausedTurn, Answers]] = []
        self.forgotten: list[Thread] = []
        self.turns: list[ScriptedTurn] = []
        self._scripts = scripts

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """See `Upstream.running`."""
        yield

    async def catalogue(self, *, renew: bool = False) -> Catalogue | None:
        """See `Upstream.catalogue`; what a script does on being asked, it does here."""
        if not renew:
            await perform(self._next().at_prepare)
        return None

    def prepare(self, plan: Plan) -> ScriptedTurn:
        """See `Upstream.prepare`."""
        self.plans.append(plan)
        self.turns.append(ScriptedTurn(self._next()))
        return self.turns[-1]

    def resume(self, paused: PausedTurn, answers: Answers) -> ScriptedTurn:
        """See `Upstream.resume`."""
        self.resumed.append((paused, answers))
        opening = TurnResumed(paused.turn_id, paused.calls)
        self.turns.append(ScriptedTurn(self._next(), opening=opening))
        return self.turns[-1]

    def forget(self, thread: Thread) -> None:
        """See `Upstream.forget`."""
        self.forgotten.append(thread)

    def _next(self) -> Script:
        return self._scripts[min(len(self.turns), len(self._scripts) - 1)]


async def perform(steps: tuple[Step, ...]) -> None:
    """Wait for events and raise exceptions, one after another."""
    for step in steps:
        if isinstance(step, anyio.Event):
            await step.wait()
        elif isinstance(step, Never):
            await anyio.sleep_forever()
        elif isinstance(step, Exception):
            raise step
