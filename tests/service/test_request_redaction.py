"""What must not leave is taken out of a request before anything else is done with it."""

import json

import pytest

from service.domain import Approval, ToolAnswer
from tests.support.applications import QUERY, TURNS, application
from tests.support.kept_turns import kept_conversations, kept_turns, on_file
from tests.support.upstreams import Script, answer
from tests.support.waiting_turns import APPROVED, ASKS, BOTH, DONE, GOES_ON, WAITS

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hello"))
SECRET = "MAY-NOT-LEAVE-1234"
CLEARED = "[redacted: badge]"
BADGE = {"name": "badge", "pattern": r"MAY-NOT-LEAVE-\d+"}
FINDS = {"redaction": {"patterns": [BADGE]}}
QUESTION = f"Who has {SECRET}?"
SEEN = f"seen: {SECRET}, {SECRET}"
LOG = {"attachment_type": "log", "content_type": "text/plain", "content": SEEN}
ASKED = {"query": QUESTION, "attachments": [LOG], "system_prompt": f"Never say {SECRET}."}
ENDLESS_SEARCH = {"name": "slow", "pattern": r"(?:a|aa|a?a)+$"}


async def counted(app):
    """Return how often something was taken out, by the name of its pattern."""
    _, text = await app.ask("GET", "/metrics")
    lines = [each for each in text.decode().splitlines() if each.startswith(COUNTER)]
    named = (each.removeprefix(COUNTER).split('"} ') for each in lines)
    return {name: float(count) for name, count in named if float(count)}


COUNTER = 'turnstile_redactions_total{pattern="'


def redactions(log):
    return [each["counts"] for each in log if each["event"] == "request.redacted"]


async def test_the_model_gets_nothing_of_it():
    async with application(HELLO, **FINDS) as app:
        await app.ended(**ASKED)

    (plan,) = app.upstream.plans
    assert plan.query == f"Who has {CLEARED}?"
    assert plan.system_prompt == f"Never say {CLEARED}."
    assert plan.attachments[0].content == f"seen: {CLEARED}, {CLEARED}"


async def test_one_answer_is_asked_for_in_the_same_way():
    async with application(HELLO, **FINDS) as app:
        await app.ask("POST", "/v1/query", QUERY | ASKED)

    assert SECRET not in str(app.upstream.plans)
    assert app.upstream.plans[0].query == f"Who has {CLEARED}?"


async def test_the_database_gets_nothing_of_it(tmp_path):
    path = tmp_path / "turnstile.db"
    async with application(HELLO, **FINDS, **on_file(path)) as app:
        await app.ended(**ASKED)

    (row,) = kept_turns(path)
    assert (row["question"], row["redactions"]) == (f"Who has {CLEARED}?", 4)
    assert kept_conversations(path)[0]["title"] == f"Who has {CLEARED}?"
    assert SECRET.encode() not in b"".join(each.read_bytes() for each in tmp_path.iterdir())


async def test_a_recording_gets_nothing_of_it(tmp_path):
    async with application(HELLO, **FINDS, recording={"directory": tmp_path}) as app:
        await app.ended(**ASKED)

    written = "".join(each.read_text() for each in tmp_path.rglob("*") if each.is_file())
    assert CLEARED in written
    assert SECRET not in written


async def test_a_transcript_gets_nothing_of_it(tmp_path):
    async with application(HELLO, **FINDS, transcripts={"directory": tmp_path}) as app:
        await app.ended(**ASKED)

    (written,) = [each.read_text() for each in tmp_path.rglob("*.json")]
    assert CLEARED in written
    assert SECRET not in written


async def test_the_log_says_how_often_and_not_what(log):
    async with application(HELLO, **FINDS) as app:
        await app.ended(**ASKED)

    assert redactions(log) == [{"badge": 4}]
    assert SECRET not in str(log)


SAID_BESIDE = [
    ("POST", "/v1/feedback", {"text": QUESTION}),
    ("PATCH", "/v1/conversations/{}", {"title": QUESTION}),
]


@pytest.mark.parametrize(("method", "target", "body"), SAID_BESIDE)
async def test_what_is_taken_out_of_titles_and_feedback_is_counted_like_that(
    log, method, target, body
):
    async with application(HELLO, **FINDS) as app:
        turn = await app.ended()
        of = {"request_id": turn.headers["x-request-id"]} if method == "POST" else {}
        target = target.format(turn.headers["x-conversation-id"])
        made, _ = await app.ask(method, target, body | of)
        found = await counted(app)

    assert made.status == 200
    assert found == {"badge": 1.0}
    assert redactions(log) == [{"badge": 1}]


async def test_the_metrics_count_it_by_its_pattern():
    async with application(HELLO, **FINDS) as app:
        await app.ended(**ASKED)

        assert await counted(app) == {"badge": 4.0}


async def test_what_comes_along_by_itself_is_found_and_counted_by_name(log):
    token = "Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789"
    async with application(HELLO) as app:
        await app.ended(query=f"Why is this refused? {token}")
        found = await counted(app)

    assert "abcdefghijklmnopqrstuvwxyz" not in app.upstream.plans[0].query
    assert found == {name: float(count) for name, count in redactions(log)[0].items()}
    assert "other" not in found


async def test_the_title_of_a_conversation_is_made_of_what_is_left():
    titles = {"titles": {"generate": True}}
    async with application(HELLO, HELLO, **FINDS, **titles) as app:
        await app.ended(**ASKED)
        while len(app.upstream.plans) < 2:
            await app.ask("GET", "/livez")

    assert SECRET not in app.upstream.plans[1].query


async def test_a_request_in_which_nothing_is_found_stays_as_it_is(log):
    async with application(HELLO, **FINDS) as app:
        await app.ended(attachments=[LOG | {"content": "all is well"}])

    (plan,) = app.upstream.plans
    assert (plan.query, plan.attachments[0].content) == ("What is a pod?", "all is well")
    assert redactions(log) == []


async def test_what_was_asked_before_is_not_searched_for_the_same_again():
    async with application(HELLO, HELLO, **FINDS) as app:
        turn = await app.ended(query=QUESTION)
        await app.goes_on(turn)

        assert await counted(app) == {"badge": 1.0}
    (past,) = app.upstream.histories[1]
    assert past.question == f"Who has {CLEARED}?"


async def test_results_of_tools_are_searched(log):
    async with application(WAITS, GOES_ON, **FINDS) as app:
        turn = await app.ended()
        said = {"call_id": "c1", "content": {"badge": SECRET}}
        async with app.answer(turn, tool_results=[said, DONE]) as again:
            await again.body()

    ((_, answers),) = app.upstream.resumed
    assert answers[0] == ToolAnswer("c1", json.dumps({"badge": CLEARED}, separators=(",", ":")))
    assert redactions(log) == [{"badge": 1}]


async def test_reasons_are_searched():
    async with application(ASKS, APPROVED, **FINDS) as app:
        turn = await app.ended()
        no = {"call_id": "a1", "approve": False, "reason": f"{SECRET} says no"}
        async with app.answer(turn, approvals=[no]) as again:
            await again.body()

    ((_, answers),) = app.upstream.resumed
    assert answers == (Approval("a1", approve=False, reason=f"{CLEARED} says no"),)


async def test_an_approval_without_a_reason_stays_one():
    async with application(ASKS, APPROVED, **FINDS) as app:
        turn = await app.ended()
        async with app.answer(turn, approvals=[{"call_id": "a1", "approve": True}]) as again:
            await again.body()

    assert app.upstream.resumed[0][1] == (Approval("a1", approve=True),)


async def test_the_same_answers_are_the_same_however_they_were_cleared():
    async with application(WAITS, GOES_ON, **FINDS) as app:
        turn = await app.ended()
        results = [{"call_id": "c1", "content": SECRET}, DONE]
        async with app.answer(turn, tool_results=results) as again:
            await again.body()
        async with app.answer(turn, tool_results=results) as repeated:
            await repeated.body()

    assert repeated.headers["x-request-id"] == again.headers["x-request-id"]


async def test_what_is_said_of_a_turn_is_searched(tmp_path):
    path = tmp_path / "turnstile.db"
    async with application(HELLO, **FINDS, **on_file(path)) as app:
        turn = await app.ended()
        said = {"request_id": turn.headers["x-request-id"], "text": f"It told me {SECRET}"}
        made, _ = await app.ask("POST", "/v1/feedback", said)

    assert made.status == 200
    assert SECRET.encode() not in b"".join(each.read_bytes() for each in tmp_path.iterdir())


@pytest.mark.parametrize("target", [TURNS, "/v1/query"])
async def test_what_cannot_be_searched_in_time_is_not_asked(target, log):
    slow = {"redaction": {"patterns": [ENDLESS_SEARCH], "timeout_s": 0.05}}
    async with application(HELLO, **slow) as app:
        refused, body = await app.ask("POST", target, QUERY | {"query": "a" * 5_000 + "b"})
        _, listed = await app.ask("GET", "/v1/conversations")

    assert (refused.status, json.loads(body)["code"]) == (422, "redaction_failed")
    assert app.upstream.plans == []
    assert json.loads(listed)["conversations"] == []


async def test_answers_that_cannot_be_searched_in_time_leave_the_turn_waiting():
    slow = {"redaction": {"patterns": [ENDLESS_SEARCH], "timeout_s": 0.5}}
    async with application(WAITS, GOES_ON, **slow) as app:
        turn = await app.ended()
        said = {"call_id": "c1", "content": "a" * 5_000 + "b"}
        async with app.answer(turn, tool_results=[said, DONE]) as refused:
            await refused.body()
        async with app.answer(turn, **BOTH) as again:
            await again.body()

    assert (refused.status, again.status) == (422, 200)
