"""How conversations are listed, opened and named, in either database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import Model
from service.errors import ConversationUnknown, CursorInvalid
from service.storage.database.conversations import (
    SqlConversations,
    latest_turns,
    newest_conversations,
)
from service.storage.database.cursors import Place, cursor_of, place_of
from service.storage.database.rows import to_json
from tests.support.explained import explained
from tests.support.kept_rows import put_conversation, put_turn

pytestmark = pytest.mark.slow

MODEL = Model("vllm/granite", "vllm", "granite", generates=True)


@pytest.fixture
def store(database):
    return SqlConversations(database)


@pytest.fixture
def many(database):
    """Keep 25 conversations of alice, of which several were used at the same time, and one of bob.

    Returns alice's as they should be listed.
    """

    async def put():
        listed = [(number % 4, f"c{number}") for number in range(25)]
        for at_s, name in listed:
            await put_conversation(database, name, at_s=at_s)
        await put_conversation(database, "of-bob", "bob", at_s=2)
        return [name for _, name in sorted(listed, reverse=True)]

    return put


async def walked(store, user, limit):
    """Return what the pages of a list hold."""
    pages, cursor = [], None
    while True:
        page = await store.page(user, limit, cursor)
        pages.append([each.conversation_id for each in page.conversations])
        cursor = page.following
        if cursor is None:
            return pages


async def told(store, conversation_id, limit, cursor=None):
    page = await store.read(conversation_id, "alice", limit, cursor)
    return [each.request_id for each in page.turns], page.earlier


async def test_a_list_has_what_is_to_be_known_of_a_conversation(store, database):
    details = {"title": "Pods \ud800", "model": to_json(MODEL), "message_count": 3}
    await put_conversation(database, "c", at_s=2.5, created_ms=500, **details)

    (note,) = (await store.page("alice", 10, None)).conversations

    assert (note.conversation_id, note.user) == ("c", "alice")
    assert (note.title, note.model, note.message_count) == ("Pods \ud800", MODEL, 3)
    assert (note.created_at, note.last_at) == (0.5, 2.5)


async def test_who_has_no_conversations_gets_an_empty_page(store, many):
    await many()

    page = await store.page("carol", 10, None)

    assert (page.conversations, page.following) == ((), None)


@pytest.mark.parametrize("limit", [1, 7, 24, 25, 26])
async def test_pages_hold_every_conversation_once_and_the_newest_first(store, many, limit):
    expected = await many()

    pages = await walked(store, "alice", limit)

    assert [name for page in pages for name in page] == expected
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert 0 < len(pages[-1]) <= limit


async def test_those_who_may_see_the_conversations_of_everybody(store, many):
    expected = await many()

    pages = await walked(store, None, 7)

    assert sorted(name for page in pages for name in page) == sorted([*expected, "of-bob"])


async def test_a_conversation_that_goes_on_meanwhile_moves_no_other(store, many, database):
    expected = await many()
    first = await store.page("alice", 10, None)
    await put_conversation(database, "new", at_s=9)
    moved = expected[15]
    await store.delete(moved, "alice")
    await put_conversation(database, moved, at_s=9)

    second = await store.page("alice", 25, first.following)

    listed = [each.conversation_id for each in second.conversations]
    assert listed == [name for name in expected[10:] if name != moved]


async def test_a_cursor_is_good_for_the_list_that_gave_it_only(store, many, database):
    await many()
    await put_turn(database, "t1", "c1")
    await put_turn(database, "t2", "c1")
    of_alice = (await store.page("alice", 1, None)).following
    of_all = (await store.page(None, 1, None)).following
    of_turns = (await store.read("c1", "alice", 1, None)).earlier

    for user, wrong in (("bob", of_alice), ("alice", of_all), (None, of_alice), ("alice", "")):
        with pytest.raises(CursorInvalid):
            await store.page(user, 1, wrong)
    for conversation_id, wrong in (("c2", of_turns), ("c1", of_alice)):
        with pytest.raises(CursorInvalid):
            await store.read(conversation_id, "alice", 1, wrong)


async def test_a_conversation_is_opened_with_its_last_turns_and_then_those_before(store, database):
    await put_conversation(database, "c")
    for number in range(5):
        await put_turn(database, f"t{number}", "c", ended_s=1 + number // 2)
    await put_conversation(database, "other")
    await put_turn(database, "t9", "other")

    last, earlier = await told(store, "c", 2)
    before, earliest = await told(store, "c", 2, earlier)
    first, none = await told(store, "c", 2, earliest)

    assert [first, before, last] == [["t0"], ["t1", "t2"], ["t3", "t4"]]
    assert none is None
    assert await told(store, "c", 5) == (["t0", "t1", "t2", "t3", "t4"], None)


async def test_a_running_turn_is_shown_with_what_it_has_said(store, database):
    await put_conversation(database, "c")
    await put_turn(database, "t", "c", ended_s=None, answer="So far")

    page = await store.read("c", None, 10, None)

    (turn,) = page.turns
    assert page.conversation.conversation_id == "c"
    assert (turn.outcome, turn.ended_at, turn.answer) == (None, None, "So far")


async def test_what_is_somebody_elses_is_as_if_it_were_not_there(store, database):
    await put_conversation(database, "c", "bob")
    uses = [
        lambda name: store.read(name, "alice", 10, None),
        lambda name: store.read(name, "alice", 10, "wrong"),
        lambda name: store.rename(name, "alice", "Mine"),
        lambda name: store.delete(name, "alice"),
    ]

    for use in uses:
        with pytest.raises(ConversationUnknown) as of_bob:
            await use("c")
        with pytest.raises(ConversationUnknown) as of_nobody:
            await use("\0 never was")
        assert of_bob.value.cause == of_nobody.value.cause
    assert (await store.read("c", "bob", 10, None)).conversation.title == "About c"


async def test_a_title_that_was_made_is_in_the_place_of_the_question(store, database):
    await put_conversation(database, "c")
    await store.name("c", "First")
    await store.name("c", "Second")

    assert (await store.read("c", "alice", 1, None)).conversation.title == "Second"


async def test_a_title_that_somebody_has_given_stays(store, database):
    await put_conversation(database, "c")
    renamed = await store.rename("c", "alice", "Mine")
    await store.name("c", "Made")
    again = await store.rename("c", None, "Ours")
    await store.name("c", "Made")

    assert (renamed.title, again.title) == ("Mine", "Ours")
    assert (await store.read("c", "alice", 1, None)).conversation.title == "Ours"


async def test_a_title_for_a_conversation_that_has_gone_changes_nothing(store, database):
    await put_conversation(database, "c")

    await store.name("gone", "Made")

    assert (await store.read("c", "alice", 1, None)).conversation.title == "About c"


PLACES = st.builds(
    Place,
    st.integers(0, 10**15 - 1),
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=64),
)
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))
URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(ANY_TEXT, PLACES)
def test_a_cursor_stands_for_its_place_and_fits_into_an_address(what, place):
    cursor = cursor_of(what, place)

    assert place_of(what, cursor) == place
    assert set(cursor) <= set(URL_SAFE)


@given(PLACES, st.data())
def test_no_cursor_that_was_altered_is_taken(place, data):
    cursor = cursor_of("list", place)
    at = data.draw(st.integers(0, len(cursor)))
    length = data.draw(st.integers(0, 2))
    put = data.draw(st.text(URL_SAFE + "=/+.\0\ud800", max_size=2))
    altered = cursor[:at] + put + cursor[at + length :]

    if altered != cursor:
        with pytest.raises(CursorInvalid):
            place_of("list", altered)


@pytest.mark.parametrize("id_length", [1, 2, 3])
def test_a_cursor_is_written_in_one_way_only(id_length):
    """Of the last character base64 may not need all bits."""
    cursor = cursor_of("list", Place(1, "x" * id_length))

    for last in set(URL_SAFE) - {cursor[-1]}:
        with pytest.raises(CursorInvalid):
            place_of("list", cursor[:-1] + last)


@given(ANY_TEXT)
def test_nothing_that_somebody_makes_up_is_a_cursor(cursor):
    with pytest.raises(CursorInvalid):
        place_of("list", cursor)


@pytest.mark.parametrize("user", ["alice", None])
@pytest.mark.parametrize("after", [None, Place(5, "c")], ids=["first page", "later page"])
async def test_a_page_is_read_from_an_index_in_order(database, user, after):
    plan = await explained(database, newest_conversations(user, 20, after), scans=False)

    index = "ix_conversations_last_ms_conversation_id"
    if user is not None:
        index = "ix_conversations_user_last_ms_conversation_id"
    assert index in plan
    assert "sort" not in plan.lower()
    assert "temp b-tree" not in plan.lower()


@pytest.mark.parametrize("before", [None, Place(5, "t")], ids=["last page", "page before"])
async def test_the_turns_of_a_conversation_are_read_from_an_index_in_order(database, before):
    plan = await explained(database, latest_turns("c", 20, before), scans=False)

    assert "ix_turns_conversation_id_began_ms_request_id" in plan
    assert "sort" not in plan.lower()
    assert "temp b-tree" not in plan.lower()
