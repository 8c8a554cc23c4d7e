"""Reading RAG tool results costs bounded time and gives bounded values, whatever is in them."""

import time

import pytest

from statemachine.upstream.knowledge import read_search_results, read_tool_response


def full(unit: str) -> str:
    return unit * ((1 << 20) // len(unit))


def counted(metadata: str) -> list[str]:
    return [f"Result {n}\nContent: x\nMetadata: {metadata}" for n in range(2**20 // len(metadata))]


# fmt: off
HOSTILE = {
    "open metadata": full("Metadata: {"), "open brackets": full("["), "lines": full("\n"),
    "last metadata": "Result 1\nContent: x" + full("\nMetadata: {"), "headers": full("Result 1\n"),
    "full headers": full("Result 1\nContent:\n"), "ids": full("Result 1\nDocument_id:"),
    "spaces": "Result 1" + full(" "), "items": [""] * 1_000_000, "braces": counted("{" * 8_000),
    "nested brackets": counted("{'a':" + "[" * 150 + "]" * 150 + "}"),
    "minus": counted("{'a': " + "-" * 8_000 + "1}"), "integer": counted("{1" + "9" * 4_000 + "}"),
    "integers": counted("{1" + ",1" * 4_000 + "}"), "too long": counted("{1" + "9" * 8_000 + "}"),
    "lists": counted("{'a': [" + "[]," * 2_600 + "]}"), "escapes": counted("{'" + "\\'" * 4_000),
    "equal hashes": counted(f"{dict.fromkeys(range(0, 300 << 61, (1 << 61) - 1), 1)}"),
    "strings": counted("{" + "'\"'" * 2_600 + "}"),
}
# fmt: on


def test_results_documents_and_text_are_bounded() -> None:
    hits = [{"filename": str(number), "text": "x" * 2_000} for number in range(2_000)]
    content = [
        f"Result {number}\nContent: x\nMetadata: {{'title': '{number}'}}" for number in range(2_000)
    ]

    found, read = read_search_results(hits), read_tool_response(content, {"chunks": ["x"] * 2_000})

    assert len(found.documents) == len(read.documents) == 200
    assert sum(len(chunk.content) for chunk in found.chunks) == 1 << 20
    assert len(read.chunks) == len(read_tool_response(content, None).chunks) == 1_000


LONG = "\x00a" * (8 << 20)
LONG_NAMES = {
    "title": [{"title": LONG}],
    "titles": [{"title": LONG[: 16 << 10], "filename": LONG[: 16 << 10]}] * 1_000,
}


@pytest.mark.parametrize("name", LONG_NAMES)
def test_long_names_are_read_in_bounded_time(name: str) -> None:
    start = time.process_time()

    read_search_results(LONG_NAMES[name])
    read_tool_response("", {"document_ids": [LONG[: 2 << 10]] * 10_000})

    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_read_in_linear_time(name: str) -> None:
    content = HOSTILE[name]
    start = time.process_time()

    read_tool_response(content, {"chunks": content, "scores": content, "document_ids": content})

    assert time.process_time() - start < 2
