"""What a client was told, from the bytes that it read, held against the laws of a stream.

It shares no code with the product: a strict SSE reader, JSON and a hash function.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.support.sse import Message, read_messages

TERMINAL = frozenset({"end", "error", "interrupted", "awaiting_input"})

type Data = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """A whole answer; `body` are the bytes as they were on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @cached_property
    def messages(self) -> list[Message]:
        """The messages of an event stream."""
        return read_messages(self.body)

    @cached_property
    def events(self) -> list[Data]:
        """The envelopes of a native stream."""
        return [json.loads(message.data) for message in self.messages]

    @property
    def names(self) -> list[str]:
        """The names of the events, each run of the same one once."""
        every = [str(each["event"]) for each in self.events]
        return [name for name, before in zip(every, ["", *every], strict=False) if name != before]

    @property
    def text(self) -> str:
        """The answer text as it was streamed."""
        return "".join(each["token"] for each in self.all("token"))

    @property
    def last(self) -> Data:
        """The terminal event: its name as `event`, and its data."""
        return {"event": self.events[-1]["event"], **self.events[-1]["data"]}

    @property
    def request_id(self) -> str:
        """The id of the turn."""
        return self.headers["x-request-id"]

    @property
    def conversation_id(self) -> str:
        """The id of the conversation."""
        return self.headers["x-conversation-id"]

    @property
    def problem(self) -> Data:
        """The body of a refused request: its status, code and both sentences."""
        body: Data = json.loads(self.body)
        return {"status": self.status, "code": body["code"], **body["detail"]}

    def all(self, name: str) -> list[Data]:
        """Return the data of all events with this name."""
        return [each["data"] for each in self.events if each["event"] == name]

    def one(self, name: str) -> Data:
        """Return the data of the only event with this name."""
        (data,) = self.all(name)
        return data

    def tools(self, name: str = "tool_call") -> list[str]:
        """Return the names of the tools in all events with this name."""
        return [each["token"]["tool_name"] for each in self.all(name)]

    def check(self) -> "Told":
        """Hold the stream against the laws (protocol, section 3), and return it."""
        assert self.status == 200, self.body
        names = [each["event"] for each in self.events]
        assert [name in TERMINAL for name in names] == [False] * (len(names) - 1) + [True]
        numbers = [each["data"]["id"] for each in self.events]
        assert numbers == list(range(1, len(names) + 1))
        assert [message.last_id for message in self.messages] == [str(each) for each in numbers]
        assert self.last["count"] == len(names)
        assert self.last["digest"] == digest_of(self.messages[:-1])
        self._check_calls()
        return self

    def _check_calls(self) -> None:
        """Every call that began has returned."""
        called = Counter(each["call_id"] for each in self.all("tool_call"))
        assert called <= Counter(each["call_id"] for each in self.all("tool_result"))


def digest_of(messages: Sequence[Message]) -> str:
    """Compute a digest as any client could."""
    digest = hashlib.sha256()
    for message in messages:
        digest.update(message.data.encode() + b"\n")
    return digest.hexdigest()
