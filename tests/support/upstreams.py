"""A scripted upstream: says what a test tells it to say, when the test tells it to."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from service.domain import (
    Answers,
    Catalogue,
    History,
    PastTurn,
    PausedTurn,
    Plan,
    Thread,
    ToolAnswer,
    ToolGroup,
    UpstreamInfo,
    no_history,
)
from service.ports import Moderator
from statemachine import (
    DECODERS,
    CallStatus,
    Decoder,
    FinishReason,
    OutputModeration,
    ShieldChecked,
    Summary,
    ToolCallCompleted,
    Touchpoint,
    TurnResumed,
    TurnStarted,
)
from tests.support import agents_chunks as agents


class Never:
    """Something to wait for that does not happen."""


NEVER = Never()

type Said = bytes | Mapping[str, object]
"""A payload, or a chunk that becomes one."""

type Step = Said | tuple[Said, ...] | anyio.Event | Never | Exception
"""What an upstream does next: send a payload or several at once, wait for an event, or raise."""

type Judgement = ShieldChecked | anyio.Event | Never | Exception
"""What the shields of a turn do next: give a verdict, after waiting for an event, or raise."""


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
    """What an upstream does in one turn: on being asked, on opening, in its body, on closing.

    Every turn that ends in order has a thread, a new one each time (as responses do) unless it
    `stays` in that of the turn before (as agent turns do); a turn that said nothing leaves that
    as it was. With `judgements` shields are asked
    beside the stream, about the question when it is to be judged.
    """

    body: tuple[Step, ...] = ()
    at_prepare: tuple[Step, ...] = ()
    at_open: tuple[Step, ...] = ()
    at_close: tuple[Step, ...] = ()
    recording: str | None = None
    dialect: str = "agents"
    threads: bool = True
    stays: bool = False
    moderation: OutputModeration | None = None
    judgements: tuple[Judgement, ...] | None = None
    judges_question: bool = False


def thread_of(number: int) -> Thread:
    """Return the thread that the turn of a number has made; the first turn is number 1."""
    return Thread("scripted", (f"thread {number}",))


@dataclass(slots=True)
class ScriptedModerator:
    """Gives one verdict after another; see `Moderator`. `asked` is what had to be judged."""

    judgements: tuple[Judgement, ...]
    question: str | None
    asked: list[tuple[Touchpoint, str]]
    _given: int = 0

    async def judge(self, touchpoint: Touchpoint, text: str) -> ShieldChecked:
        """See `Moderator.judge`."""
        self.asked.append((touchpoint, text))
        while True:
            judgement = self.judgements[self._given]
            self._given += 1
            if isinstance(judgement, ShieldChecked):
                return judgement
            await perform((judgement,))


@dataclass(slots=True)
class ScriptedTurn:
    """One turn; see `UpstreamTurn`. `opened` and `closed` tell how far it has come.

    `asked` is what its shields had to judge, `past` what it was told of the turns before.
    """

    script: Script
    number: int
    came_from: Thread | None = None
    question: str = ""
    opened: anyio.Event = field(default_factory=anyio.Event)
    closed: anyio.Event = field(default_factory=anyio.Event)
    recording: str | None = field(init=False)
    decoder: Decoder = field(init=False)
    opening: TurnStarted | TurnResumed = field(default_factory=TurnStarted)
    server: str = "scripted"
    moderation: OutputModeration | None = field(init=False)
    moderator: Moderator | None = field(init=False)
    asked: list[tuple[Touchpoint, str]] = field(default_factory=list)
    history: History = no_history
    past: list[PastTurn] = field(default_factory=list)

    def __post_init__(self) -> None:
        script = self.script
        self.recording, self.moderation = script.recording, script.moderation
        resumed = isinstance(self.opening, TurnResumed)
        self.decoder = DECODERS[script.dialect](resumed=resumed)
        question = self.question if script.judges_question else None
        self.moderator = (
            None
            if script.judgements is None
            else ScriptedModerator(script.judgements, question, self.asked)
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator["ScriptedTurn"]:
        """See `UpstreamTurn.open`; it wants to know everything again."""
        self.past += await self.history()
        await perform(self.script.at_open)
        self.opened.set()
        try:
            yield self
            await perform(self.script.at_close)
        finally:
            self.closed.set()

    def thread(self, summary: Summary) -> Thread | None:
        """See `UpstreamTurn.thread`."""
        if not self.script.threads:
            return None
        refused = summary.finish_reason is FinishReason.SHIELD
        if summary.outcome in ("end", "awaiting_input") and not refused:
            return (self.came_from if self.script.stays else None) or thread_of(self.number)
        resumed = isinstance(self.opening, TurnResumed)
        return None if summary.told or resumed else self.came_from

    async def payloads(self) -> AsyncGenerator[Sequence[bytes | ShieldChecked]]:
        """See `UpstreamBody.payloads`."""
        for step in self.script.body:
            if isinstance(step, bytes | Mapping | tuple):
                said = step if isinstance(step, tuple) else (step,)
                yield tuple(map(_payload, said))
            else:
                await perform((step,))


class ScriptedUpstream:
    """Plays one script per turn; the last one again and again. See `Upstream`.

    `histories` are what it was told with the `plans` of the turns before, once it has been asked;
    `catalogues` is what it offers, and then what it offers each time that is asked for anew.
    """

    def __init__(
        self, *scripts: Script, catalogues: tuple[Catalogue | None, ...] = (None,)
    ) -> None:
        self.info = INFO
        self.renewals = 0
        self.plans: list[Plan] = []
        self.histories: list[list[PastTurn]] = []
        self.resumed: list[tuple[PausedTurn, Answers]] = []
        self.forgotten: list[Thread] = []
        self.tool_groups: tuple[ToolGroup, ...] | None = None
        self.turns: list[ScriptedTurn] = []
        self._scripts = scripts
        self._catalogues = catalogues

    @asynccontextmanager
    async def running(self, *, keeps: bool = False) -> AsyncIterator[None]:
        """See `Upstream.running`."""
        yield

    async def catalogue(self, *, renew: bool = False) -> Catalogue | None:
        """See `Upstream.catalogue`; what a script does on being asked, it does here."""
        self.renewals += renew
        if not renew and self._scripts:
            await perform(self._next().at_prepare)
        return self._catalogues[min(self.renewals, len(self._catalogues) - 1)]

    async def tools(self) -> tuple[ToolGroup, ...] | None:
        """See `Upstream.tools`."""
        return self.tool_groups

    def prepare(self, plan: Plan, history: History = no_history) -> ScriptedTurn:
        """See `Upstream.prepare`."""
        turn = self._add(plan.conversation.thread, plan.query, TurnStarted())
        turn.history = history
        self.plans.append(plan)
        self.histories.append(turn.past)
        return turn

    def resume(self, paused: PausedTurn, answers: Answers) -> ScriptedTurn:
        """See `Upstream.resume`."""
        self.resumed.append((paused, answers))
        return self._add(paused.thread, "", _resumed(self._next().dialect, paused, answers))

    def forget(self, thread: Thread) -> None:
        """See `Upstream.forget`."""
        self.forgotten.append(thread)

    def _add(
        self, came_from: Thread | None, question: str, opening: TurnStarted | TurnResumed
    ) -> ScriptedTurn:
        number = len(self.turns) + 1
        turn = ScriptedTurn(self._next(), number, came_from, question, opening=opening)
        self.turns.append(turn)
        return turn

    def _next(self) -> Script:
        return self._scripts[min(len(self.turns), len(self._scripts) - 1)]


def _payload(said: Said) -> bytes:
    return said if isinstance(said, bytes) else json.dumps(said).encode()


def _resumed(dialect: str, paused: PausedTurn, answers: Answers) -> TurnResumed:
    """Agent turns repeat what a client's tools said, responses do not."""
    if dialect == "agents":
        return TurnResumed(paused.turn_id, paused.calls)
    said = {each.call_id: each.content for each in answers if isinstance(each, ToolAnswer)}
    calls = tuple(call for call in paused.calls if call.call_id in said)
    results = (
        ToolCallCompleted(call.call_id, call.tool_name, CallStatus.OK, said[call.call_id])
        for call in calls
    )
    return TurnResumed(paused.turn_id, calls, tuple(results))


async def perform(steps: tuple[Step, ...]) -> None:
    """Wait for events and raise exceptions, one after another."""
    for step in steps:
        if isinstance(step, anyio.Event):
            await step.wait()
        elif isinstance(step, Never):
            await anyio.sleep_forever()
        elif isinstance(step, Exception):
            raise step
