"""Fragments of `name({...})` are unwrapped, wherever they are cut."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statemachine.upstream.arguments import ArgumentFragments

QUOTED = '{"a": "}{)(\\"]"}'
# fmt: off
CALLS = {
    'name({"a": [1, {}]})other({"b": 2})': [("name", '{"a": [1, {}]}'), ("other", '{"b": 2}')],
    'a({"x": 1}b({"y": 2}))':             [("a", '{"x": 1}'), ("b", '{"y": 2}')],
    'name({"a": "\\n\\\\"})':             [("name", '{"a": "\\n\\\\"}')],
    'name({"a\\\\\\"": "\\\\n(\\\\"})':    [("name", '{"a\\\\\\"": "\\\\n(\\\\"}')],
    "back\\slash({})":                   [("back\\slash", "{}")],
    f"name({QUOTED})":                    [("name", QUOTED)],
    "list([1, [2], {}])":                 [("list", "[1, [2], {}]")],
    " spaced ({})":                       [("spaced", "{}")],
    "({})":                               [(None, "{}")],
    "empty()":                            [],
    "name(":                              [],
    'cut({"a": "b':                       [("cut", '{"a": "b')],
}
# fmt: on


def joined(fragments: list[str]) -> list[tuple[str | None, str]]:
    """Join the pieces of each call again."""
    reader = ArgumentFragments()
    calls: list[tuple[str | None, str]] = []
    for name, piece in (each for fragment in fragments for each in reader.feed(fragment)):
        if calls and calls[-1][0] == name:
            calls[-1] = (name, calls[-1][1] + piece)
        else:
            calls.append((name, piece))
    return calls


@pytest.mark.parametrize("whole", list(CALLS))
def test_calls_are_unwrapped_at_every_pair_of_cuts(whole: str) -> None:
    for first in range(len(whole) + 1):
        for second in range(first, len(whole) + 1):
            fragments = [whole[:first], whole[first:second], whole[second:]]

            assert joined(fragments) == CALLS[whole]


@pytest.mark.parametrize("whole", list(CALLS))
def test_calls_are_unwrapped_letter_by_letter(whole: str) -> None:
    assert joined(list(whole)) == CALLS[whole]


def test_calls_are_counted_as_they_begin() -> None:
    reader = ArgumentFragments()

    reader.feed("a({}b({}))")

    assert reader.calls == 2


def test_a_name_is_bounded() -> None:
    reader = ArgumentFragments()

    ((name, _),) = reader.feed("n" * 10_000 + "({})")

    assert name == "n" * 256


@pytest.mark.parametrize("piece", ["x", "\\n", "word, "])
def test_long_arguments_take_no_step_for_each_letter(piece: str) -> None:
    """A frame is read at once, and nobody else is served meanwhile."""
    value = f'{{"a": "{piece * 10_000}"}}'
    reader, steps = ArgumentFragments(), []
    sys.setprofile(lambda _, event, __: steps.append(event))

    try:
        pieces = reader.feed(f"name({value})")
    finally:
        sys.setprofile(None)

    assert pieces == [("name", value)]
    assert len(steps) < 100


@given(fragments=st.lists(st.text('ab(){}[]"\\ é')))
def test_no_piece_is_invented(fragments: list[str]) -> None:
    reader = ArgumentFragments()

    for fragment in fragments:
        assert all(piece in fragment for _, piece in reader.feed(fragment))
