"""The laboratory works: real servers pass on what the scripted model says, and what befalls it."""

import json

import httpx
import pytest

from tests.e2e.lab.direct import (
    INSTRUCTIONS,
    asked,
    asking,
    cluster_tools,
    guarded,
    search_tools,
    text_of,
)
from tests.e2e.lab.reply import FIRST_MODEL, SIGNATURE
from tests.e2e.lab.scenarios import scenarios
from tests.e2e.lab.tokens import filler

MORNING = "How do I wish the whole on-call team a good morning in their own languages?"


def shown(chunks) -> str:
    return json.dumps(chunks, ensure_ascii=False)


def test_the_real_server_is_the_one_that_was_wanted(lab):
    names = httpx.get(f"{lab.url}/v1/models", trust_env=False).text

    assert lab.server.name.endswith(lab.version)
    assert lab.first_model in names
    assert lab.second_model in names


def test_no_character_is_lost_on_the_way(lab):
    assert text_of(asked(lab, MORNING)) == scenarios()[MORNING].round[0].text


def test_a_long_answer_arrives_whole(lab):
    chunks = asked(lab, "Tell me everything. [[tokens=500 pause_ms=0]]")

    assert text_of(chunks) == "".join(filler(500))


def test_the_other_model_answers_when_it_is_asked(lab):
    chunks = asked(lab, "What is a pod in Kubernetes?", model=lab.second_model)

    assert text_of(chunks).startswith(SIGNATURE)


def test_the_model_tells_what_it_was_sent(lab, model):
    text = text_of(asked(lab, "What did I ask before?"))
    (seen,) = model.requests(FIRST_MODEL)

    assert text.startswith(f'model: {FIRST_MODEL}\nsystem: "{INSTRUCTIONS}"\ntools: none')
    assert seen["system_prompt"] == INSTRUCTIONS


def test_documents_are_found(lab):
    question = "How do I drain a node for maintenance without downtime?"

    chunks = asked(lab, question, **search_tools(lab))

    assert "https://docs.example.org/runbooks/node-maintenance" in shown(chunks)
    assert "kubectl uncordon" in text_of(chunks)


def test_a_tool_is_called_and_its_result_reaches_the_model(lab):
    question = "Find the broken pod in the shop namespace and show me its log."

    chunks = asked(lab, question, **cluster_tools(lab))

    assert text_of(chunks).endswith("cannot open /etc/catalog/prices.yaml: no such file")


def test_the_guard_refuses_a_question(lab, model):
    question = "Anything. [[unsafe=S2]]"

    chunks = asked(lab, question, **guarded(lab))

    assert text_of(chunks) == ""
    assert model.requests(FIRST_MODEL) == []
    assert "flagged" in shown(chunks) or "violation" in shown(chunks)


def test_the_guard_stops_an_answer(lab):
    chunks = asked(lab, "Anything. [[tokens=40 unsafe_at=20]]", **guarded(lab))

    assert "flagged" in shown(chunks) or "violation" in shown(chunks)


@pytest.mark.parametrize("control", ["fail_at=10", "cut_at=10"])
def test_a_model_that_breaks_off_is_an_error(lab, control):
    chunks = asked(lab, f"Tell me. [[tokens=40 {control}]]")

    assert text_of(chunks).strip() == "".join(filler(10))
    assert "An unexpected error occurred" in shown(chunks[-1])


def test_an_answer_without_room_ends_early(lab, model):
    chunks = asked(lab, "How do I make a good cup of pour-over coffee?")

    assert model.requests()[-1]["ending"] == "length"
    assert "out_of_tokens" in shown(chunks) or "response.incomplete" in shown(chunks)


@pytest.mark.parametrize("lab", ["0.3.5", "ogx-1.5.0"], indirect=True)
def test_leaving_the_real_server_cuts_the_model(lab, model):
    """0.7.3 does not always notice; one close in ten leaves the model talking."""
    with asking(lab, "Count slowly to three hundred.") as chunks:
        next(chunk for chunk in chunks if text_of([chunk]))

    assert model.wait_for_cut()["tokens_sent"] < 300
