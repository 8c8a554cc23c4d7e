"""Arguments that can be read, and not be written inside an envelope, go out as text."""

import json

import msgspec
import pytest

from statemachine import Call, ToolCall
from statemachine.downstream.native import payload


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def deepest() -> int:
    """Return how deep the reader of JSON follows."""
    low, high = 1, 1_000_000
    while high - low > 1:
        middle = (low + high) // 2
        try:
            msgspec.json.decode(nested(middle))
        except (msgspec.DecodeError, RecursionError):
            high = middle
        else:
            low = middle
    return low


@pytest.mark.parametrize("less", range(16))
def test_arguments_near_the_deepest_that_can_be_read_are_told(less: int) -> None:
    arguments = nested(deepest() - less)

    told = payload(1, ToolCall(Call("c1", "search", arguments)))

    assert told.startswith(b'{"event":"tool_call"')


def test_arguments_too_deep_are_told_as_text() -> None:
    arguments = nested(deepest() + 1)

    told = payload(1, ToolCall(Call("c1", "search", arguments)))

    assert json.dumps(arguments) in told.decode()
