"""The way of a recording through the table: the rows that it took, in order."""

from dataclasses import dataclass
from itertools import groupby

from statemachine.events import TurnEvent
from statemachine.machine import Outputs, TurnMachine
from statemachine.playback import play, playback_stream
from statemachine.recording import Recording
from statemachine.states import State

type Taken = tuple[State, type[TurnEvent], State]


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table, taken `count` times in a row.

    Source, event and destination name a row: no two rows have all three in common.
    """

    source: State
    event: type[TurnEvent]
    dest: State
    count: int = 1


type Path = tuple[Step, ...]


class _Witness(TurnMachine):
    """A turn's machine that remembers every event that it has accepted."""

    __slots__ = ("taken",)

    def __init__(self) -> None:
        super().__init__("recording", "recording")
        self.taken: list[Taken] = []

    def receive(self, event: TurnEvent) -> Outputs:
        """Move by one event and remember the row."""
        source = self.state
        outputs = super().receive(event)
        self.taken.append((source, type(event), self.state))
        return outputs


def recorded_path(recording: Recording) -> Path:
    """Replay a recording and return the rows that its turn took.

    One that was cut while it was written ends where it was cut, not in a failure.
    """
    witness = _Witness()
    for _ in play(recording, playback_stream(recording, witness)):
        pass
    return tuple(Step(*taken, len(list(run))) for taken, run in groupby(witness.taken))
