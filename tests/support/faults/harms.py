"""What can go wrong with what an upstream says, at any place of any stream."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

ERROR = b'{"error":{"message":"500: the model exploded"}}'

GARBAGE = {
    "no json": b'{"event":',
    "no utf-8": b"\xff\xfe\x00",
    "null": b"null",
    "a list": b"[[[1]]]",
    "done": b"[DONE]",
    "unknown": b'{"type":"response.new_thing","event":{"payload":{"event_type":"new"}}}',
    "hollow": b'{"event":{"payload":{"event_type":"step_progress"}},"type":null}',
    "nested": b'{"event":' * 1_500 + b"1" + b"}" * 1_500,
    "wrong types": b'{"event":{"payload":[]},"type":"response.output_text.delta","delta":{}}',
    "an own event": b'{"event":"end","data":{"id":1,"count":1}}',
}
"""Payloads that no server should send; the last one is what we send to clients."""


class Fault(StrEnum):
    """What goes wrong; what is not named here is the name of a kind of garbage."""

    NONE = "nothing"
    ENDS = "ends"
    RESETS = "resets"
    STALLS = "stalls"
    ERROR = "reports an error"
    SWAPS = "swaps two"
    DROPS = "drops one"
    DOUBLES = "doubles one"
    HALVES = "halves one"
    GARBAGE = "sends garbage"


class Close(StrEnum):
    """How a body ends: in order, with its connection, or never."""

    END = "end"
    RESET = "reset"
    NEVER = "never"


_CLOSES = {Fault.ENDS: Close.END, Fault.RESETS: Close.RESET, Fault.STALLS: Close.NEVER}


@dataclass(frozen=True, slots=True)
class Harm:
    """A fault before the payload `at`; `kind` is that of garbage."""

    fault: Fault = Fault.NONE
    at: int = 0
    kind: str = ""

    def __str__(self) -> str:
        """Return it as a test names it."""
        return (
            f"{self.fault} {self.kind} at {self.at}" if self.kind else f"{self.fault} at {self.at}"
        )


@dataclass(frozen=True, slots=True)
class Play:
    """A body as it is sent: its payloads, and how it ends."""

    name: str
    dialect: str
    payloads: tuple[bytes, ...] = field(repr=False)
    close: Close = Close.END

    def harmed(self, harm: Harm) -> "Play":
        """Return the play with a harm done to it."""
        before, after = self.payloads[: harm.at], self.payloads[harm.at :]
        if harm.fault in _CLOSES:
            return replace(self, payloads=before, close=_CLOSES[harm.fault])
        return replace(self, payloads=(*before, *_spoiled(harm, after)))


def every_harm(count: int) -> list[Harm]:
    """Return every harm that can be done to so many payloads; also after the last."""
    faults = [each for each in Fault if each not in (Fault.NONE, Fault.GARBAGE)]
    harms = [Harm(fault, at) for fault in faults for at in range(count)]
    harms += [Harm(Fault.GARBAGE, at, kind) for kind in GARBAGE for at in range(count + 1)]
    return harms


def _spoiled(harm: Harm, after: Sequence[bytes]) -> Sequence[bytes]:
    first, rest = after[:1], after[1:]
    match harm.fault:
        case Fault.ERROR:
            return (ERROR, *after)
        case Fault.SWAPS:
            return (*rest[:1], *first, *rest[1:])
        case Fault.DROPS:
            return rest
        case Fault.DOUBLES:
            return (*first, *after)
        case Fault.HALVES:
            return (*(each[: len(each) // 2] for each in first), *rest)
        case Fault.GARBAGE:
            return (GARBAGE[harm.kind], *after)
        case _:
            return after
