"""Shields that are asked beside the stream, and what their answers mean."""

import anyio
import httpx
import pytest

from service.errors import UpstreamError
from service.settings.groups import ModerationSettings
from statemachine import ShieldChecked, Touchpoint
from tests.support.plans import plan
from tests.support.stack import Answer, FakeStack, running, says

PATH = "/v1/safety/run-shield"
UNEXPLAINED = "The request was refused by a safety shield."
PASSED = {"violation": None}
QUESTION, ANSWER = Touchpoint.USER_INPUT, Touchpoint.ASSISTANT_OUTPUT


def violation(message="No.", **fields):
    return {"violation": {"violation_level": "error", "user_message": message, **fields}}


def by_shield(**answers):
    """Answer each shield in its own way."""
    return FakeStack().on("POST", PATH, lambda asked: answers[asked.body["shield_id"]])


async def judged(stack, touchpoint=QUESTION, text="What is a pod?", shields=("a",), **settings):
    timeout_s = settings.pop("timeout_s", 5.0)
    planned = plan(input_shields=shields, output_shields=shields)
    moderation = ModerationSettings(timeout_s=timeout_s)
    async with running(stack, moderation, **settings) as upstream:
        return await upstream.prepare(planned).moderator.judge(touchpoint, text)


async def failure_of(stack, **settings):
    with pytest.raises(UpstreamError) as failed:
        await judged(stack, **settings)
    assert failed.value.code == "moderation_failed"
    return failed.value


async def test_a_question_is_one_message():
    stack = FakeStack().on("POST", PATH, says(PASSED))

    assert await judged(stack, api_key="secret") == ShieldChecked(QUESTION, None)
    (asked,) = stack.to("POST")
    message = {"role": "user", "content": "What is a pod?"}
    assert asked.body == {"shield_id": "a", "messages": [message], "params": {}}
    assert asked.headers["authorization"] == "Bearer secret"


async def test_an_answer_is_judged_with_its_question():
    stack = FakeStack().on("POST", PATH, says(PASSED))

    assert await judged(stack, ANSWER, "A box.") == ShieldChecked(ANSWER, None)
    (body,) = stack.bodies(PATH)
    assert body["messages"] == [
        {"role": "user", "content": "What is a pod?"},
        {"role": "assistant", "content": "A box.", "stop_reason": "end_of_turn"},
    ]


async def test_all_shields_are_asked_at_once():
    stack, all_asked = FakeStack(), anyio.Event()

    def wait_for_the_other(_):
        if len(stack.to("POST")) == 2:
            all_asked.set()
        return Answer(200, (all_asked, b'{"violation": null}'))

    verdict = await judged(stack.on("POST", PATH, wait_for_the_other), shields=("a", "b"))

    assert verdict == ShieldChecked(QUESTION, None)


async def test_the_first_that_objects_has_the_word():
    stack = by_shield(a=says(PASSED), b=says(violation("B.")), c=says(violation("C.")))
    verdict = await judged(stack, shields=("a", "b", "c"))

    assert verdict == ShieldChecked(QUESTION, "B.", violation_level="error")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (violation(metadata={"type": "S1"}), ("No.", "error", '{"type":"S1"}')),
        (violation(metadata={"text": "\ud83d é"}), ("No.", "error", '{"text":"? é"}')),
        (violation("", metadata={}), (UNEXPLAINED, "error", None)),
        (violation(None), (UNEXPLAINED, "error", None)),
        (violation(7, violation_level=7), (UNEXPLAINED, None, None)),
        ({"violation": {}}, (UNEXPLAINED, None, None)),
    ],
    ids=repr,
)  # fmt: skip
async def test_an_objection_may_say_more_or_less(told, expected):
    verdict = await judged(FakeStack().on("POST", PATH, says(told)))

    message, level, metadata = expected
    assert verdict == ShieldChecked(QUESTION, message, violation_level=level, metadata=metadata)


@pytest.mark.parametrize("odd", [None, [], {}, "safe", 7, {"violation": "yes"}, {"violation": 1}])
async def test_who_says_neither_yes_nor_no_has_not_judged(odd):
    failed = await failure_of(FakeStack().on("POST", PATH, says(odd)))

    assert failed.status_code == 502
    assert failed.detail.startswith("a: no verdict")


@pytest.mark.parametrize(
    ("reply", "status_code"),
    [
        (says({"detail": "boom"}, 500), 502),
        (says({"detail": "later"}, 503), 503),
        (says({"error": {"message": "Shield `a` not served by provider"}}, 400), 502),
        (says({"detail": "Not Found"}, 404), 502),
        (says({"detail": "slow down"}, 429), 502),
        (says({"detail": "too late"}, 504), 504),
        (httpx.ConnectError("refused"), 503),
        (Answer(200, (b"<html>",), "text/html"), 502),
    ],
    ids=["500", "503", "400", "404", "429", "504", "refused", "no json"],
)
async def test_without_a_verdict_nothing_passes(reply, status_code):
    """Whatever a shield refuses, its caller has no part in it: no status blames the request."""
    failed = await failure_of(by_shield(a=says(PASSED), b=reply), shields=("a", "b"))

    assert failed.status_code == status_code
    assert failed.detail.startswith("b: ")


async def test_a_failure_weighs_more_than_an_objection():
    stack = by_shield(a=says(PASSED), b=says({}, 500), c=says(violation()))

    await failure_of(stack, shields=("a", "b", "c"))


async def test_a_verdict_must_come_in_time():
    failed = await failure_of(FakeStack().on("POST", PATH, anyio.Event()), timeout_s=0.05)

    assert failed.status_code == 504


async def test_asking_is_repeated():
    later = says({"detail": "later"}, 503, **{"retry-after-ms": "1"})
    stack = FakeStack().on("POST", PATH, later, httpx.ReadError("reset"), says(PASSED))

    assert await judged(stack, retries_limit=2) == ShieldChecked(QUESTION, None)
    assert len(stack.bodies(PATH)) == 3


async def test_who_stops_waiting_stops_asking():
    stack = FakeStack().on("POST", PATH, anyio.Event())
    async with running(stack) as upstream:
        moderator = upstream.prepare(plan(input_shields=("a", "b"))).moderator
        with anyio.move_on_after(0.05) as stopped:
            await moderator.judge(QUESTION, "What is a pod?")

    assert stopped.cancelled_caught


@pytest.mark.parametrize("level", ["info", "warn"])
async def test_what_a_shield_only_remarks_on_passes_as_in_agent_turns(level):
    stack = by_shield(a=says(violation("Hm.", violation_level=level)))

    assert await judged(stack) == ShieldChecked(QUESTION, None)
