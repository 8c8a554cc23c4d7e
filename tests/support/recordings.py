"""Every recorded stream in the checkout, read without the product's own readers."""

import json
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CAPTURES = ROOT / "tests" / "recordings"
"""Raw response bodies of real servers, one folder per server version."""

DEMONSTRATIONS = ROOT / "service" / "recordings"
"""Timed recordings that the embedded default replays."""


@dataclass(frozen=True, slots=True)
class RecordedStream:
    """One recorded stream: the payloads of its frames as they were on the wire.

    `reset` says that the connection was lost at its end.
    """

    name: str
    path: Path
    dialect: str
    payloads: tuple[bytes, ...]
    reset: bool = False

    @property
    def chunks(self) -> tuple[object, ...]:
        """The payloads as parsed JSON."""
        return tuple(json.loads(payload) for payload in self.payloads)


def captures() -> list[RecordedStream]:
    """Read every raw capture."""
    return [_capture(path) for path in sorted(CAPTURES.glob("*/*.sse"))]


def demonstrations() -> list[RecordedStream]:
    """Read every demonstration."""
    return [_demonstration(path) for path in sorted(DEMONSTRATIONS.glob("*.jsonl"))]


def recorded_streams() -> list[RecordedStream]:
    """Read everything that was recorded."""
    return captures() + demonstrations()


def _capture(path: Path) -> RecordedStream:
    lines = path.read_bytes().split(b"\n")
    payloads = tuple(line[len(b"data: ") :] for line in lines if line.startswith(b"data: "))
    dialect = "agents" if path.parent.name.startswith("agents") else "responses"
    return RecordedStream(f"{path.parent.name}/{path.stem}", path, dialect, payloads)


def _demonstration(path: Path) -> RecordedStream:
    header, *lines = (json.loads(line) for line in path.read_bytes().split(b"\n") if line)
    payloads = tuple(line["data"].encode() for line in lines if "data" in line)
    reset = lines[-1].get("ended") == "reset"
    return RecordedStream(f"demonstrations/{path.stem}", path, header["dialect"], payloads, reset)
