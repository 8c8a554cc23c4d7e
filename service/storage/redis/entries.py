"""What Redis holds of a turn, as this version reads it."""

from service.domain import Estate
from service.errors import LogUnavailable
from service.storage.redis.values import decode
from statemachine import Emission, unpack

type Entry = tuple[bytes, list[bytes]]


class Unreadable(LogUnavailable):
    """Another version has kept a turn, which has to be read and ended there."""


def emission_of(entry: Entry) -> Emission:
    """Return what an entry of a log holds.

    Raises:
        Unreadable: it is none of this version.
    """
    name, fields = entry
    kept = dict(zip(fields[::2], fields[1::2], strict=False))
    try:
        return unpack(int(name.partition(b"-")[0]), kept[b"p"], kept.get(b"r", b""))
    except (KeyError, ValueError) as odd:
        raise Unreadable("The turn was written by another version.") from odd


def estate_of(kept: bytes) -> Estate:
    """Return an estate that was kept.

    Raises:
        Unreadable: it is none of this version.
    """
    try:
        return decode(kept, Estate)
    except ValueError as odd:
        raise Unreadable("The turn was kept by another version.") from odd
