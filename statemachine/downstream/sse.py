"""One Server-Sent Events frame (WHATWG HTML, section 9.2).

Differences from common libraries: LF only, because CR LF is rejected by some strict clients; and
a heartbeat of one comment line without a blank line, because an empty block reaches the handlers
of some clients as an empty message.
"""

CONTENT_TYPE = "text/event-stream; charset=utf-8"
HEARTBEAT = b":\n"


def frame(
    payload: bytes,
    number: int | None = None,
    event: str | None = None,
    states: str | None = None,
) -> bytes:
    """Return one frame; `payload` must be one line, as compact JSON is.

    `states` becomes a field that the specification tells every parser to ignore.
    """
    head = b"" if number is None else b"id: %d\n" % number
    if event:
        head += b"event: %b\n" % event.encode()
    if states:
        head += b"state: %b\n" % states.encode()
    return b"%bdata: %b\n\n" % (head, payload)


def retry(delay_ms: int) -> bytes:
    """Return the `retry:` line that goes in front of a frame, in the same block."""
    return b"retry: %d\n" % delay_ms


def farewell(reason: str, delay_ms: int) -> bytes:
    """Return what ends a body before its stream has ended; a client that reconnects goes on.

    Without a blank line it reaches no handler, and the delay counts all the same.
    """
    return b": %b\n%b" % (reason.encode(), retry(delay_ms))
