"""Credentials that a server quotes reach neither clients nor logs nor recordings."""

import json

import pytest

from service.errors import UpstreamError
from service.upstream.quoted_secrets import secrets_of, without_secrets
from tests.support import responses_chunks as responses
from tests.support.plans import mcp_server, payloads_of, plan
from tests.support.stack import URL, FakeStack, held, live, mocked, running, says, streams

SECRET = "0wn-secret-value"
TOOLS = mcp_server(**{"x-own": SECRET, "authorization": "Bearer c4ller-token", "x-team": "r"})
ASKED = plan(mcp_servers=(TOOLS,))


def test_values_of_headers_are_secrets_unless_they_are_very_short():
    assert secrets_of(ASKED) == (SECRET, "c4ller-token")
    short = plan(mcp_servers=(mcp_server(authorization="Bearer short"),))
    assert secrets_of(short) == ()


@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "Token", "Splunk"])
def test_a_credential_is_taken_out_with_and_without_its_scheme(scheme):
    secrets = secrets_of(
        plan(mcp_servers=(mcp_server(authorization=f"{scheme} am9lOmh1bnRlcjI="),))
    )

    assert (
        without_secrets(b"bad credential am9lOmh1bnRlcjI=", secrets) == b"bad credential [removed]"
    )
    assert b"am9l" not in without_secrets(f"sent: {scheme} am9lOmh1bnRlcjI=".encode(), secrets)


def test_words_of_other_headers_are_no_secrets():
    headers = {"accept": "application/json, text/event-stream", "x-team": "the production"}

    secrets = secrets_of(plan(mcp_servers=(mcp_server(**headers),)))

    said = b"text/event-stream in production"
    assert without_secrets(said, secrets) == said


@pytest.mark.parametrize("value", ['a "quoted" word', r"back\slash", '{"key": "a-long-value"}'])
def test_a_secret_is_taken_out_as_json_writes_it(value):
    secrets = secrets_of(plan(mcp_servers=(mcp_server(**{"x-own": value}),)))

    assert without_secrets(value.encode(), secrets) == b"[removed]"
    assert json.loads(without_secrets(json.dumps(value).encode(), secrets)) == "[removed]"


def test_secrets_are_taken_out_wherever_they_stand():
    said = without_secrets(f"a {SECRET} and {SECRET}".encode(), (SECRET,))

    assert said == b"a [removed] and [removed]"


async def test_an_error_that_quotes_a_secret_does_not_show_it():
    refused = says({"detail": f"bad header X-Own: {SECRET}"}, 400)
    async with running(FakeStack().on("POST", "/v1/responses", refused)) as upstream:
        with pytest.raises(UpstreamError) as raised:
            await payloads_of(upstream.prepare(ASKED))

    told = f"{raised.value.cause} {raised.value.detail}"
    assert SECRET not in told
    assert "bad header X-Own: [removed]" in told


@pytest.mark.parametrize("quoted", [SECRET, "c4ller-token", "the-api-key"])
async def test_a_stream_that_quotes_a_secret_does_not_show_it(quoted):
    stream = streams(responses.created(), responses.text("m1", f"It is {quoted}."))
    server = FakeStack().on("POST", "/v1/responses", stream)
    async with running(server, api_key="the-api-key") as upstream:
        said = b"".join(await payloads_of(upstream.prepare(ASKED)))

    assert quoted.encode() not in said
    assert b"It is [removed]." in said


@pytest.mark.parametrize("quoted", ["long p@ssword", "am9lOmxvbmcgcEBzc3dvcmQ="])
async def test_a_password_in_the_address_of_a_server_is_a_secret(quoted):
    stream = streams(responses.created(), responses.text("m1", f"It is {quoted}."))
    server = FakeStack().on("POST", "/v1/responses", stream)
    address = URL.replace("://", "://joe:long%20p%40ssword@")
    async with running(server, url=address) as upstream:
        said = b"".join(await payloads_of(upstream.prepare(ASKED)))

    assert server.asked[-1].headers["authorization"] == "Basic am9lOmxvbmcgcEBzc3dvcmQ="
    assert b"It is [removed]." in said


async def test_a_key_that_could_be_a_part_of_any_word_changes_nothing():
    stream = streams(responses.created(), responses.text("m1", "There is none to test."))
    server = FakeStack().on("POST", "/v1/responses", stream)
    async with running(server, api_key="none") as upstream:
        said = b"".join(await payloads_of(upstream.prepare(ASKED)))

    assert b"There is none to test." in said


async def test_the_key_is_taken_out_of_answers_beside_the_stream_too():
    refused = says({"detail": "Invalid key sk-supersecretkey"}, 400)
    server = FakeStack().on("GET", "/v1/models", refused)
    async with mocked(server), held(upstream := live(api_key="sk-supersecretkey")):
        with pytest.raises(UpstreamError) as raised:
            await upstream.catalogue()

    assert "supersecret" not in f"{raised.value.cause} {raised.value.detail}"
