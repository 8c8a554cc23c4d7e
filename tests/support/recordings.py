"""Every recorded stream in the checkout, read without the product's own readers."""

import json
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CAPTURES = ROOT / "tests" / "recordings"
"""Recordings of real servers, raw bodies and timed ones, one folder per server version."""

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


def captures(root: Path = CAPTURES) -> list[RecordedStream]:
    """Read every raw capture."""
    return [_capture(path) for path in sorted(root.glob("*/*.sse"))]


def timed_captures(root: Path = CAPTURES) -> list[RecordedStream]:
    """Read what `turnstile record` has written beside the raw captures."""
    return [_timed(path, path.parent.name) for path in sorted(root.glob("*/*.jsonl"))]


def demonstrations() -> list[RecordedStream]:
    """Read every demonstration."""
    return [_timed(path, "demonstrations") for path in sorted(DEMONSTRATIONS.glob("*.jsonl"))]


def recorded_streams(root: Path = CAPTURES) -> list[RecordedStream]:
    """Read everything that was recorded."""
    return captures(root) + timed_captures(root) + demonstrations()


def unread_files(root: Path) -> set[Path]:
    """Return the files among captures that are neither one nor the request of one."""
    read = {each.path for each in recorded_streams(root)}
    requests = {path.with_suffix(".request.json") for path in read}
    return {path for path in root.rglob("*") if path.is_file()} - read - requests


def _capture(path: Path) -> RecordedStream:
    lines = path.read_bytes().split(b"\n")
    payloads = tuple(line[len(b"data: ") :] for line in lines if line.startswith(b"data: "))
    dialect = "agents" if path.parent.name.startswith("agents") else "responses"
    return RecordedStream(f"{path.parent.name}/{path.stem}", path, dialect, payloads)


def _timed(path: Path, folder: str) -> RecordedStream:
    # What has no end of line was cut while it was written.
    header, *lines = (json.loads(line) for line in path.read_bytes().split(b"\n")[:-1])
    payloads = tuple(line["data"].encode() for line in lines if "data" in line)
    reset = bool(lines) and lines[-1].get("ended") == "reset"
    return RecordedStream(f"{folder}/{path.stem}", path, header["dialect"], payloads, reset)
