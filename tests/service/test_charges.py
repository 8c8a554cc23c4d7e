"""What a turn is charged for, by how it has ended: nothing when nothing came of it."""

import json

import pytest

from service.errors import UpstreamError, UpstreamReset
from tests.support import agents_chunks as agents
from tests.support.applications import application, events
from tests.support.moderation import QUESTION_OBJECTION, QUESTION_PASSED, after_verdict
from tests.support.upstreams import NEVER, Script, opening_chunk, says
from tests.support.waiting_turns import BOTH, GOES_ON, LOST, REFUSED, WAITS

pytestmark = pytest.mark.slow

TOKENS = 100_000
ASKED = {"query": "word " * 2_000, "system_prompt": "Hi"}
ASKED_TOKENS = 2_501
NO_VERDICT = UpstreamError(
    "moderation_failed", "The shields could not be asked.", 502, untaken=True
)
JUDGED = {"judges_question": True, "moderation": after_verdict(1)}
FAILURES = {
    "not reached": Script(at_open=(REFUSED,)),
    "answered with a status": Script(at_open=(LOST,)),
    "refused in its first chunk": Script((agents.error("400: Model nope not found"),)),
    "failed before a word": Script((opening_chunk(), agents.error("500: boom"))),
    "lost before a word": Script((opening_chunk(), UpstreamReset())),
    "without a verdict": Script(judgements=(NO_VERDICT,), **JUDGED),
    "refused after a verdict": Script(at_open=(REFUSED,), judgements=(QUESTION_PASSED,), **JUDGED),
    "a bug of ours": Script(at_open=(RuntimeError("a bug"),)),
}


@pytest.fixture
def kept(database_url):
    """Return the settings of an application with a quota, in either database."""
    quota = {"name": "daily", "initial_tokens": TOKENS}
    return {"database": {"url": database_url}, "token_quotas": [quota]}


async def left(app):
    """Return what is left of the quota when nothing runs."""
    await app.services.live.ended()
    _, data = await app.ask("GET", "/v1/quotas")
    return json.loads(data)["quotas"][0]["available"]


async def cost(app, turn):
    """Return what is kept of what a turn has cost, when nothing runs."""
    await app.services.live.ended()
    record = await app.services.turns.known(turn.headers["x-request-id"], None)
    return record.input_tokens + record.output_tokens


@pytest.mark.parametrize("failure", list(FAILURES))
async def test_a_turn_that_failed_before_anything_was_said_costs_nothing(kept, log, failure):
    async with application(FAILURES[failure], **kept) as app:
        turn = await app.ended(**ASKED)

        assert (await left(app), await cost(app, turn)) == (TOKENS, 0)

    (line,) = [each for each in log if each["event"] == "turn.ended"]
    assert (line["outcome"], line["input_tokens"], line["output_tokens"]) == ("error", 0, 0)


@pytest.mark.parametrize(
    ("script", "tokens"),
    [
        pytest.param(Script(judgements=(NEVER,), **JUDGED), 0, id="by its shields"),
        pytest.param(Script(at_open=(NEVER,)), ASKED_TOKENS, id="by the upstream"),
    ],
)
async def test_a_turn_that_was_stopped_costs_its_question_when_that_was_asked(kept, script, tokens):
    """What a shield reads is charged to nobody."""
    async with application(script, commit_wait_s=0.01, **kept) as app:
        async with app.turn(**ASKED) as turn:
            await turn.begun()
            await app.interrupt(turn)
            await turn.body()

        assert await cost(app, turn) == TOKENS - await left(app) == tokens


async def test_answers_that_were_not_taken_cost_nothing(kept):
    async with application(WAITS, Script(at_open=(REFUSED,)), GOES_ON, **kept) as app:
        turn = await app.ended(**ASKED)
        before = await left(app)
        async with app.answer(turn, **BOTH) as refused:
            await refused.body()
        not_taken = await left(app)
        async with app.answer(turn, **BOTH) as again:
            await again.body()

        assert await cost(app, refused) == 0
        assert not_taken == before
        assert await cost(app, again) == before - await left(app) > ASKED_TOKENS


async def test_a_turn_that_failed_after_it_has_said_something_costs_that(kept):
    script = Script((opening_chunk(), says("word " * 100), agents.error("500: boom")))
    async with application(script, **kept) as app:
        turn = await app.ended(**ASKED)

        assert await cost(app, turn) == TOKENS - await left(app) == ASKED_TOKENS + 125


async def test_a_question_that_a_shield_has_refused_costs_what_its_end_says(kept):
    async with application(Script(judgements=(QUESTION_OBJECTION,), **JUDGED), **kept) as app:
        async with app.turn(**ASKED) as turn:
            end = events(await turn.body())[-1]
        spent = TOKENS - await left(app)

    assert end["data"]["input_tokens"] + end["data"]["output_tokens"] == spent > ASKED_TOKENS
    assert end["available_quotas"] == {"daily": TOKENS - spent}
