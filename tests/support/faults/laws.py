"""What every reader may count on, whatever has gone wrong (PROTOCOL, section 3).

Seen from outside alone: bytes that were sent, and a hash function.
"""

from collections.abc import Collection, Sequence

from tests.support.faults.readers import Ending, Event, Reader, Visit
from tests.support.laws import digest_of, parsed

_STATUSES = frozenset({200, 204})
_NOTICES = frozenset({"draining", "rotated", "busy"})


def assert_laws(
    reader: Reader,
    *,
    like: Reader | None = None,
    lost: bool = False,
    gaps: bool = False,
    statuses: Collection[int] = _STATUSES,
) -> None:
    """Hold all that a reader was sent against the laws.

    It is `like` a reader of the same turn that nothing has happened to. Connections may be `lost`,
    and there may be `gaps`, only where the test has seen to that.
    """
    for visit in reader.visits:
        unanswered = not visit.status and (lost or visit.ending is Ending.LEFT)
        assert unanswered or visit.status in statuses, visit.status
        _assert_ending(visit, lost=lost)
        _assert_framing(visit)
    _assert_one_end(reader)
    _assert_numbers(reader, gaps=gaps)
    if reader.ended and not gaps:
        _assert_seal(reader)
    if like is not None:
        _assert_same(reader, like)


def assert_whole(
    reader: Reader, *, like: Reader | None = None, lost: bool = False, gaps: bool = False
) -> None:
    """Hold a reader against the laws who was there from the first event to the last."""
    assert reader.ended, "the reader has not come to the end"
    assert_laws(reader, like=like, lost=lost, gaps=gaps)


def _assert_ending(visit: Visit, *, lost: bool) -> None:
    """A body never just stops."""
    assert visit.ending is not None, "it was not read to its end"
    assert visit.ending is not Ending.STOPPED, bytes(visit.body[-200:])
    assert lost or visit.ending is not Ending.LOST, "the connection was lost"
    if visit.ending is Ending.SENT_AWAY:
        assert visit.reason in _NOTICES, visit.reason
    if visit.method == "HEAD" or visit.status == 204:
        assert not visit.body


def _assert_framing(visit: Visit) -> None:
    """Nothing but events, heartbeats, and a reason at the end."""
    if not visit.streams:
        return
    comments = [each for each in visit.parser.comments if each]
    reasons = [f" {visit.reason}"] if visit.reason else []
    cut = visit.ending in (Ending.LEFT, Ending.LOST)
    assert comments == reasons or (cut and len(comments) <= 1), comments
    assert cut or not visit.parser.ignored, visit.parser.ignored
    assert b"\r" not in visit.body


def _assert_one_end(reader: Reader) -> None:
    """At most one terminal event, and nothing after it."""
    names = [each.name for each in reader.events if each.name != "unavailable"]
    ends = [each.terminal for each in reader.events if each.name != "unavailable"]
    assert sum(ends) <= 1, names
    assert True not in ends[:-1], names


def _assert_numbers(reader: Reader, *, gaps: bool) -> None:
    """Numbers go up by one, from where the reader began; only a gap leaves some out."""
    expected = int(reader.after or 0) + 1
    for event in reader.events:
        data = event.envelope["data"]
        if event.name == "gap":
            assert gaps, event.payload
            assert data["from"] == expected, event.payload
            assert data["to"] > expected or data["to"] == expected - 1, event.payload
            expected = data["to"]
        elif event.id:
            assert event.id == str(data["id"]) == str(expected), (event, expected)
            expected += 1
        else:
            assert event.name == "unavailable", event.payload


def _assert_seal(reader: Reader) -> None:
    """The terminal event proves that everything has come, with nothing but a hash function."""
    *before, last = reader.numbered
    data = parsed(last.payload)["data"]
    assert isinstance(data, dict)
    assert data["count"] == int(last.id)
    if not reader.after or reader.after == "0":
        assert data["count"] == len(before) + 1
        assert data["digest"] == digest_of(each.payload for each in before)


def _assert_same(reader: Reader, like: Reader) -> None:
    """Byte for byte what an undisturbed reader of the turn has got, as far as it has come."""
    begin = int(reader.after or 0)
    undisturbed: Sequence[Event] = like.numbered
    known = {each.id: each.payload for each in undisturbed}
    for event in reader.numbered:
        assert known.get(event.id) == event.payload, (event, known.get(event.id))
    if reader.ended and not any(each.name == "gap" for each in reader.events):
        assert reader.numbered == undisturbed[begin:]
