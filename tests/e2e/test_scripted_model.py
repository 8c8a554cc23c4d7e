"""The scripted model says what the script says, and what the controls want."""

import json

import httpx
import pytest

from tests.e2e.lab.model_client import Model
from tests.e2e.lab.reply import FIRST_MODEL, SECOND_MODEL, SIGNATURE
from tests.e2e.lab.scenarios import Scenario, scenarios
from tests.e2e.lab.tokens import filler, pieces

SHORT = "What is a pod in Kubernetes?"


def said(model: Model, *messages: tuple[str, str], name: str = FIRST_MODEL, tools=()) -> str:
    """Ask for a streamed completion and return its text."""
    body = {
        "model": name,
        "stream": True,
        "messages": [{"role": role, "content": text} for role, text in messages],
        "tools": [{"type": "function", "function": {"name": tool}} for tool in tools],
    }
    answer = httpx.post(f"{model.url}/v1/chat/completions", json=body, trust_env=False)
    blocks = answer.raise_for_status().content.split(b"\n\n")
    chunks = [json.loads(block[6:]) for block in blocks if block.startswith(b"data: {")]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk.get("choices")]
    return "".join(delta.get("content") or "" for delta in deltas)


@pytest.mark.parametrize("scenario", scenarios().values(), ids=lambda each: each.question)
def test_pieces_of_every_text_are_the_text(scenario: Scenario):
    for each in scenario.round:
        assert "".join(pieces(each.text)) == each.text


def test_a_known_question_gets_its_answer(lone_model):
    text = said(lone_model, ("user", SHORT))

    assert text == scenarios()[SHORT].round[0].text


def test_the_second_model_signs(lone_model):
    text = said(lone_model, ("user", SHORT), name=SECOND_MODEL)

    assert text == SIGNATURE + scenarios()[SHORT].round[0].text


def test_controls_change_any_question(lone_model):
    known = said(lone_model, ("user", f"{SHORT} [[tokens=60]]"))
    unknown = said(lone_model, ("user", "Whatever? [[tokens=60 pause_ms=0]]"))

    assert known == unknown == "".join(filler(60))


def test_a_misspelt_control_is_refused(lone_model):
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        said(lone_model, ("user", "Whatever? [[token=60]]"))


def test_a_dropped_connection_is_not_an_orderly_end(lone_model):
    with pytest.raises(httpx.RemoteProtocolError):
        said(lone_model, ("user", "Whatever? [[tokens=9 cut_at=3]]"))


def test_the_history_is_what_was_sent(lone_model):
    text = said(
        lone_model,
        ("system", "Be brief."),
        ("user", SHORT),
        ("assistant", "A pod is a pod."),
        ("user", "What did I ask before?"),
        tools=["list_pods"],
    )

    assert text.split("\n") == [
        f"model: {FIRST_MODEL}",
        'system: "Be brief."',
        "tools: list_pods",
        f'user: "{SHORT}"',
        'assistant: "A pod is a pod."',
    ]


def test_attachments_are_told_behind_the_question_and_beside_it(lone_model):
    question = "Which documents did I attach?"

    text = said(lone_model, ("user", "kind: Pod"), ("user", f"{question}kind: Service"))

    assert text == 'attachment: "kind: Service"\nattachment: "kind: Pod"'


def test_a_tool_that_is_not_offered_is_not_called(lone_model):
    text = said(lone_model, ("user", "Who am I for your tools?"))

    assert text == "I was not offered the tool whoami."


def test_a_request_is_remembered_until_it_is_forgotten(lone_model):
    lone_model.forget()
    said(lone_model, ("user", "Whatever? [[tokens=5]]"))

    (seen,) = lone_model.requests(FIRST_MODEL)
    lone_model.forget()

    assert (seen["ending"], seen["tokens_sent"], seen["cut"]) == ("stop", 5, False)
    assert lone_model.requests() == []


def test_a_caller_that_leaves_is_seen(lone_model):
    body = {
        "model": FIRST_MODEL,
        "stream": True,
        "messages": [{"role": "user", "content": "Long? [[tokens=900 pause_ms=20]]"}],
    }
    url = f"{lone_model.url}/v1/chat/completions"

    with httpx.stream("POST", url, json=body, trust_env=False) as answer:
        next(answer.iter_bytes())

    assert lone_model.wait_for_cut()["tokens_sent"] < 900
