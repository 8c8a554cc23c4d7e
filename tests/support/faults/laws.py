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
    lost = lost or reader.loses_lines
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
    last = int(reader.after or 0)
    for visit in reader.visits:
        following = last + 1
        for event in visit.events:
            data = event.envelope["data"]
            if event.name == "gap":
                assert gaps, event.payload
                # It may lead back: what a dead owner has told nobody else is not of the turn.
                assert data["from"] == last + 1 != data["to"], event.payload
                following = data["to"]
            elif event.id:
                assert event.id == str(data["id"]) == str(following), (event, following)
                last, following = following, following + 1
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
    if reader.ended and not (_has_gaps(reader) or _has_gaps(like)):
        assert reader.numbered == undisturbed[begin:]
    known = {each.id: each.payload for each in undisturbed}
    for event in _not_taken_back(reader):
        if event.id in known or not _has_gaps(like):
            assert known.get(event.id) == event.payload, (event, known.get(event.id))


def _not_taken_back(reader: Reader) -> list[Event]:
    """Leave out what a gap has led back over."""
    kept: list[Event] = []
    for event in reader.events:
        if event.name == "gap":
            to = event.envelope["data"]["to"]
            kept = [each for each in kept if int(each.id) < to]
        elif event.id:
            kept.append(event)
    return kept


def _has_gaps(reader: Reader) -> bool:
    return any(each.name == "gap" for each in reader.events)
