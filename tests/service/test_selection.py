"""What a turn is made with, rule by rule."""

import pytest

from service.domain import Attachment, Caller, Catalogue, ClientTool, Conversation, TurnRequest
from service.errors import (
    McpHeadersInvalid,
    ModelUnknown,
    RequestInvalid,
    ShieldUnknown,
    VectorStoreUnknown,
)
from service.settings import Settings
from service.turns.selection import select
from tests.support.applications import application
from tests.support.offers import EMBEDDING, EMPTY, GUARD, LARGE, OFFER, REMOTE, SMALL
from tests.support.upstreams import Script, answer

LARGE_BY_REQUEST = {"provider": "vllm", "model": "large-70b"}
LARGE_BY_DEFAULT = {"default_provider": "vllm", "default_model": "large-70b"}
GONE = {"default_provider": "vllm", "default_model": "gone"}
ADD = ClientTool("add", "Adds.", {"type": "object"})
ALL = {"type": "object", "properties": {}}


def plan(settings=None, last=None, catalogue=OFFER, **request):
    conversation = Conversation("conversation", model=last)
    asked = TurnRequest("Hi", **request)
    return select(Settings(**settings or {}), catalogue, conversation, asked)


# The model.


def test_a_model_that_only_guards_is_chosen_when_there_is_no_other():
    assert plan(catalogue=Catalogue((GUARD, SMALL), (), ())).model == SMALL
    assert plan(catalogue=Catalogue((EMBEDDING, GUARD), (), ())).model == GUARD


def test_a_model_that_answers_nothing_cannot_be_asked_for():
    with pytest.raises(ModelUnknown, match="'minilm' answers no questions"):
        plan(provider="st", model="minilm")


@pytest.mark.parametrize(
    ("request_", "last", "settings", "chosen"),
    [
        ({}, None, {}, SMALL),
        ({}, None, LARGE_BY_DEFAULT, LARGE),
        ({}, REMOTE, LARGE_BY_DEFAULT, REMOTE),
        (LARGE_BY_REQUEST, REMOTE, {}, LARGE),
        ({"provider": "vllm", "model": "vllm/large-70b"}, None, {}, LARGE),
        ({"provider": "openai", "model": "small-8b"}, None, {}, REMOTE),
        ({"provider": "vllm", "model": "small-8b"}, None, {}, SMALL),
        ({"provider": "vllm", "model": "guard"}, None, {}, GUARD),
    ],
)
def test_the_request_has_the_first_word_on_the_model_then_the_conversation(
    request_, last, settings, chosen
):
    assert plan(settings, last, **request_).model == chosen


def test_a_model_that_is_gone_does_not_go_on():
    without = Catalogue((SMALL, LARGE), (), ())

    assert plan(LARGE_BY_DEFAULT, last=REMOTE, catalogue=without).model == LARGE


@pytest.mark.parametrize(
    ("request_", "settings", "cause"),
    [
        (
            {"provider": "nobody", "model": "small-8b"},
            {},
            "The provider 'nobody' has no model 'small-8b': there is no such provider.",
        ),
        (
            {"provider": "openai", "model": "large-70b"},
            {},
            "The provider 'openai' has no model 'large-70b'.",
        ),
        ({}, GONE, "The provider 'vllm' has no model 'gone'."),
    ],
)
def test_a_model_that_is_not_offered_is_named(request_, settings, cause):
    with pytest.raises(ModelUnknown) as raised:
        plan(settings, **request_)

    assert raised.value.cause == cause


@pytest.mark.parametrize("catalogue", [EMPTY, Catalogue((EMBEDDING,), (), ())])
def test_what_does_not_answer_questions_is_not_chosen(catalogue):
    with pytest.raises(ModelUnknown) as raised:
        plan(catalogue=catalogue)

    assert raised.value.cause == "The upstream lists no model that answers questions."


# Instructions.


@pytest.mark.parametrize(
    ("settings", "asked", "instructions"),
    [
        ({}, None, "You are a helpful assistant."),
        ({"system_prompt": "Be brief."}, None, "Be brief."),
        ({"system_prompt": "Be brief."}, "Be long.", "Be long."),
        ({"system_prompt": "Be brief."}, "", ""),
        ({"system_prompt_by_request": False}, None, "You are a helpful assistant."),
    ],
)
def test_the_request_has_the_first_word_on_the_instructions(settings, asked, instructions):
    assert plan(settings, system_prompt=asked).system_prompt == instructions


@pytest.mark.parametrize("asked", ["Be long.", ""])
def test_instructions_of_a_request_can_be_forbidden(asked):
    with pytest.raises(RequestInvalid, match=r"^system_prompt: "):
        plan({"system_prompt_by_request": False}, system_prompt=asked)


# Shields.


@pytest.mark.parametrize(
    ("asked", "before", "after"),
    [
        (None, ("guard", "inout_guard"), ("output_guard", "inout_guard")),
        ((), (), ()),
        (("guard",), ("guard",), ()),
        (("output_guard",), (), ("output_guard",)),
        (("inout_guard",), ("inout_guard",), ("inout_guard",)),
        (("guard", "guard"), ("guard",), ()),
    ],
)
def test_the_name_of_a_shield_tells_what_it_judges(asked, before, after):
    chosen = plan(shield_ids=asked)

    assert (chosen.input_shields, chosen.output_shields) == (before, after)


def test_a_shield_that_is_not_offered_is_named():
    with pytest.raises(ShieldUnknown) as raised:
        plan(shield_ids=("guard", "gone"))

    assert raised.value.cause == "The upstream does not offer 'gone'."


# Vector stores.


@pytest.mark.parametrize(
    ("settings", "request_", "stores"),
    [
        ({}, {}, ("vs_docs", "vs_runbooks")),
        ({"retrieval": False}, {}, ()),
        ({"retrieval": False}, {"vector_store_ids": ("vs_docs",)}, ("vs_docs",)),
        ({}, {"vector_store_ids": ()}, ()),
        ({}, {"vector_store_ids": ("vs_docs", "vs_docs")}, ("vs_docs",)),
        ({}, {"no_tools": True}, ()),
        ({}, {"no_tools": True, "vector_store_ids": ("vs_docs",)}, ()),
    ],
)
def test_stores_are_searched_unless_somebody_objects(settings, request_, stores):
    assert plan(settings, **request_).vector_stores == stores


def test_a_store_that_is_not_offered_is_named():
    with pytest.raises(VectorStoreUnknown) as raised:
        plan(vector_store_ids=("vs_gone",))

    assert raised.value.cause == "The upstream does not offer 'vs_gone'."


# Client tools.


def tools(*names, **settings):
    return {"client_tools": [{"name": each, "description": "Set."} for each in names], **settings}


@pytest.mark.parametrize(
    ("settings", "request_", "described"),
    [
        ({}, {}, {}),
        (tools("add"), {}, {"add": "Set."}),
        (tools("add"), {"client_tools": (ADD,)}, {"add": "Adds."}),
        (tools("open"), {"client_tools": (ADD,)}, {"open": "Set.", "add": "Adds."}),
        (tools("add"), {"client_tools": (ADD,), "no_tools": True}, {}),
        (tools("add", client_tools_by_request=False), {}, {"add": "Set."}),
    ],
)
def test_client_tools_of_the_settings_and_the_request_are_put_together(
    settings, request_, described
):
    chosen = plan(settings, **request_).client_tools

    assert {each.name: each.description for each in chosen} == described


def test_a_client_tool_without_parameters_takes_none():
    assert plan(tools("add")).client_tools[0].parameters == ALL


def test_client_tools_of_a_request_can_be_forbidden():
    with pytest.raises(RequestInvalid, match=r"^client_tools: "):
        plan({"client_tools_by_request": False}, client_tools=(ADD,))


# Without a catalogue.


def test_where_nothing_can_be_chosen_only_the_question_counts():
    attachments = (Attachment("log", "text/plain", "it broke"),)
    chosen = plan(catalogue=None, attachments=attachments, shield_ids=("gone",), **LARGE_BY_REQUEST)

    assert (chosen.query, chosen.attachments) == ("Hi", attachments)
    assert chosen.model is None
    assert (chosen.input_shields, chosen.output_shields, chosen.vector_stores) == ((), (), ())


def test_the_order_of_refusals_tells_what_is_wrong_here_first():
    """What the settings forbid does not depend on the upstream."""
    with pytest.raises(RequestInvalid):
        plan({"client_tools_by_request": False}, client_tools=(ADD,), shield_ids=("gone",))
    with pytest.raises(McpHeadersInvalid):
        plan(caller=Caller(mcp_headers={"nobody": {}}), shield_ids=("gone",))


# The catalogue is renewed before anything is said to be missing.


@pytest.mark.parametrize(
    "asked",
    [LARGE_BY_REQUEST, {"shield_ids": ["output_guard"]}, {"vector_store_ids": ["vs_runbooks"]}],
)
async def test_what_has_come_since_the_upstream_was_asked_is_found(asked):
    before = Catalogue((SMALL,), ("guard",), ("vs_docs",))
    async with application(Script(answer("Hi")), catalogues=(before, OFFER)) as app:
        turn = await app.ended(**asked)

    assert turn.status == 200
    assert app.upstream.renewals == 1


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"provider": "vllm", "model": "gone"}, "model_unknown"),
        ({"shield_ids": ["gone"]}, "shield_unknown"),
        ({"vector_store_ids": ["gone"]}, "vector_store_unknown"),
    ],
)
async def test_what_the_upstream_does_not_offer_is_a_404(asked, code):
    async with application(catalogues=(EMPTY, OFFER)) as app, app.turn(**asked) as turn:
        body = await turn.json()

    assert (turn.status, body["code"]) == (404, code)
    assert (app.upstream.renewals, app.upstream.plans) == (1, [])


async def test_what_is_found_at_once_is_not_asked_for_again():
    async with application(Script(answer("Hi")), catalogues=(OFFER, EMPTY)) as app:
        await app.ended(**LARGE_BY_REQUEST)

    assert app.upstream.renewals == 0


async def test_what_the_settings_forbid_is_no_reason_to_ask_again():
    async with application(catalogues=(OFFER,), system_prompt_by_request=False) as app:
        turn = await app.ended(system_prompt="Be long.")

    assert (turn.status, app.upstream.renewals) == (422, 0)
