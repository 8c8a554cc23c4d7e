"""An upstream in this process that plays what is asked for, spoiled or not."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import count

import anyio

from service.domain import History, Plan, no_history
from service.errors import UpstreamReset
from statemachine import ShieldChecked
from tests.support.faults.harms import Close, Play
from tests.support.recordings import RecordedStream
from tests.support.upstreams import NEVER, Script, ScriptedTurn, ScriptedUpstream, Step

_CLOSES: Mapping[Close, tuple[Step, ...]] = {
    Close.END: (),
    Close.RESET: (UpstreamReset(),),
    Close.NEVER: (NEVER,),
}


def play_of(recorded: RecordedStream) -> Play:
    """Return a recording as it was sent."""
    close = Close.RESET if recorded.reset else Close.END
    return Play(recorded.name, recorded.dialect, recorded.payloads, close)


def script_of(
    play: Play,
    gates: Sequence[anyio.Event] = (),
    *,
    together: int = 1,
) -> Script:
    """Return a play as a script; so many payloads come `together`, each after its gate."""
    steps: list[Step] = []
    for first in range(0, len(play.payloads), together):
        steps += gates[first : first + 1]
        steps.append(play.payloads[first : first + together])
    steps += gates[len(play.payloads) : len(play.payloads) + 1]
    return Script((*steps, *_CLOSES[play.close]), dialect=play.dialect)


@dataclass(slots=True)
class PacedTurn(ScriptedTurn):
    """A turn that takes its time before everything that it says."""

    pace_s: float = 0.0

    async def payloads(self) -> AsyncGenerator[Sequence[bytes | ShieldChecked]]:
        """See `UpstreamBody.payloads`."""
        async with aclosing(ScriptedTurn.payloads(self)) as batches:
            async for batch in batches:
                await asyncio.sleep(self.pace_s)
                yield batch


class PlayingUpstream(ScriptedUpstream):
    """Answers every question with its own script; see `says`."""

    def __init__(self, pace_s: float) -> None:
        super().__init__()
        self.scripts: dict[str, Script] = {}
        self.pace_s = pace_s
        self._numbers = count(1)

    def says(self, script: Script) -> str:
        """Return the question that is answered by a script."""
        question = f"Question {next(self._numbers)}?"
        self.scripts[question] = script
        return question

    def asked(self, question: str) -> list[ScriptedTurn]:
        """Return the turns that a question has started."""
        return [each for each in self.turns if each.question == question]

    def prepare(self, plan: Plan, history: History = no_history) -> ScriptedTurn:
        """See `Upstream.prepare`."""
        self.plans.append(plan)
        number = len(self.turns) + 1
        script = self.scripts[plan.query]
        thread = plan.conversation.thread
        turn = PacedTurn(script, number, thread, plan.query, pace_s=self.pace_s)
        turn.history = history
        self.turns.append(turn)
        return turn
