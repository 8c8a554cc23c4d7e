"""Bodies that are nothing but plain frames are read at once, by the rules of all others."""

import pytest

from statemachine import FrameReader, FrameTooLarge


def begun(limit_bytes: int = 50) -> FrameReader:
    """Return a reader after its first bytes, which are read slowly for their byte order mark."""
    reader = FrameReader(limit_bytes)
    assert reader.feed(b"data: first\n\n") == [b"first"]
    return reader


@pytest.mark.parametrize(
    ("part", "payloads"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\n", [b"a"]),
        (b"data: a\n\ndata: b\r\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\rb\n\n", [b"a\rb"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
    ],
    ids=range(6),
)
def test_a_part_of_whole_frames_is_read_as_it_is_read_byte_by_byte(
    part: bytes, payloads: list[bytes]
) -> None:
    slow = begun()

    assert begun().feed(part) == payloads
    assert [each for byte in part for each in slow.feed(bytes([byte]))] == payloads


def test_a_whole_frame_beyond_the_limit_is_refused() -> None:
    with pytest.raises(FrameTooLarge):
        begun().feed(b"data: " + b"x" * 99 + b"\n\n")


def test_whole_frames_that_are_beyond_the_limit_only_together_are_read() -> None:
    assert begun().feed(b"data: x\n\n" * 9) == [b"x"] * 9
