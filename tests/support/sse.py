"""A strict reader of Server-Sent Events (WHATWG HTML, section 9.2), at any cut of the bytes.

It shares no code with the product. It is stricter than a browser in one thing: bytes that are not
UTF-8 raise, where a browser would put replacement characters.
"""

import codecs
import re
from dataclasses import dataclass, field

_BOM = "\ufeff"
_LINE_END = re.compile("\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Message:
    """One message as an `EventSource` would hand it to its listener."""

    data: str
    event: str = "message"
    last_id: str = ""


@dataclass(slots=True)
class SseReader:
    """Reads one body. `comments`, `ignored` and `retry_ms` say what came besides messages."""

    retry_ms: int | None = None
    last_id: str = ""
    comments: list[str] = field(default_factory=list)
    ignored: list[tuple[str, str]] = field(default_factory=list)
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("strict")
    )
    _line: str = ""
    _data: list[str] = field(default_factory=list)
    _event: str = ""
    _after_cr: bool = False
    _begun: bool = False

    @property
    def partial(self) -> bool:
        """Tell whether bytes were read that no blank line has closed."""
        return bool(self._line or self._data or self._event or self._decoder.getstate()[0])

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that these bytes complete."""
        text = self._without_bom(self._decoder.decode(data))
        if text:
            follows_cr, self._after_cr = self._after_cr, text.endswith("\r")
            text = text.removeprefix("\n") if follows_cr else text
        *lines, self._line = _LINE_END.split(self._line + text)
        return [message for line in lines for message in self._take(line)]

    def _without_bom(self, text: str) -> str:
        if self._begun or not text:
            return text
        self._begun = True
        return text.removeprefix(_BOM)

    def _take(self, line: str) -> list[Message]:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            self.comments.append(line[1:])
            return []
        name, _, value = line.partition(":")
        self._field(name, value.removeprefix(" "))
        return []

    def _field(self, name: str, value: str) -> None:
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._event = value
            case "id" if "\0" not in value:
                self.last_id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_ms = int(value)
            case _:
                self.ignored.append((name, value))

    def _dispatch(self) -> list[Message]:
        data, self._data = self._data, []
        event, self._event = self._event, ""
        if not data:
            return []
        return [Message("\n".join(data), event or "message", self.last_id)]


def read_messages(body: bytes) -> list[Message]:
    """Read a whole body, which must not end inside a message."""
    reader = SseReader()
    messages = reader.feed(body)
    if reader.partial:
        message = "the body ends inside a message"
        raise ValueError(message)
    return messages
