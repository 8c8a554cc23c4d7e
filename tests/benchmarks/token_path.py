"""What one token and one turn cost inside the process, all measured in one run.

Times are the best of several rounds, in microseconds of one core; the reference beside them is
what the standard library takes to parse and write the same chunk.
"""

import gc
import hashlib
import json
import sys
import timeit
import tracemalloc
from collections.abc import Callable

from statemachine import DECODERS, NativeEncoder, TurnStarted, TurnStream
from statemachine.downstream.native import payload
from statemachine.emissions import Emission, Token
from statemachine.events import StepKind, TextDelta
from statemachine.machine import ENGINE, TurnMachine
from statemachine.upstream.frames import parse_payload

ROUNDS = 7
CALLS = 20_000
TURNS = 2_000
PATH_LIMIT = 2.0
NEW_TURN_LIMIT_US = 20.0
OPEN_TURN_LIMIT_BYTES = 4_096

STEP = "056e4be7-9ff5-405e-84e2-f72d8a6172e4"
OPENINGS = {
    "agents": {
        "event": {
            "payload": {
                "event_type": "step_start",
                "step_type": "inference",
                "step_id": STEP,
                "metadata": {},
            }
        }
    },
    "responses": {
        "type": "response.content_part.added",
        "item_id": STEP,
        "content_index": 0,
        "output_index": 0,
        "part": {"type": "output_text", "text": ""},
    },
}
TOKENS = {
    "agents": {
        "event": {
            "payload": {
                "event_type": "step_progress",
                "step_type": "inference",
                "step_id": STEP,
                "delta": {"type": "text", "text": " containers"},
            }
        }
    },
    "responses": {
        "content_index": 0,
        "delta": " containers",
        "item_id": STEP,
        "logprobs": [],
        "output_index": 0,
        "sequence_number": 7,
        "type": "response.output_text.delta",
    },
}


def best_us(call: Callable[[], object], calls: int = CALLS) -> float:
    """Return the time of one call in microseconds, the best of the rounds."""
    return min(timeit.repeat(call, number=calls, repeat=ROUNDS)) / calls * 1e6


def opened(dialect: str) -> TurnStream:
    """Return a stream that waits for tokens."""
    stream = TurnStream(DECODERS[dialect](), conversation_id="c" * 36, request_id="r" * 36)
    stream.begin(TurnStarted())
    stream.feed(OPENINGS[dialect])
    return stream


def whole_path(dialect: str) -> tuple[float, float]:
    """Return the time of payload bytes to native bytes, and of the reference."""
    data = json.dumps(TOKENS[dialect], separators=(",", ":")).encode()
    stream, encode = opened(dialect), NativeEncoder().encode

    def path() -> None:
        for emission in stream.feed_payload(data):
            encode(emission)

    def reference() -> None:
        json.dumps(json.loads(data))

    return best_us(path), best_us(reference)


def stages() -> dict[str, float]:
    """Return the time of every stage of a token of an agent turn."""
    chunk = TOKENS["agents"]
    data = json.dumps(chunk, separators=(",", ":")).encode()
    stream = opened("agents")
    decoder, context = stream._decoder, stream._machine.context
    machine = TurnMachine("c", "r")
    machine.context = context
    event = TextDelta(STEP, StepKind.INFERENCE, " containers")
    output = Token(" containers")
    native = payload(7, output)
    emission, encode, digest = Emission(7, output, native), NativeEncoder().encode, hashlib.sha256()
    row = {("step_in_progress", "TextDelta"): None}
    trigger = ENGINE.events["TextDelta"].trigger
    return {
        "parse (payload to chunk)": best_us(lambda: parse_payload(data)),
        "decode (chunk to event)": best_us(lambda: decoder.decode(chunk)),
        "transition, compiled lane": best_us(lambda: machine.receive(event)),
        "transition, the engine itself": best_us(lambda: trigger(context, context, event, [])),
        "native payload": best_us(lambda: payload(7, output)),
        "digest": best_us(lambda: digest.update(native + b"\n")),
        "frame": best_us(lambda: encode(emission)),
        "for comparison: a dict lookup": best_us(lambda: row["step_in_progress", "TextDelta"]),
        "for comparison: json.loads": best_us(lambda: json.loads(data)),
        "for comparison: json.dumps": best_us(lambda: json.dumps(chunk)),
    }


def new_turn_us() -> float:
    """Return the time to make a turn and open it."""

    def new_turn() -> None:
        stream = TurnStream(DECODERS["agents"](), conversation_id="c", request_id="r")
        stream.begin(TurnStarted())

    return best_us(new_turn, TURNS)


def open_turn_bytes(dialect: str) -> float:
    """Return what an open turn holds in memory before its first token."""
    opened(dialect)
    gc.collect()
    tracemalloc.start()
    turns = [opened(dialect) for _ in range(TURNS)]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / len(turns)


def main() -> int:
    """Print the table; the status is 1 when a target is missed."""
    print(f"Python {sys.version.split()[0]}; microseconds, best of {ROUNDS} x {CALLS}")
    for name, cost in stages().items():
        print(f"  {name:<34} {cost:8.2f}")
    missed = []
    for dialect in DECODERS:
        cost, reference = whole_path(dialect)
        ratio = cost / reference
        held = open_turn_bytes(dialect)
        print(
            f"{dialect}: whole path {cost:.2f}, json.loads + json.dumps {reference:.2f}: ", end=""
        )
        print(f"{ratio:.2f} x (target {PATH_LIMIT:g} x); open turn {held:,.0f} bytes", end="")
        print(f" (target {OPEN_TURN_LIMIT_BYTES:,})")
        missed += [ratio > PATH_LIMIT, held > OPEN_TURN_LIMIT_BYTES]
    created = new_turn_us()
    print(f"new turn, opened: {created:.1f} (target {NEW_TURN_LIMIT_US:g})")
    return int(any([*missed, created > NEW_TURN_LIMIT_US]))


if __name__ == "__main__":
    sys.exit(main())
