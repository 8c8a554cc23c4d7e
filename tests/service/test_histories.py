"""What later turns of a conversation know of earlier ones."""

import json

import pytest

from service.domain import PastTurn
from service.errors import UpstreamError
from statemachine import ShieldChecked, Touchpoint
from tests.support import agents_chunks as agents
from tests.support.applications import TURNS, application, names
from tests.support.offers import LARGE, OFFER, SMALL
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says, thread_of

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
REFUSED = UpstreamError("upstream_unavailable", "The upstream is not available.", 503)
VIOLATION = (
    opening_chunk(),
    says("something bad"),
    agents.inference_complete("s1"),
    agents.step_start("s2", "shield_call"),
    agents.verdict("s2", agents.violation()),
    agents.turn_complete("I can't answer that."),
)


def said(past):
    """Return what an upstream was told of the turns before."""
    return [(each.question, each.answer) for each in past]


async def test_a_later_turn_knows_what_was_said():
    async with application(HELLO, Script(answer("Bye"))) as app:
        turn = await app.ended(query="Hi")
        await app.goes_on(turn, query="Bye?")
        await app.goes_on(turn, query="Still there?")

    first, second, third = app.upstream.histories
    assert (said(first), said(second)) == ([], [("Hi", "Hello")])
    assert said(third) == [("Hi", "Hello"), ("Bye?", "Bye")]
    assert second[0].key == turn.headers["x-request-id"]


async def test_conversations_know_nothing_of_each_other():
    async with application(HELLO) as app:
        await app.ended()
        other = await app.ended(query="Other")
        await app.goes_on(other)

    assert said(app.upstream.histories[1]) == []
    assert said(app.upstream.histories[2]) == [("Other", "Hello")]


async def test_an_id_that_was_never_begun_is_a_404():
    unknown = "8b6a3c6e-0f0c-4d5c-8b7e-2d3c1a5e9f10"
    async with application(HELLO) as app:
        reply, body = await app.ask("POST", TURNS, {"query": "Hi", "conversation_id": unknown})

    assert (reply.status, json.loads(body)["code"]) == (404, "conversation_unknown")
    assert app.upstream.plans == []


async def test_a_history_is_as_long_as_the_limit():
    async with application(HELLO, history_limit_turns=2) as app:
        turn = await app.ended(query="1")
        for query in "234":
            await app.goes_on(turn, query=query)

    assert [question for question, _ in said(app.upstream.histories[-1])] == ["2", "3"]


async def test_the_model_of_the_last_turn_goes_on():
    async with application(HELLO, catalogues=(OFFER,)) as app:
        turn = await app.ended(provider="vllm", model="large-70b")
        await app.goes_on(turn)
        await app.goes_on(turn, provider="vllm", model="small-8b")
        await app.goes_on(turn)

    assert [each.model for each in app.upstream.plans] == [LARGE, LARGE, SMALL, SMALL]


async def test_what_a_shield_of_the_upstream_refused_is_not_in_the_history():
    async with application(Script(VIOLATION), HELLO) as app:
        turn = await app.ended(query="Say something bad")
        await app.goes_on(turn)

    assert said(app.upstream.histories[1]) == []


async def test_a_question_that_a_shield_beside_the_stream_refused_is_not_in_the_history():
    """The upstream has not heard of it, so the conversation goes on where it was."""
    no = ShieldChecked(Touchpoint.USER_INPUT, "No.")
    guarded = Script(judgements=(no,), judges_question=True)
    async with application(HELLO, guarded, HELLO) as app:
        turn = await app.ended(query="Hi")
        await app.goes_on(turn, query="Bad")

        assert app.upstream.forgotten == []
        await app.goes_on(turn)

    assert said(app.upstream.histories[2]) == [("Hi", "Hello")]
    assert app.upstream.plans[2].conversation.thread == thread_of(1)


@pytest.mark.parametrize("failure", [REFUSED, b"{garbage", agents.error("500: boom")])
async def test_what_was_said_before_a_failure_is_in_the_history(failure):
    async with application(Script((opening_chunk(), says("Hel"), failure)), HELLO) as app:
        turn = await app.ended(query="Hi")
        await app.goes_on(turn)

    assert said(app.upstream.histories[1]) == [("Hi", "Hel")]


@pytest.mark.parametrize("failure", [REFUSED, b"{garbage", agents.error("500: boom")])
async def test_a_turn_that_said_nothing_is_not_in_the_history(failure):
    async with application(Script((opening_chunk(), failure)), HELLO) as app:
        turn = await app.ended(query="Hi")
        await app.goes_on(turn)

    assert said(app.upstream.histories[1]) == []


async def test_what_was_said_before_an_interrupt_is_in_the_history():
    async with application(Script((opening_chunk(), says("Hel"), NEVER)), HELLO) as app:
        async with app.turn(query="Hi") as turn:
            await turn.part()
            await app.interrupt(turn)
        await app.goes_on(turn)

    assert said(app.upstream.histories[1]) == [("Hi", "Hel")]


async def test_a_turn_that_the_upstream_did_not_take_is_not_in_the_history():
    """But its conversation is there: the answer has said its id."""
    async with application(Script(at_open=(REFUSED,)), HELLO) as app:
        turn = await app.ended()
        again = await app.goes_on(turn)

    assert (turn.status, again.status) == (503, 200)
    assert said(app.upstream.histories[1]) == []


async def test_nothing_is_stored_that_would_outlive_the_process():
    async with application(HELLO) as app, app.turn() as turn:
        body = await turn.body()
        kept = await app.services.turns.history(turn.headers["x-conversation-id"])

    assert names(body)[-1] == "end"
    assert b'"stored":false' in body
    assert kept == (PastTurn(turn.headers["x-request-id"], "What is a pod?", "Hello"),)
