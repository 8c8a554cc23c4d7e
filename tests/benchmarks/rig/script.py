"""What the upstream says, rendered before anything is measured: frames that real servers sent.

A token is ` @` and the microsecond in which it was sent, in ten digits, so that a reader can count
tokens and tell how long each was on its way, whatever a target makes of the frames around it.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RECORDINGS = Path(__file__).parents[2] / "recordings"
MARK = b"@"
STAMP = "@0000000000"
BLOCK_TOKENS = 64
_BEGUN_NS = time.perf_counter_ns()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: "
_STREAM = _HEAD + b"text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"

MODEL = {"identifier": "a/m", "provider_id": "a", "provider_resource_id": "m", "model_type": "llm"}
TURNS = {"responses": "/v1/responses", "agents": "/v1alpha/agents/a/session/s/turn"}
SOURCES = {
    "responses": ("0.7.3", "responses-0.7.3/text_plain.sse"),
    "agents": ("0.3.5", "agents-0.3.5/text.sse"),
}
TERMINALS = {
    "responses": b'"type":"response.completed"',
    "agents": b'"event_type":"turn_complete"',
}


@dataclass(frozen=True, slots=True)
class Script:
    """One dialect on the wire. `token` is what stands before and after a stamp."""

    dialect: str
    opening: bytes
    token: tuple[bytes, bytes]
    block: bytes
    ending: bytes
    answers: Mapping[bytes, bytes]

    @property
    def path(self) -> str:
        """Where a turn is asked for."""
        return TURNS[self.dialect]

    @property
    def terminal(self) -> bytes:
        """What only the last frame of a stream has."""
        return TERMINALS[self.dialect]


def now_us() -> int:
    """Return microseconds since this process began."""
    return (time.perf_counter_ns() - _BEGUN_NS) // 1_000


def script(dialect: str) -> Script:
    """Render a recorded answer whose words are `word0 word1 ... word11`."""
    version, recording = SOURCES[dialect]
    frames = (RECORDINGS / recording).read_bytes().strip().split(b"\n\n")
    words = [number for number, frame in enumerate(frames) if b' word1"' in frame]
    first = words[0] - 1
    last = max(number for number, frame in enumerate(frames) if b'" word11"' in frame)
    token = _chunk(frames[words[0]].replace(b" word1", f" {STAMP}".encode()))
    before, after = token.split(STAMP.encode())
    return Script(
        dialect,
        _STREAM + b"".join(map(_chunk, frames[:first])),
        (before + MARK, after),
        token * BLOCK_TOKENS,
        b"".join(map(_chunk, frames[last + 1 :])) + b"0\r\n\r\n",
        _answers(version),
    )


def _chunk(frame: bytes) -> bytes:
    """Return a frame as a chunk of its own, as servers send it."""
    return b"%x\r\n%b\n\n\r\n" % (len(frame) + 2, frame)


def _answers(version: str) -> dict[bytes, bytes]:
    """Return what is answered beside the streams, by method and path."""
    nothing: dict[str, object] = {"data": []}
    said: dict[str, object] = {
        "GET /v1/version": {"version": version},
        "GET /v1/models": {"data": [MODEL]},
        "GET /v1/shields": nothing,
        "GET /v1/toolgroups": nothing,
        "GET /v1/vector_stores": nothing,
        "POST /v1alpha/agents": {"agent_id": "a"},
        "POST /v1alpha/agents/a/session": {"session_id": "s"},
    }
    return {asked.encode(): _json(answer) for asked, answer in said.items()}


def _json(value: object) -> bytes:
    body = json.dumps(value).encode()
    return _HEAD + b"application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


NOTHING = _json({})
"""The answer to anything else, such as a deletion."""
