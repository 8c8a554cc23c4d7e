"""What can be wrong with a stream. Blame is in the type."""


class StreamError(Exception):
    """A stream broke a rule.

    `code` is stable, `status_code` is the HTTP status where one applies, and the text of the
    exception is safe to show to a client.
    """

    code = "stream_error"
    status_code = 502


class ProtocolViolation(StreamError):
    """The upstream broke a rule."""


class MalformedChunk(ProtocolViolation):
    """A chunk does not have the shape that its kind demands.

    `where` is a dotted path into the chunk, `expected` says what should stand there.
    """

    code = "malformed_chunk"

    def __init__(self, where: str, expected: str) -> None:
        super().__init__(f"{where}: expected {expected}")
        self.where = where
        self.expected = expected


class NotJson(ProtocolViolation):
    """A frame of the upstream body is not JSON."""

    code = "upstream_not_json"


class FrameTooLarge(ProtocolViolation):
    """A frame of the upstream body is larger than the limit."""

    code = "upstream_frame_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"a frame is larger than {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class IllegalTransition(ProtocolViolation):
    """An event is not in the table for the state that the turn is in.

    `legal` names the events that have a row; `needs` names the guards that refused this one.
    """

    code = "illegal_transition"

    def __init__(self, state: str, event: str, legal: tuple[str, ...], needs: str) -> None:
        because = f" unless {needs}" if needs else ""
        listed = ", ".join(legal) or "nothing"
        super().__init__(f"{event} is not legal in {state}{because}; legal: {listed}")
        self.state = state
        self.event = event
        self.legal = legal
        self.needs = needs


class RecordingDamaged(StreamError):
    """A recording cannot be read; `line` counts from 1."""

    code = "recording_damaged"

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


class MachineMisuse(StreamError):
    """Our own code used the machine wrongly: a bug, never blamed on the upstream."""

    code = "machine_misuse"
    status_code = 500
