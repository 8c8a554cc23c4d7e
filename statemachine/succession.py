"""The end of a stream that its driver has not lived to end, from what it has said.

The successor knows no more than the readers: the state that they were told last, the calls that
are open for them. From there the stream ends through the table like any other.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from statemachine.downstream.native import EVENT_NAMES, payload
from statemachine.emissions import TERMINALS, Emission, Output, Seal, ToolCall, ToolResult
from statemachine.errors import MachineMisuse
from statemachine.events import TurnFailed, TurnStarted
from statemachine.machine import Outputs, TurnMachine
from statemachine.states import FINAL, State
from statemachine.summary import Summary
from statemachine.table import TRANSITIONS

type Said = tuple[Output, tuple[State, ...]]
"""An output, and the states that the machine moved through before it."""

_LOST = TurnFailed(
    "owner_lost",
    503,
    "The process that answered has gone; what it has said until then is kept.",
    "Another process has ended the turn in its place.",
)


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a successor says, the last being terminal, and the summary of the whole stream."""

    emissions: tuple[Emission, ...]
    summary: Summary


def inherit(
    emissions: Sequence[Emission],
    *,
    conversation_id: str,
    request_id: str,
    prompt: str = "",
    digest: str = "",
) -> Inheritance:
    """End a stream in the place of its driver.

    `emissions` are the last that are kept, in order. When the first ones are missing, `digest` is
    what they all have, and calls that are open are left so: nothing could be said of them that
    the digest would cover.

    Raises:
        MachineMisuse: the stream has ended.
    """
    if emissions and emissions[-1].terminal:
        raise MachineMisuse("a stream that has ended has no successor")
    whole = not emissions or emissions[0].number == 1
    machine = _restored(emissions, conversation_id, request_id)
    outputs: list[Said] = []
    if not emissions:
        outputs += _moved(machine.receive(TurnStarted()), machine.state)
    # Nothing leaves a final state: who was told of one is told of no other.
    told = any(state in FINAL for each in emissions for state in each.path)
    closing = machine.receive(_LOST)
    outputs += _moved(closing if whole else closing[-1:], None if told else machine.state)
    said = tuple(_numbered(emissions, outputs, None if whole else digest))
    return Inheritance(said, Summary.of([*emissions, *said], prompt))


def _restored(emissions: Sequence[Emission], conversation_id: str, request_id: str) -> TurnMachine:
    """Return a machine where the readers have seen it last, before any final state."""
    machine = TurnMachine(conversation_id, request_id)
    context = machine.context
    if emissions:
        context.state = _state_of(emissions[0].output)
    for emission in emissions:
        output = emission.output
        match output:
            case ToolCall():
                context.calls[output.call.call_id] = output.call
            case ToolResult():
                context.calls.pop(output.call_id, None)
            case _:
                pass
        for state in emission.path:
            context.state = context.state if state in FINAL else state
    if context.calls:
        # Of calls that are closed together, the first tells already where that leads to.
        context.state = State.TOOL_EXECUTING
    return machine


def _state_of(output: Output) -> State:
    """Return where an output can be said without a move, as the first of what is kept may be."""
    name = EVENT_NAMES[type(output)]
    stays = (row for row in TRANSITIONS if row.source is row.dest)
    said_in = (row.dest for row in stays if name in [emit.__name__ for emit in row.emits])
    return next(said_in, State.TURN_STARTED)


def _moved(outputs: Outputs, state: State | None) -> Iterator[Said]:
    """Give the first output of a move the state that it has led to."""
    path = () if state is None else (state,)
    for output in outputs:
        yield output, path
        path = ()


def _numbered(
    emissions: Sequence[Emission], outputs: Sequence[Said], digest: str | None
) -> Iterator[Emission]:
    """Number what follows; `digest` is None where it can be computed."""
    hashed = hashlib.sha256(b"".join(each.payload + b"\n" for each in emissions))
    first = emissions[-1].number + 1 if emissions else 1
    for number, (output, path) in enumerate(outputs, first):
        seal = None
        if output.__class__ in TERMINALS:
            seal = Seal(number, hashed.hexdigest() if digest is None else digest)
        native = payload(number, output, seal)
        hashed.update(native + b"\n")
        yield Emission(number, output, native, path, seal)
