"""How deep and how many the values of a body may be, and how many fields it may have."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import RequestInvalid
from service.routes.bodies import TurnBody
from service.routes.parsing import DEPTH_LIMIT, VALUES_LIMIT, check_bounds, parse
from tests.support.applications import QUERY, TURNS, application
from tests.support.upstreams import Script, answer
from tests.support.waiting_turns import DONE, GOES_ON, WAITS

pytestmark = pytest.mark.slow

ANSWER = Script(answer("Hi"))
WORDS = b'{"query": "Hi", "client_tools": [{"name": "a", "parameters": {"a": %b}}]}'
OUTER_LEVELS = 5
"""The body, the list, the tool, its parameters, and what is in them."""


def nested(depth: int) -> object:
    """Return a value of so many levels: a number is one."""
    value: object = 1
    for number in range(depth - 1):
        value = [value] if number % 2 else {"a": value}
    return value


def refused(value: object) -> str:
    with pytest.raises(RequestInvalid) as refusal:
        check_bounds(value)
    return refusal.value.cause


def depth_of(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth_of, inner), default=0)


def count_of(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(count_of, inner))


async def refusal(body: bytes) -> tuple[int, str, str]:
    """Send a question that must be refused; return status, code and cause."""
    async with application(ANSWER) as app:
        made, data = await app.ask("POST", TURNS, body)
    told = json.loads(data)
    assert app.upstream.plans == []
    return made.status, told["code"], told["detail"]["cause"]


# Depth.


def test_a_value_may_be_as_deep_as_the_limit():
    check_bounds(nested(DEPTH_LIMIT))

    assert refused(nested(DEPTH_LIMIT + 1)) == "body: may be nested at most 64 deep"


@pytest.mark.parametrize("depth", [DEPTH_LIMIT, 200, 900])
async def test_a_question_that_is_too_deep_is_refused(depth):
    """Not all of these are too deep for the parser, but for what comes after it."""
    made = await refusal(WORDS % (b"[" * depth + b"]" * depth))

    assert made == (422, "request_invalid", "body: may be nested at most 64 deep")


async def test_a_question_that_is_too_deep_to_be_parsed_is_no_json():
    assert (await refusal(WORDS % (b"[" * 100_000 + b"]" * 100_000)))[:2] == (
        400,
        "request_not_json",
    )


async def test_a_question_may_be_as_deep_as_the_limit():
    depth = DEPTH_LIMIT - OUTER_LEVELS
    async with application(ANSWER) as app:
        made, _ = await app.ask("POST", TURNS, WORDS % (b"[" * depth + b"1" + b"]" * depth))

    assert made.status == 200


# Count.


def test_a_value_may_hold_as_many_as_the_limit():
    check_bounds([1] * (VALUES_LIMIT - 1))

    assert refused([1] * VALUES_LIMIT) == "body: may have at most 50000 values"


@pytest.mark.parametrize(
    "value",
    [[[]] * VALUES_LIMIT, [{"a": 1}] * VALUES_LIMIT, {str(each): each for each in range(50_000)}],
)
def test_values_count_wherever_they_are(value):
    assert refused(value) == "body: may have at most 50000 values"


async def test_a_question_with_too_many_values_is_refused():
    made = await refusal(WORDS % (b"[" + b"0," * 900_000 + b"0]"))

    assert made == (422, "request_invalid", "body: may have at most 50000 values")


async def test_a_long_text_is_one_value():
    log = {"attachment_type": "log", "content_type": "text/plain", "content": "[{,:" * 100_000}
    async with application(ANSWER) as app:
        made, _ = await app.ask("POST", TURNS, QUERY | {"attachments": [log]})

    assert made.status == 200


async def test_a_result_of_a_tool_is_bounded_too():
    async with application(WAITS, GOES_ON) as app:
        turn = await app.ended()
        said = {"call_id": "c1", "content": nested(DEPTH_LIMIT)}
        async with app.answer(turn, tool_results=[said, DONE]) as again:
            refused = await again.json()

    assert (again.status, refused["code"]) == (422, "request_invalid")


# Fields.

MANY = {f"field_{number}": 0 for number in range(40_000)}
LOG = {"attachment_type": "log", "content_type": "text/plain", "content": ""}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (MANY, "body"),
        ({"attachments": [LOG | MANY]}, "attachments.0"),
        ({"client_tools": [{"name": "a"} | MANY]}, "client_tools.0"),
    ],
    ids=["a question", "an attachment", "a tool"],
)
async def test_very_many_unknown_fields_are_one_mistake(fields, named):
    made = await refusal(json.dumps(QUERY | fields).encode())

    assert made == (422, "request_invalid", f"{named}: Value error, may have at most 100 fields")


async def test_the_parameters_of_a_tool_may_have_many_names():
    body = QUERY | {"client_tools": [{"name": "a", "parameters": MANY}]}
    async with application(ANSWER) as app:
        made, _ = await app.ask("POST", TURNS, body)

    assert made.status == 200


@pytest.mark.parametrize(
    "fields", [MANY, {"attachments": [LOG | MANY]}], ids=["a question", "an attachment"]
)
def test_refusing_unknown_fields_takes_no_time(fields):
    begun = time.thread_time()
    with pytest.raises(RequestInvalid):
        parse(TurnBody, QUERY | fields)

    assert time.thread_time() - begun < 0.01


# Whatever is sent.

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=40,
)


@given(value=VALUES, deeper=st.integers(0, 2 * DEPTH_LIMIT), wider=st.sampled_from([1, 3, 1_500]))
def test_a_value_is_refused_when_it_is_over_a_limit_and_only_then(value, deeper, wider):
    depth, count = 1 + deeper + depth_of(value), 1 + wider * (deeper + count_of(value))
    for _ in range(deeper):
        value = [value]

    if depth > DEPTH_LIMIT or count > VALUES_LIMIT:
        assert refused([value] * wider)
    else:
        check_bounds([value] * wider)


@pytest.mark.parametrize(
    "value", [[0] * 1_000_000, [[]] * 700_000, [{"a": [1]}] * 16_000, nested(2_000)]
)
def test_looking_takes_no_time(value):
    begun = time.thread_time()
    try:
        check_bounds(value)
    except RequestInvalid:
        pass
    finally:
        assert time.thread_time() - begun < 0.2
