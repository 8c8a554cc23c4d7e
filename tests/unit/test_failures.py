"""What a client is told of an upstream's error, and what it is not."""

import json

import pytest

from statemachine import MalformedChunk
from statemachine.events import TurnFailed
from statemachine.upstream.failures import STATUS_OF_CODE, upstream_failure, violation_failure


def failure_of(message: object, code: object = None) -> TurnFailed:
    """Return what an error object with a message and perhaps a code becomes."""
    return upstream_failure({"message": message} | ({} if code is None else {"code": code}))


SECRET = "postgres://admin:hunter2@10.0.0.7/llama"
FAULTS = [code for code, status in STATUS_OF_CODE.items() if status >= 500] + [
    *range(500, 600),
    None,
]
# fmt: off
STATUSES = [
    # message                    code    status  code of ours             told in its own words
    ("400: bad tool",            None,   400,    "upstream_bad_request",   True),
    ("401: no key",              None,   502,    "upstream_denied",        False),
    ("403: no right",            None,   502,    "upstream_denied",        False),
    ("404: no model",            None,   404,    "upstream_not_found",     True),
    ("408: slow",                None,   504,    "upstream_timeout",       False),
    ("409: busy",                None,   409,    "upstream_conflict",      True),
    ("413: too long",            None,   413,    "upstream_too_large",     True),
    ("418: a teapot",            None,   400,    "upstream_bad_request",   True),
    ("422: odd",                 None,   422,    "upstream_unprocessable", True),
    ("426: old",                 None,   502,    "upstream_version",       False),
    ("429: slow down",           None,   429,    "upstream_rate_limited",  True),
    ("500: boom",                None,   502,    "upstream_error",         False),
    ("503: away",                None,   503,    "upstream_unavailable",   False),
    ("504: slow",                None,   504,    "upstream_timeout",       False),
    ("boom",                     None,   502,    "upstream_error",         False),
    ("200: fine",                None,   502,    "upstream_error",         False),
    ("no such response",         "404",  404,    "upstream_not_found",     True),
    ("no such thing",            404,    404,    "upstream_not_found",     True),
    ("404: but the code wins",   "500",  502,    "upstream_error",         False),
    ("404: no code",             "odd",  404,    "upstream_not_found",     True),
    ("404",                      None,   404,    "upstream_not_found",     False),
    ("404:",                     None,   404,    "upstream_not_found",     False),
    ("404:x",                    None,   404,    "upstream_not_found",     True),
    ("4040: x",                  None,   502,    "upstream_error",         False),
    ("404 of them",              None,   502,    "upstream_error",         False),
    ("404: no code",             True,   404,    "upstream_not_found",     True),
    ("boom",                     999,    502,    "upstream_error",         False),
    ("boom",                     [],     502,    "upstream_error",         False),
    ("500: Error code: 429 - x", None,   429,    "upstream_rate_limited",  False),
    ("500: Error code: 503 - x", None,   503,    "upstream_unavailable",   False),
    ("500: Error code: 504 - x", None,   504,    "upstream_timeout",       False),
    ("500: Error code: 401 - x", None,   502,    "upstream_error",         False),
    ("400: Error code: 429 - x", None,   400,    "upstream_bad_request",   True),
]
NAMED = [
    ("context_length_exceeded", 413), ("insufficient_quota", 429), ("invalid_prompt", 400),
    ("invalid_request_error", 400), ("model_not_found", 404), ("rate_limit_exceeded", 429),
    ("server_error", 502), ("service_unavailable", 503), ("vector_store_timeout", 504),
]
ONE_LINE = [
    ("400: a\nb", "a"), ("400: \n\n b \n", "b"), ("400: a\u2028\x1b[2Jb\x00", "a[2Jb"),
    ("400: " + "x" * 9_000, "x" * 500), ("400: \n", "The upstream reported status 400."),
    ("400: 401: a", "401: a"), ("400: \ud800a", "a"),
]
# fmt: on


@pytest.mark.parametrize(("message", "code", "status", "name", "own_words"), STATUSES)
def test_an_error_of_the_upstream_is_told_by_its_status(
    message: str, code: object, status: int, name: str, *, own_words: bool
) -> None:
    failure = failure_of(message, code)

    assert (failure.status_code, failure.code) == (status, name)
    assert failure.cause.startswith("The upstream reported ") is not own_words
    assert message in failure.detail


@pytest.mark.parametrize(("code", "status"), NAMED)
def test_a_named_code_stands_for_a_status(code: str, status: int) -> None:
    failure = failure_of("words", code)

    assert failure.status_code == status
    assert failure.detail == f'{{"message":"words","code":"{code}"}}'


@pytest.mark.parametrize("code", FAULTS)
def test_nothing_of_a_fault_of_the_upstream_reaches_the_client(code: object) -> None:
    failure = failure_of(f"500: Error code: 429 - {SECRET}", code)

    assert SECRET not in failure.cause + failure.response
    assert SECRET in failure.detail


@pytest.mark.parametrize(("message", "cause"), ONE_LINE, ids=range(7))
def test_own_words_are_one_clean_bounded_line(message: str, cause: str) -> None:
    assert failure_of(message).cause == cause


@pytest.mark.parametrize("error", [None, 7, ["x"], {"message": {"a": 1}}, {"detail": ["x"]}])
def test_an_error_without_a_text_is_an_unknown_fault_and_its_value_is_kept(error: object) -> None:
    failure = upstream_failure(error)

    assert (failure.code, failure.status_code) == ("upstream_error", 502)
    assert failure.cause == "The upstream reported an error without a status."
    assert json.loads(failure.detail) == error


# fmt: off
SHAPES = [
    ("429: slow down",                                        429),
    ({"code": 429},                                           429),
    ({"status": 429},                                         429),
    ({"status_code": 404, "message": "x"},                    404),
    ({"type": "rate_limit_error"},                            429),
    ({"type": "odd", "message": "400: bad"},                  400),
    ("404 Not Found",                                         404),
    ({"code": "invalid_image", "message": "x"},               400),
    ({"code": "invalid_image_format"},                        400),
    ({"code": "image_file_too_large"},                        413),
    ({"detail": "404: x"},                                    404),
    ({"error": "404: x"},                                     404),
    ({"error": {"message": "404: x"}},                        404),
    ({"message": {"message": "404: x"}},                      404),
    ({"detail": {"status": 429}},                             429),
    ({"code": 429, "error": {"message": "x", "code": None}},  429),
    ({"type": "error", "error": {"type": "rate_limit_error"}}, 429),
    ({"code": 500, "error": {"message": "404: x"}},           502),
    ({"message": "500: x", "error": {"message": "404: x"}},   502),
    ({"message": None, "detail": "404: x"},                   404),
]
# fmt: on


@pytest.mark.parametrize(("error", "status"), SHAPES, ids=range(len(SHAPES)))
def test_a_status_is_found_wherever_an_error_states_it(error: object, status: int) -> None:
    assert upstream_failure(error).status_code == status


def nested(value: object, depth: int) -> object:
    for _ in range(depth):
        value = {"error": [value]}
    return value


UNWRITABLE = [nested(1, 100_000), 10**5_000, object(), {1: object()}]


def test_only_what_a_text_begins_with_is_taken_off_it() -> None:
    assert failure_of("no model 404: x", 404).cause == "no model 404: x"


@pytest.mark.parametrize("odd", UNWRITABLE, ids=range(len(UNWRITABLE)))
def test_an_error_that_no_parser_gives_is_an_error_of_the_upstream(odd: object) -> None:
    failure = upstream_failure({"message": "404: no model", "odd": odd})

    assert (failure.code, failure.detail) == ("upstream_not_found", "404: no model")
    assert upstream_failure(odd).code == "upstream_error"


def test_errors_in_errors_are_followed_only_so_far() -> None:
    error: dict[str, object] = {}
    error["error"] = error

    assert upstream_failure(error).code == "upstream_error"


def test_detail_is_bounded() -> None:
    assert len(failure_of("x" * 9_000, "odd").detail) == 4_000


def test_a_broken_rule_is_the_fault_of_the_upstream() -> None:
    failure = violation_failure(MalformedChunk("chunk.event", "an object"))

    assert (failure.code, failure.status_code) == ("malformed_chunk", 502)
    assert failure.cause == "chunk.event: expected an object"
