"""From the bytes of an upstream body to its payloads, at any cut of the bytes."""

import json
import math
import time
from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statemachine import FrameReader, FrameTooLarge, NotJson
from statemachine.upstream.frames import parse_payload

# fmt: off
BODIES = [
    (b"data: a\n\ndata: b\n\n",                     [b"a", b"b"]),
    (b"data: a\r\n\r\ndata: b\r\n\r\n",             [b"a", b"b"]),
    (b"\xef\xbb\xbfdata: a\n\n",                    [b"a"]),
    (b"data: a\n\n\xef\xbb\xbfdata: b\n\n",         [b"a"]),
    (b": ping\n\ndata: a\n\n:\n",                   [b"a"]),
    (b"data: a\ndata: b\n\n",                       [b"a\nb"]),
    (b"data:a\n\ndata:  b\n\n",                     [b"a", b" b"]),
    (b"event: x\nid: 7\nretry: 1\ndata: a\n\n",     [b"a"]),
    (b'data: {"a":\ndata: 1}\n\n',                  [b'{"a":\n1}']),
    ("data: a\u2028b\u2029c\x85d\n\n".encode(),     ["a\u2028b\u2029c\x85d".encode()]),
    (b"data: a\rb\n\n",                             [b"a\rb"]),
    (b"data:\n\n",                                  [b""]),
    (b"\n\n\ndata: a\n\n\n",                        [b"a"]),
    (b"data: a\n",                                  []),
    (b"",                                           []),
]
PARTIAL = [
    (b"", False), (b"data: a\n\n", False), (b"data: a\n", True), (b"data: a", True), (b"d", True),
    (b":\n", False), (b"id: 7\n", False),
]
ODD_JSON = [
    (b'{"a":1}', {"a": 1}), (b"1e999", math.inf), (b'"\\ud800"', "\ud800"),
    (b"-Infinity", -math.inf),
    (str(10**30).encode(), 10**30), (b'{"a":1,"a":2}', {"a": 2}), (b" [1] ", [1]),
]
NO_JSON = [
    b"", b"{", b"[DONE]", b"hello", b"\xff", b'"\xff"', b'{"a":1}x', b"[" * 100_000, b"'a'",
    b"\x00", b"1" * 5_000, b"\xef\xbb\xbf{",
]
# fmt: on


def read(body: bytes, *cuts: int) -> list[bytes]:
    """Read a body that arrives in parts."""
    reader = FrameReader()
    edges = [0, *sorted(cuts), len(body)]
    parts = [body[start:end] for start, end in pairwise(edges)]
    return [payload for part in parts for payload in reader.feed(part)]


@pytest.mark.parametrize(("body", "payloads"), BODIES, ids=range(len(BODIES)))
def test_payloads_are_found_at_every_cut(body: bytes, payloads: list[bytes]) -> None:
    for cut in range(len(body) + 1):
        assert read(body, cut) == payloads
    assert read(body, *range(len(body))) == payloads


@given(
    lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r")), min_size=1),
    data=st.data(),
)
def test_any_text_arrives_at_any_cut(lines: list[str], data: st.DataObject) -> None:
    body = b"".join(b"data: %b\n\n" % line.encode() for line in lines)
    cuts = data.draw(st.lists(st.integers(0, len(body))))

    assert read(body, *cuts) == [line.encode() for line in lines]


@pytest.mark.parametrize(("body", "partial"), PARTIAL, ids=range(len(PARTIAL)))
def test_a_body_may_end_inside_a_frame(body: bytes, *, partial: bool) -> None:
    reader = FrameReader()

    reader.feed(body)

    assert reader.partial is partial


@pytest.mark.parametrize("step", [1, 7, 50, 1_000])
@pytest.mark.parametrize("frame", [b"data: " + b"x" * 99 + b"\n\n", b"data: x\n" * 60 + b"\n"])
def test_a_frame_beyond_the_limit_is_refused_at_any_cut(frame: bytes, step: int) -> None:
    reader = FrameReader(limit_bytes=50)
    parts = (frame[start : start + step] for start in range(0, len(frame), step))

    with pytest.raises(FrameTooLarge, match="larger than 50 bytes"):
        deque(map(reader.feed, parts), maxlen=0)


def test_many_small_frames_have_no_limit_together() -> None:
    reader = FrameReader(limit_bytes=50)

    assert len(reader.feed(b"data: x\n\n" * 1_000)) == 1_000


@pytest.mark.parametrize("part", [b"x" * 16_384, b"data: x\n" * 2_048], ids=["line", "lines"])
def test_a_frame_that_comes_in_many_parts_is_read_in_linear_time(part: bytes) -> None:
    reader = FrameReader()
    start = time.process_time()

    reader.feed(b"data: ")
    for _ in range((4 << 20) // len(part)):
        reader.feed(part)

    assert time.process_time() - start < 5


@pytest.mark.parametrize(("payload", "value"), ODD_JSON, ids=range(len(ODD_JSON)))
def test_what_python_servers_write_is_read(payload: bytes, value: object) -> None:
    assert parse_payload(payload) == value


@pytest.mark.parametrize("payload", NO_JSON, ids=range(len(NO_JSON)))
def test_what_is_no_json_is_refused(payload: bytes) -> None:
    with pytest.raises(NotJson):
        parse_payload(payload)


@given(value=st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=4))
def test_any_json_is_read_as_the_standard_parser_reads_it(value: object) -> None:
    assert parse_payload(json.dumps(value).encode()) == value
