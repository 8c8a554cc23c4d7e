"""Errors as HTTP answers, where no route leads to them."""

import json

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from service import errors
from service.app import create_app
from service.errors import ServiceError, TurnRefused, UpstreamError
from service.routes.problems import http_error, problem, service_error
from service.settings import Settings
from service.wiring import services_on
from tests.support.asgi import ask
from tests.support.upstreams import ScriptedUpstream

CLASSES = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, ServiceError)
]


def body(response):
    return json.loads(response.body)


@pytest.fixture
def request_made():
    """A request that came to an application."""
    app = create_app(services_on(ScriptedUpstream(), Settings()))
    return Request({"type": "http", "method": "GET", "path": "/", "headers": [], "app": app})


@pytest.mark.parametrize("status", [400, 401, 500])
async def test_what_routing_never_says_is_an_internal_error(status, request_made):
    response = await http_error(request_made, HTTPException(status))

    assert (response.status_code, body(response)["code"]) == (500, "internal_error")


@pytest.mark.parametrize("handler", [http_error, service_error])
async def test_an_exception_of_another_kind_says_nothing_of_itself(handler, request_made):
    response = await handler(request_made, ZeroDivisionError("a secret"))

    assert (response.status_code, body(response)["code"]) == (500, "internal_error")
    assert b"secret" not in response.body


@pytest.mark.parametrize("error", CLASSES, ids=lambda each: each.__name__)
def test_every_error_has_a_code_a_status_and_a_safe_sentence(error):
    assert error.code.replace("_", "").isalpha()
    assert 400 <= error.status_code < 600
    assert error.response.endswith(".")


def test_codes_are_not_shared():
    own = [each.code for each in CLASSES if each not in (ServiceError, TurnRefused, UpstreamError)]

    assert len(set(own)) == len(own)


def test_the_detail_of_an_upstream_error_is_not_for_clients():
    error = UpstreamError("upstream_denied", "Refused.", 502, detail="the key was secret")

    assert b"secret" not in problem(error).body
    assert body(problem(error))["detail"] == {"response": "Refused.", "cause": "Refused."}


async def test_a_process_in_which_no_turn_can_run_says_that_it_is_not_alive():
    """Something must start it anew: it would refuse every question for ever."""
    app = create_app(services_on(ScriptedUpstream(), Settings()))
    reply, answer = await ask(app, "GET", "/livez")

    assert (reply.status, answer) == (503, b'{"alive":false}')
