"""Turns that wait for their clients, as scripts, and what a client may answer."""

from service.errors import UpstreamError
from tests.support import agents_chunks as agents
from tests.support import responses_chunks as responses
from tests.support.applications import Application
from tests.support.asgi import Exchange
from tests.support.upstreams import Script, answer, opening_chunk, says

ADD, OPEN = agents.call("c1", "add", '{"a":1}'), agents.call("c2", "open")
CALLS = (opening_chunk(), says("Well"), agents.inference_complete("s1"))
WAITS = Script((*CALLS, agents.awaiting(ADD, OPEN)))
LOOPS = Script((*CALLS, agents.awaiting(ADD, stop_reason="end_of_turn")))
RETURNED = agents.tool_complete("t1", agents.response("c1", "3"), agents.response("c2", "done"))
RETURNED_ONE = agents.tool_complete("t1", agents.response("c1", "3"))
GOES_ON = Script((RETURNED, *answer("It is ", "3.")))
WAITS_AGAIN = Script((RETURNED, *CALLS, agents.awaiting(ADD)))
APPROVE = {"type": "mcp_approval_request", "id": "a1", "name": "delete", "arguments": "{}"}
APPROVE |= {"server_label": "pods"}
FUNCTION = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "add", "arguments": "{}"}
ASKS = Script((responses.created(), responses.completed(APPROVE)), dialect="responses")
APPROVED = Script(
    (
        responses.created(),
        responses.item_added("m1"),
        responses.part_added("m1"),
        responses.text("m1", "Deleted."),
        responses.completed(responses.message(responses.said("Deleted."))),
    ),
    dialect="responses",
)

THREE = {"call_id": "c1", "content": "3"}
DONE = {"call_id": "c2", "content": "done"}
BOTH = {"tool_results": [THREE, DONE]}
REFUSED = UpstreamError("upstream_unavailable", "The upstream is not available.", 503, untaken=True)
LOST = UpstreamError("upstream_reset", "The connection to the upstream was lost.")


async def refusal(app: Application, turn: Exchange, **answers: object) -> tuple[int, str, str]:
    """Give answers that must be refused; return status, code and cause."""
    async with app.answer(turn, **answers) as again:
        body = await again.json()
    return again.status, body["code"], body["detail"]["cause"]
