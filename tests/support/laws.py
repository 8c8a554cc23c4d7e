"""The laws of a stream (PROTOCOL, section 3), checked from outside on whatever a stream gave."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from statemachine import (
    DECODERS,
    Emission,
    NativeEncoder,
    OutputModeration,
    TextEncoder,
    TurnStarted,
    TurnStream,
)
from statemachine.events import TurnResumed
from statemachine.upstream import Decoder
from tests.support.sse import SseReader

TERMINAL = frozenset({"end", "error", "interrupted", "awaiting_input"})


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


_JSON = json.JSONDecoder(parse_constant=_refuse)


@dataclass(frozen=True, slots=True)
class Run:
    """A stream that has ended, and all that it emitted."""

    stream: TurnStream
    emissions: tuple[Emission, ...]

    @property
    def native(self) -> bytes:
        """The whole body in the native dialect."""
        encoder = NativeEncoder()
        return b"".join(encoder.encode(emission) for emission in self.emissions)

    @property
    def text(self) -> bytes:
        """The whole body in the text dialect."""
        encoder = TextEncoder()
        return b"".join(encoder.encode(emission) for emission in self.emissions)

    @property
    def told(self) -> list[dict[str, object]]:
        """What the client was told, as parsed native JSON."""
        return [parsed(emission.payload) for emission in self.emissions]

    @property
    def last(self) -> dict[str, object]:
        """The terminal event: its name and its data in one mapping."""
        last = self.told[-1]
        data = last["data"]
        assert isinstance(data, dict)
        return {"event": last["event"], **data}


def parsed(payload: bytes) -> dict[str, object]:
    """Parse JSON as strictly as a browser does: no NaN, no Infinity."""
    value = _JSON.decode(payload.decode())
    assert isinstance(value, dict)
    return value


def new_stream(decoder: Decoder, moderation: OutputModeration | None = None) -> TurnStream:
    """Open nothing yet."""
    return TurnStream(
        decoder,
        conversation_id="conv-1",
        request_id="req-1",
        prompt="How are you?",
        moderation=moderation,
    )


def run_chunks(decoder: Decoder, chunks: Iterable[object], *, begin: bool = True) -> Run:
    """Feed parsed chunks and finish."""
    stream = new_stream(decoder)
    chunks = list(chunks)
    emissions = stream.begin(_opening(decoder, chunks)) if begin else ()
    for chunk in chunks:
        emissions += stream.feed(chunk)
    return Run(stream, emissions + stream.finish())


def run_payloads(dialect: str, payloads: Iterable[bytes], *, reset: bool = False) -> Run:
    """Feed payloads as they were on the wire and finish."""
    payloads = list(payloads)
    decoder = DECODERS[dialect]()
    stream = new_stream(decoder)
    emissions = stream.begin(_opening(decoder, [_json_or_none(each) for each in payloads[:1]]))
    for payload in payloads:
        emissions += stream.feed_payload(payload)
    return Run(stream, emissions + stream.finish(reset=reset))


def _opening(decoder: Decoder, chunks: list[object]) -> TurnStarted | TurnResumed:
    return decoder.opening(chunks[0] if chunks else None)


def _json_or_none(payload: bytes) -> object:
    try:
        value: object = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return value


def check(run: Run) -> None:
    """Hold a run against every law that one stream alone can show."""
    told = run.told
    names = [str(each["event"]) for each in told]
    assert [name in TERMINAL for name in names] == [False] * (len(names) - 1) + [True]
    assert run.stream.ended
    assert run.stream.summary.outcome == names[-1]
    _check_numbers(run, told)
    _check_calls(told)
    _check_bodies(run)


def digest_of(payloads: Iterable[bytes]) -> str:
    """Compute a digest with nothing but a hash function, as any client could."""
    digest = hashlib.sha256()
    for payload in payloads:
        digest.update(payload + b"\n")
    return digest.hexdigest()


def _check_numbers(run: Run, told: list[dict[str, object]]) -> None:
    payloads = [emission.payload for emission in run.emissions]
    numbers = [each["data"]["id"] for each in told]  # type: ignore[index] # it is an object
    assert numbers == [emission.number for emission in run.emissions]
    assert numbers == list(range(1, len(payloads) + 1))
    assert run.last["count"] == len(payloads)
    assert run.last["digest"] == digest_of(payloads[:-1])


def _check_calls(told: list[dict[str, object]]) -> None:
    """No call stays open at the end."""
    open_calls: Counter[object] = Counter()
    for each in told:
        data = each["data"]
        assert isinstance(data, dict)
        if each["event"] == "tool_call":
            open_calls[data["call_id"]] += 1
        if each["event"] == "tool_result":
            open_calls[data["call_id"]] -= 1
    assert max(open_calls.values(), default=0) <= 0


def _check_bodies(run: Run) -> None:
    reader = SseReader()
    messages = reader.feed(run.native)
    assert not reader.partial
    assert [message.data.encode() for message in messages] == [
        each.payload for each in run.emissions
    ]
    assert [message.last_id for message in messages] == [str(each.number) for each in run.emissions]
    run.text.decode()
