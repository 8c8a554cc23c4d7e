"""Requests made up from our own document, right ones and wrong ones: none does any harm."""

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.support.described import described
from tests.support.hostile import targeted

pytestmark = pytest.mark.slow

BASE = "http://127.0.0.1"
OPERATIONS = [
    each.ok() for each in schemathesis.openapi.from_dict(described()).get_all_operations()
]
WITH_INPUT = [each for each in OPERATIONS if each.body or each.path_parameters or each.query]
NAMES = ("request_id", "conversation_id")
NEVER = {"request_not_json", "body_too_slow", "body_too_large", "idempotency_key_invalid"}
BESIDE_THE_SCHEMA = (
    "provider and model must be given together",
    "client_tools: two have the same name",
    "give at least one of",
    "answers: ",
    "title: ",
)
"""What is checked of fields that are right by themselves, which a schema does not say."""

bounded = settings(
    max_examples=20,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def as_sent(case):
    """Return the request as it would be on the wire, where one can be made of it."""
    try:
        request = requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare()
    except (requests.RequestException, UnicodeError):
        reject()
    body = request.body or b""
    headers = {name: _text(value) for name, value in request.headers.items()}
    # Who may come in is known already.
    headers.pop("Authorization", None)
    return request.path_url, body.encode() if isinstance(body, str) else body, headers


def _text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value


def attacked(operation, mode):
    """Send requests of an operation, half of them about what there is; return what they got."""
    answers = []
    with targeted() as target:
        there = {name: target.address(f"{{{name}}}") for name in NAMES}

        @given(case=operation.as_strategy(generation_mode=mode), about_it=st.booleans())
        @bounded
        def attack(case, about_it):
            if about_it:
                known = {name: there[name] for name in case.path_parameters if name in there}
                case.path_parameters = {**case.path_parameters, **known}
            path, body, headers = as_sent(case)
            answers.append(target.send(case.method, path, body, headers))

        attack()
    return answers


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.label)
def test_what_the_document_allows_is_not_refused_for_its_form(operation, log):
    answers = attacked(operation, GenerationMode.POSITIVE)

    invalid = [body.decode() for told, body in answers if told.code == "request_invalid"]
    assert {told.code for told, _ in answers} & NEVER == set()
    assert [each for each in invalid if not any(why in each for why in BESIDE_THE_SCHEMA)] == []
    assert [each for each in log if each["log_level"] == "error"] == []


@pytest.mark.parametrize("operation", WITH_INPUT, ids=lambda each: each.label)
def test_what_the_document_forbids_does_no_harm(operation, log):
    answers = attacked(operation, GenerationMode.NEGATIVE)

    assert answers
    assert [each for each in log if each["log_level"] == "error"] == []
