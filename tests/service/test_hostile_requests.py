"""Requests made up from our own document, right ones and wrong ones: none does any harm."""

import re

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.support.described import described
from tests.support.hostile import targeted

pytestmark = pytest.mark.slow

BASE = "http://test"
OPERATIONS = [
    each.ok() for each in schemathesis.openapi.from_dict(described()).get_all_operations()
]
WITH_INPUT = [each for each in OPERATIONS if each.body or each.path_parameters or each.query]
NOT_IN_A_SCHEMA = re.compile(
    r"provider and model must be given together|client_tools: two have the same name|"
    r"give at least one of|must have at most|there may be at most|answers: |title: "
)
"""What is checked of right fields, which a schema does not say."""

bounded = settings(
    max_examples=15,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def as_sent(case):
    """Return the request as it would be on the wire."""
    try:
        request = requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare()
    except (requests.RequestException, UnicodeError):
        assume(condition=False)
    body = request.body or b""
    headers = {name: _text(value) for name, value in request.headers.items()}
    return request.path_url, body.encode() if isinstance(body, str) else body, headers


def _text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value


def attacked(operation, mode):
    """Send requests of one operation, half of them about a turn that there is."""
    with targeted() as target:
        ids = {name: target.turn.headers[f"x-{name.replace('_', '-')}"] for name in IDS}

        @given(case=operation.as_strategy(generation_mode=mode), known=st.booleans())
        @bounded
        def attack(case, known):
            if known:
                case.path_parameters = {**case.path_parameters, **ids_in(case, ids)}
            path, body, headers = as_sent(case)
            headers.pop("Authorization", None)
            yielded.append(target.send(case.method, path, body, headers))

        yielded = []
        attack()
    return yielded


IDS = ("request_id", "conversation_id")


def ids_in(case, ids):
    return {name: each for name, each in ids.items() if name in case.path_parameters}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.label)
def test_what_the_document_allows_is_answered(operation, log):
    answers = attacked(operation, GenerationMode.POSITIVE)

    assert answers
    assert {each.status for each in answers} & {400, 408, 413} == set()
    assert [each for each in log if each["log_level"] == "error"] == []


@pytest.mark.parametrize("operation", WITH_INPUT, ids=lambda each: each.label)
def test_what_the_document_forbids_is_answered(operation, log):
    answers = attacked(operation, GenerationMode.NEGATIVE)

    assert answers
    assert [each for each in log if each["log_level"] == "error"] == []
