"""Cursors of lists that are read in pages: opaque, and good for the list that gave them only.

They are no secret and give nothing away; a check sum is there to tell what was not given here.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from service.errors import CursorInvalid

_SUM_BYTES = 9
_PLACE = re.compile(rb"(\d{1,15}) ([!-~]{1,64})")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends: the time and the id of what is there."""

    time_ms: int
    id: str


def cursor_of(what: str, place: Place) -> str:
    """Return the cursor of a place in the list `what`."""
    payload = f"{place.time_ms} {place.id}".encode()
    return base64.urlsafe_b64encode(_sum(what, payload) + payload).rstrip(b"=").decode()


def place_of(what: str, cursor: str | None) -> Place | None:
    """Return the place in the list `what` that a cursor stands for, None for its beginning.

    Raises:
        CursorInvalid: it was not given for this list.
    """
    if cursor is None:
        return None
    try:
        data = _decoded(cursor)
    except ValueError:
        data = b""
    payload = data[_SUM_BYTES:]
    found = _PLACE.fullmatch(payload)
    if found is None or data[:_SUM_BYTES] != _sum(what, payload):
        raise CursorInvalid("cursor: it was not given for this list.")
    return Place(int(found[1]), found[2].decode())


def _decoded(cursor: str) -> bytes:
    """Return the bytes of a cursor, which has one way to be written.

    Raises:
        ValueError: it is none.
    """
    given = cursor.encode("ascii")
    padding = b"=" * (-len(given) % 4)
    data = base64.b64decode(given + padding, altchars=b"-_", validate=True)
    if base64.urlsafe_b64encode(data).rstrip(b"=") != given:
        raise binascii.Error("it is written in another way")
    return data


def _sum(what: str, payload: bytes) -> bytes:
    named = what.encode("utf-8", "surrogatepass") + b"\0" + payload
    return hashlib.blake2b(named, digest_size=_SUM_BYTES, person=b"cursor").digest()
