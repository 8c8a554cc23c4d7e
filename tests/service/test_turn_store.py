"""What is kept of turns, and how their conversations go on, in every kind of database."""

from dataclasses import replace

import pytest

from service.domain import AttachmentNote, Leavings, Model, PastTurn
from service.errors import ConversationUnknown
from service.storage.history import HistoryBounds
from tests.support.clock import Clock
from tests.support.kept_rows import paused_turn, put_turn
from tests.support.offers import LARGE, SMALL
from tests.support.turn_stores import Told, leaving, past, thread_of, turns_on


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(any_database, clock):
    return turns_on(any_database, clock)


@pytest.fixture
def told(store, clock):
    return Told(store, clock)


async def test_a_conversation_that_was_never_begun_is_unknown(store):
    with pytest.raises(ConversationUnknown):
        await store.find("1", None)
    with pytest.raises(ConversationUnknown):
        await store.check("1", None)


async def test_a_conversation_is_its_users_and_unknown_to_others(told, store):
    await told.tell("a", opens=True)

    assert (await told.found("1", "alice")).user == "alice"
    await store.check("1", "alice")
    await store.check("1", None)
    with pytest.raises(ConversationUnknown):
        await told.found("1", "bob")
    with pytest.raises(ConversationUnknown):
        await store.check("1", "bob")


async def test_a_turn_is_kept_before_it_runs(told):
    begun = await told.begin(
        "a",
        opens=True,
        attachments=(AttachmentNote("log", "text/plain", 12),),
        redactions=2,
        model=SMALL,
    )

    assert await told.known("a") == begun
    assert await told.past() == ()


async def test_everything_that_is_known_of_a_turn_is_kept(told):
    await told.begin("a", opens=True)

    await told.end(
        "a",
        outcome="error",
        code="upstream_reset",
        truncated=True,
        tool_calls=({"call_id": "c1", "arguments": {"pods": ["ä", None, 1.5]}},),
        tool_results=({"call_id": "c1", "content": "\ud800\0"},),
        shields=({"shield_id": "guard", "flagged": False},),
        referenced_documents=({"title": "Pods", "url": None},),
        rag_chunks=({"text": "A pod is", "score": 0.5},),
        input_tokens=12,
        output_tokens=2**40,
        usage="exact",
    )

    assert await told.known("a") == told.records["a"]


async def test_a_turn_is_told_to_its_user_only(told, store):
    await told.begin("a", opens=True)

    assert await store.known("a", "alice") is not None
    assert await store.known("a", "bob") is None
    assert await store.known("b", None) is None


@pytest.mark.parametrize("text", ["\ud800", "\ud83d\ude00", "\udc00\ud800\0\u2028", "\ufdd0x", ""])
async def test_any_text_is_kept_as_it_was_said(told, store, text):
    """Models and clients send halves of characters, which no encoding has."""
    await told.begin("a", opens=True, user=f"u{text}", question=text)
    await told.end("a", answer=text, code=text, finish_reason=text)

    assert await told.known("a") == told.records["a"]
    assert await told.past() == (PastTurn("a", text, text),)


@pytest.mark.parametrize("name", ["\0", "\ud800", "x" * 10_000, "'; DROP TABLE turns; --"])
async def test_whatever_is_asked_for_is_unknown(store, name):
    with pytest.raises(ConversationUnknown):
        await store.find(name, None)
    assert await store.known(name, name) is None


async def test_a_count_that_no_column_holds_is_bounded(told):
    await told.begin("a", opens=True)

    await told.end("a", input_tokens=2**70, output_tokens=-5)

    kept = await told.known("a")
    assert (kept.input_tokens, kept.output_tokens) == (2**53 - 1, 0)


async def test_turns_are_told_in_order_with_the_last_model_and_thread(told):
    await told.tell("a", leaving("A", model=SMALL), opens=True)
    await told.tell("b", leaving("B", 1, model=LARGE))

    found = await told.found()

    assert await told.past() == (past("a"), past("b"))
    assert (found.model, found.thread, found.version) == (LARGE, thread_of("B"), 2)


async def test_a_model_that_did_not_answer_is_not_gone_on_with(told):
    await told.tell("a", Leavings(model=SMALL), opens=True)
    await told.tell("b", Leavings(model=None))

    assert (await told.found()).model == SMALL


async def test_a_model_keeps_all_that_is_known_of_it(told):
    model = Model("a/b", "a", "b\ud800", generates=True, guards=True)
    await told.tell("a", Leavings(model=model), opens=True)

    assert (await told.found()).model == model


async def test_a_turn_that_says_nothing_is_kept_and_not_told(told):
    await told.begin("a", opens=True)

    await told.end("a", told=False, answer="", outcome="error")

    assert (await told.known("a")).outcome == "error"
    assert await told.past() == ()
    assert (await told.found()).version == 0


async def test_the_streams_of_a_turn_are_told_as_one(told):
    waits = Leavings(paused=paused_turn("a", "1"))
    await told.tell("a", waits, opens=True)
    await told.tell("b", key="a", resumes="a", question="a?")

    assert await told.past() == (PastTurn("a", "a?", "a!\n\nb!"),)


async def test_a_turn_that_has_waited_stands_where_it_has_ended(told):
    await told.tell("a", Leavings(paused=paused_turn("a", "1")), opens=True)
    await told.tell("b")
    await told.tell("c", key="a", resumes="a", question="a?")

    assert await told.history() == ["b", "a"]


async def test_only_the_last_turns_are_told(told, any_database, clock):
    await told.tell("a", opens=True)
    for each in "bcd":
        await told.tell(each)

    short = turns_on(any_database, clock, bounds=HistoryBounds(2, 1_000))

    assert await short.history("1") == (past("c"), past("d"))


async def test_of_a_long_conversation_the_last_turns_are_told_in_order(told, any_database, clock):
    await told.tell("000", opens=True)
    for number in range(1, 150):
        # Several in one millisecond.
        ended_s = clock() + number // 3
        await put_turn(any_database, f"{number:03}", "1", ended_s=ended_s, told=True)

    kept = await told.history()

    assert kept == [f"{number:03}" for number in range(50, 150)]


async def test_only_so_much_text_is_told(told, any_database, clock):
    await told.begin("a", opens=True)
    await told.end("a", answer="!" * 50)
    for each in "bc":
        await told.begin(each)
        await told.end(each, answer="!" * 50)

    short = turns_on(any_database, clock, bounds=HistoryBounds(9, 110))

    assert [each.key for each in await short.history("1")] == ["b", "c"]


async def test_of_a_turn_that_is_too_long_alone_the_beginning_is_told(told, any_database, clock):
    await told.tell("a", opens=True)
    await told.begin("b")
    await told.end("b", answer="!" * 5_000)

    short = turns_on(any_database, clock, bounds=HistoryBounds(9, 1_024))

    assert await short.history("1") == (PastTurn("b", "b?", "!" * 128),)


async def test_what_was_said_so_far_is_kept(told, store):
    begun = await told.begin("a", opens=True)

    await store.checkpoint({"a": "It is"})

    assert await told.known("a") == replace(begun, answer="It is")
    assert await told.history() == []


async def test_what_has_ended_is_not_said_again(told, store):
    await told.tell("a", opens=True)

    await store.checkpoint({"a": "It is", "b": "unknown"})

    assert (await told.known("a")).answer == "a!"


async def test_ending_a_turn_again_changes_nothing(told, store, clock):
    await told.tell("a", leaving("A"), opens=True)
    before = await told.found()

    again = await store.end(told.records["a"], leaving("A"))

    assert again.unneeded == ()
    assert await told.found() == before


async def test_a_turn_that_never_began_does_not_end(told, store, clock):
    begun = await told.begin("a", opens=True)
    await store.withdraw(begun)

    assert await told.end("a") is None
