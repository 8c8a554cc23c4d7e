"""What people read: every answer arrives whole and unchanged, from every real server."""

import pytest

from tests.e2e.lab.gateway import only
from tests.e2e.lab.reply import FIRST_MODEL, SIGNATURE
from tests.e2e.lab.scenarios import scenarios
from tests.e2e.lab.tokens import filler

POD = "What is a pod in Kubernetes?"
MORNING = "How do I wish the whole on-call team a good morning in their own languages?"
COFFEE = "How do I make a good cup of pour-over coffee?"
REASONED = "Our API pods keep dying with exit code 137. What should I check first?"
HISTORY = "What did I ask before?"
ATTACHED = "Which documents did I attach?"


def script(question: str) -> str:
    return scenarios()[question].round[0].text


def test_an_answer_is_streamed_and_then_told_as_a_whole(gateway):
    told = gateway.ask(POD, shield_ids=[])

    assert told.names == ["start", "token", "turn_complete", "end"]
    assert told.text == told.one("turn_complete")["token"] == script(POD)
    assert (told.last["finish_reason"], told.last["truncated"]) == ("stop", False)
    assert told.last["output_tokens"] > 0


@only("0.7.3")
def test_the_headers_say_that_nobody_may_keep_or_change_the_stream(gateway):
    told = gateway.ask(POD, shield_ids=[])

    assert told.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert told.headers["cache-control"] == "no-cache, no-transform"
    assert told.headers["x-accel-buffering"] == "no"
    assert told.headers["content-location"] == f"/v1/streaming_query/{told.request_id}"


def test_no_character_is_lost_or_changed(gateway):
    told = gateway.ask(MORNING)

    assert told.text == script(MORNING)
    assert "\u2028".encode() in told.body
    assert "\u0085".encode() in told.body


def test_a_long_answer_arrives_whole(gateway):
    told = gateway.ask("Tell me everything. [[tokens=2000 pause_ms=0]]", shield_ids=[])

    assert told.text == "".join(filler(2_000))


def test_plain_text_is_the_answer_and_nothing_else(gateway):
    told = gateway.post({"query": MORNING, "media_type": "text/plain"})

    assert told.headers["content-type"] == "text/plain; charset=utf-8"
    assert told.body.decode() == script(MORNING)


def test_an_answer_of_nothing_is_an_answer(gateway):
    told = gateway.ask("Say nothing.", shield_ids=[])

    assert (told.text, told.last["event"]) == ("", "end")


def test_an_answer_without_room_is_truncated(gateway):
    told = gateway.ask(COFFEE)

    assert told.text == script(COFFEE)
    assert (told.last["truncated"], told.last["finish_reason"]) == (True, "length")


def test_thoughts_do_not_mix_with_the_answer(gateway):
    told = gateway.ask(REASONED, shield_ids=[])

    assert told.text == script(REASONED)
    thoughts = "".join(each["token"] for each in told.all("reasoning"))
    assert thoughts in {"", scenarios()[REASONED].round[0].reasoning}


def test_another_model_answers_when_it_is_asked(gateway):
    told = gateway.ask(POD, provider="vllm", model="scripted-70b")

    assert told.text == SIGNATURE + script(POD)


def test_without_tools_the_model_is_offered_none(gateway):
    with_tools = gateway.ask(HISTORY)
    without = gateway.ask(HISTORY, no_tools=True)

    assert "list_pods" in with_tools.text
    assert "tools: none" in without.text


def test_instructions_are_those_of_the_request(gateway):
    told = gateway.ask(HISTORY, system_prompt="Be brief.", no_tools=True)

    assert told.text == f'model: {FIRST_MODEL}\nsystem: "Be brief."\ntools: none'


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("text/plain", "OOMKilled\u2028twice"),
        ("application/xml", "<kind>Pod</kind>"),
    ],
)
def test_attachments_reach_the_model_unchanged(gateway, content_type, content):
    attachment = {"attachment_type": "log", "content_type": content_type, "content": content}

    told = gateway.ask(ATTACHED, attachments=[attachment], no_tools=True)

    (seen,) = gateway.model.requests(FIRST_MODEL)
    assert told.text.startswith("attachment: ")
    assert content in "".join(each["text"] for each in seen["messages"])
