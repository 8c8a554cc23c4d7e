"""Frames as WHATWG HTML, section 9.2, reads them, and the reader of the tests itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statemachine import HEARTBEAT, farewell, retry
from statemachine.downstream.sse import frame
from tests.support.sse import Message, SseReader, read_messages

# fmt: off
BODIES = [
    # The examples of the specification first.
    (b"data: YHOO\ndata: +2\ndata: 10\n\n",         [Message("YHOO\n+2\n10")]),
    (b": test stream\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n",
     [Message("first", last_id="1"), Message("second"), Message(" third")]),
    (b"data\n\ndata\ndata\n\ndata:",                [Message(""), Message("\n")]),
    (b"data:test\n\ndata: test\n\n",                [Message("test"), Message("test")]),
    (b"\xef\xbb\xbfdata: a\n\n",                    [Message("a")]),
    (b"data: a\r\n\r\ndata: b\r\rdata: c\n\r\n",    [Message("a"), Message("b"), Message("c")]),
    (b"event: x\ndata: a\n\ndata: b\n\n",           [Message("a", "x"), Message("b")]),
    (b"event: x\n\ndata: b\n\n",                    [Message("b")]),
    (b"id: 7\n\ndata: a\n\n",                       [Message("a", last_id="7")]),
    (b"id: 7\nid: a\0b\ndata: a\n\n",               [Message("a", last_id="7")]),
    ("data: a\u2028b\x85c\n\n".encode(),            [Message("a\u2028b\x85c")]),
]
# fmt: on


@pytest.mark.parametrize(("body", "messages"), BODIES, ids=range(len(BODIES)))
def test_the_reader_of_the_tests_follows_the_specification_at_any_cut(
    body: bytes, messages: list[Message]
) -> None:
    for cut in range(len(body) + 1):
        reader = SseReader()

        assert reader.feed(body[:cut]) + reader.feed(body[cut:]) == messages

    reader = SseReader()
    parts = [reader.feed(bytes([byte])) for byte in body]
    assert [message for part in parts for message in part] == messages


def test_the_reader_of_the_tests_keeps_what_is_no_message() -> None:
    reader = SseReader()

    reader.feed(b": hello\nretry: 500\nretry: 5s\nstate: idle\nid: 7\n\n")

    assert (reader.comments, reader.retry_ms, reader.last_id) == ([" hello"], 500, "7")
    assert reader.ignored == [("retry", "5s"), ("state", "idle")]


@pytest.mark.parametrize("body", [b"data: a\n", b"data: a", b"event: x\n", b"data: \xc3"])
def test_a_body_that_ends_inside_a_message_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="inside a message"):
        read_messages(body)


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(UnicodeDecodeError):
        SseReader().feed(b"data: \xff\n\n")


def test_a_frame_has_its_fields_in_order() -> None:
    assert frame(b"{}") == b"data: {}\n\n"
    assert frame(b"{}", 7, "token", "idle") == b"id: 7\nevent: token\nstate: idle\ndata: {}\n\n"


@given(number=st.integers(0), name=st.sampled_from(["token", "end"]))
def test_a_frame_is_read_as_it_was_meant(number: int, name: str) -> None:
    assert read_messages(frame(b"{}", number, name)) == [Message("{}", name, str(number))]


def test_a_retry_shares_the_block_of_a_frame() -> None:
    reader = SseReader()

    messages = reader.feed(retry(1_500) + frame(b"{}", 1))

    assert (messages, reader.retry_ms) == ([Message("{}", last_id="1")], 1_500)


def test_a_farewell_sets_the_time_to_come_back_and_reaches_nobody() -> None:
    reader = SseReader()

    (message,) = reader.feed(frame(b"{}", 7) + farewell("draining", 1_500))

    assert (message.data, reader.last_id) == ("{}", "7")
    assert (reader.comments, reader.retry_ms) == ([" draining"], 1_500)


@given(places=st.lists(st.integers(0, 3)))
def test_heartbeats_between_frames_are_no_messages(places: list[int]) -> None:
    frames = [frame(b"%d" % number, number) for number in range(3)]
    body = b"".join(HEARTBEAT * places.count(at) + each for at, each in enumerate([*frames, b""]))

    messages = read_messages(body)

    assert [message.data for message in messages] == ["0", "1", "2"]
