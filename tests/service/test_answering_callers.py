"""Who answers a turn brings own credentials for MCP servers: those of who asked are not kept."""

import json

import pytest

from tests.support.applications import application
from tests.support.asgi import exchange
from tests.support.waiting_turns import BOTH, GOES_ON, WAITS

pytestmark = pytest.mark.slow

PODS = {"name": "pods", "url": "http://tools.test/mcp", "authorization": "caller"}
PODS |= {"headers": {"X-Team": "red"}}


async def sent(app, target, body, **headers):
    async with exchange(
        app.app, "POST", target, body=json.dumps(body).encode(), headers=headers
    ) as made:
        await made.body()
    return made


async def asked(app, **headers):
    return await sent(app, "/v1/streaming_query", {"query": "Hi"}, **headers)


async def answered(app, turn, **headers):
    target = f"{turn.headers['content-location']}/tool_results"
    return await sent(app, target, BOTH, **headers)


async def test_tools_get_the_credentials_of_who_answers():
    async with application(WAITS, GOES_ON, mcp_servers=(PODS,)) as app:
        turn = await asked(app, Authorization="Bearer FIRST")
        await answered(app, turn, Authorization="Bearer SECOND")

    ((paused, _),) = app.upstream.resumed
    (server,) = paused.plan.mcp_servers
    assert server.headers == {"x-team": "red", "authorization": "Bearer SECOND"}


async def test_credentials_are_not_kept_while_a_turn_waits():
    async with application(WAITS, mcp_servers=(PODS,)) as app:
        turn = await asked(app, Authorization="Bearer FIRST")
        paused = await app.services.paused.find(turn.headers["x-request-id"])

    assert [each.headers for each in paused.plan.mcp_servers] == [{}]


async def test_headers_of_an_answer_are_checked_like_those_of_a_question():
    async with application(WAITS, GOES_ON, mcp_servers=(PODS,)) as app:
        turn = await asked(app)
        refused = await answered(app, turn, **{"MCP-HEADERS": "{"})
        taken = await answered(app, turn)

    assert (refused.status, taken.status) == (400, 200)


async def test_a_turn_without_tools_goes_on_without_them():
    async with application(WAITS, GOES_ON, mcp_servers=(PODS,)) as app:
        turn = await sent(app, "/v1/streaming_query", {"query": "Hi", "no_tools": True})
        await answered(app, turn, Authorization="Bearer SECOND")

    assert app.upstream.resumed[0][0].plan.mcp_servers == ()
