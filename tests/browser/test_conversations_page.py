"""The list of conversations: what is in it, and what can be done with it."""

import json

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import Tab
from tests.support.upstreams import NEVER, Script, ScriptedUpstream, answer, opening_chunk, says

pytestmark = pytest.mark.browser

POD, NODE = "What is a pod?", "What is a node?"
HELLO = Script(answer("Hello."))
WITHOUT_END = Script((opening_chunk(), says("It is "), NEVER))
LIST, TOGGLE = "#conversations-list > li", "#conversations-toggle"
CURRENT = f"{LIST}:has([aria-current])"
ATTACK = '<img src=x onerror="window.broken=1">'
WIDE = {"width": 1440, "height": 860}
PHONE = {"width": 360, "height": 740}


@pytest.fixture
def viewport() -> dict[str, int]:
    return WIDE


@pytest.fixture
def scripts() -> tuple[Script, ...]:
    return (HELLO,)


def titles(tab: Tab) -> list[str]:
    """Return the titles in the list, from the top."""
    return tab.page.locator(f"{LIST} .title").all_text_contents()


def converse(tab: Tab, *questions: str) -> None:
    """Begin a conversation with each question, and wait until the last one is listed."""
    for each in questions:
        tab.page.click("#new-conversation")
        tab.ask(each)
        tab.wait_for("end")
    tab.page.locator(LIST, has_text=questions[-1]).wait_for(state="attached")


def ask_elsewhere(tab: Tab, *questions: str, **fields: object) -> str:
    """Ask from another program, and return the conversation."""
    conversation = ""
    for each in questions:
        body = {"query": each, **fields}
        answered = tab.page.request.post(f"{tab.url}/v1/streaming_query", data=body)
        conversation = answered.headers["x-conversation-id"]
    return conversation


def press(tab: Tab, tool: str, title: str) -> None:
    """Press a button of a conversation with the keyboard."""
    tab.page.locator(LIST, has_text=title).locator(f"[data-tool={tool}]").press("Enter")


def test_conversations_are_listed_with_the_newest_first(live_tab: Tab) -> None:
    converse(live_tab, POD, NODE)

    live_tab.page.click(TOGGLE)

    assert titles(live_tab) == [NODE, POD]
    assert live_tab.text(f"{CURRENT} .title") == NODE
    assert "1 turn" in live_tab.text(f"{CURRENT} .about")


def test_a_page_that_is_opened_later_shows_the_list_where_there_is_room(live_tab: Tab) -> None:
    assert not live_tab.shows(TOGGLE)
    converse(live_tab, POD)
    undisturbed = not live_tab.shows("#conversations")

    live_tab.visit_anew()
    live_tab.page.wait_for_selector(LIST)

    assert undisturbed
    assert titles(live_tab) == [POD]
    assert live_tab.page.locator(CURRENT).count() == 0


def test_a_conversation_is_opened_and_gone_on_with(
    live_tab: Tab, upstream: ScriptedUpstream
) -> None:
    converse(live_tab, POD, NODE)
    live_tab.page.click(TOGGLE)

    live_tab.page.locator(f"{LIST} .open", has_text=POD).press("Enter")
    live_tab.wait_for_text(".question", POD)
    said = live_tab.text("#answer"), live_tab.text(f"{CURRENT} .title")
    live_tab.ask("And then?")
    live_tab.wait_for("end")

    first, _, third = [plan.conversation for plan in upstream.plans]
    assert said == ("Hello.", POD)
    assert third.conversation_id == first.conversation_id
    assert live_tab.page.locator(".question").all_text_contents() == [POD, "And then?"]
    live_tab.wait_for_text(f"{CURRENT} .about", "2 turns")
    assert titles(live_tab) == [POD, NODE]


def test_a_conversation_gets_another_title(live_tab: Tab) -> None:
    converse(live_tab, POD, NODE)
    live_tab.page.click(TOGGLE)

    press(live_tab, "rename", POD)
    live_tab.page.fill(".rename input", ATTACK)
    live_tab.page.press(".rename input", "Enter")
    live_tab.wait_for_text(f"{LIST} .title", ATTACK)
    live_tab.page.reload()
    live_tab.page.wait_for_selector(LIST)

    assert titles(live_tab) == [NODE, ATTACK]
    assert live_tab.page.locator("#conversations img").count() == 0
    assert live_tab.page.evaluate("() => window.broken") is None


def test_renaming_can_be_given_up(live_tab: Tab) -> None:
    converse(live_tab, POD)
    live_tab.page.click(TOGGLE)

    press(live_tab, "rename", POD)
    live_tab.page.fill(".rename input", "Another title")
    live_tab.page.press(".rename input", "Escape")

    assert titles(live_tab) == [POD]
    assert live_tab.page.locator(".rename").count() == 0
    assert live_tab.page.evaluate("() => document.activeElement.dataset.tool") == "rename"


def test_a_title_that_is_not_taken_can_be_mended(live_tab: Tab) -> None:
    converse(live_tab, POD)
    live_tab.page.click(TOGGLE)

    press(live_tab, "rename", POD)
    live_tab.page.fill(".rename input", "A title\u2028of two lines")
    live_tab.page.press(".rename input", "Enter")
    live_tab.wait_for_text(".conversation .problem", "The title was not changed.")
    live_tab.page.fill(".rename input", "A title")
    live_tab.page.press(".rename input", "Enter")

    live_tab.wait_for_text(f"{LIST} .title", "A title")
    assert titles(live_tab) == ["A title"]


def test_nothing_is_deleted_without_a_yes(live_tab: Tab) -> None:
    converse(live_tab, POD)
    live_tab.page.click(TOGGLE)

    press(live_tab, "remove", POD)
    live_tab.wait_for_text("dialog", f"“{POD}” and its 1 turn will be deleted")
    safe = live_tab.page.evaluate("() => document.activeElement.textContent")
    live_tab.page.keyboard.press("Escape")
    live_tab.page.wait_for_selector("dialog", state="detached")
    live_tab.page.reload()

    live_tab.page.wait_for_selector(LIST)
    assert (safe, titles(live_tab)) == ("Cancel", [POD])


def test_a_conversation_that_is_shown_is_deleted(live_tab: Tab, upstream: ScriptedUpstream) -> None:
    converse(live_tab, NODE, POD)
    live_tab.page.click(TOGGLE)

    press(live_tab, "remove", POD)
    live_tab.page.click("dialog .danger")
    live_tab.page.wait_for_selector("dialog", state="detached")

    assert titles(live_tab) == [NODE]
    assert live_tab.page.locator(".turn").count() == 0
    live_tab.ask("And then?")
    live_tab.wait_for("end")
    assert upstream.histories[-1] == []


class TestAConversationInWhichATurnRuns:
    """It is not deleted under the turn."""

    @pytest.fixture
    def scripts(self) -> tuple[Script, ...]:
        return (WITHOUT_END,)

    def test_is_not_deleted_before_that_has_ended(self, live_tab: Tab) -> None:
        live_tab.ask(POD)
        live_tab.wait_for_text("#answer", "It is")
        live_tab.page.click(TOGGLE)
        press(live_tab, "remove", POD)

        live_tab.page.click("dialog .danger")
        live_tab.wait_for_text("dialog .problem", "still running")
        live_tab.page.keyboard.press("Escape")
        live_tab.page.click("#stop")
        live_tab.wait_for("interrupted")
        press(live_tab, "remove", POD)
        live_tab.page.click("dialog .danger")

        live_tab.page.wait_for_selector(LIST, state="detached")


def test_a_long_list_is_shown_a_page_at_a_time(live_tab: Tab) -> None:
    questions = [f"Question {number}" for number in range(23)]
    ask_elsewhere(live_tab, *questions)
    live_tab.page.reload()
    live_tab.page.wait_for_selector(LIST)
    before = titles(live_tab)

    live_tab.page.press("#conversations-more", "Enter")
    live_tab.page.wait_for_selector("#conversations-more", state="hidden")
    converse(live_tab, POD)

    assert before == questions[:2:-1]
    assert titles(live_tab) == [POD, *reversed(questions)]


def test_what_was_deleted_elsewhere_leaves_the_list(live_tab: Tab) -> None:
    conversation = ask_elsewhere(live_tab, POD)
    ask_elsewhere(live_tab, NODE)
    live_tab.page.reload()
    live_tab.page.wait_for_selector(LIST)
    assert live_tab.page.request.delete(f"{live_tab.url}/v1/conversations/{conversation}").ok

    live_tab.page.locator(f"{LIST} .open", has_text=POD).click()

    live_tab.wait_for_text("#status", "cannot be opened")
    assert titles(live_tab) == [NODE]


def test_a_list_that_cannot_be_had_can_be_asked_for_again(live_tab: Tab) -> None:
    ask_elsewhere(live_tab, POD)
    live_tab.page.reload()
    live_tab.page.wait_for_selector(LIST)
    detail = {"response": "What is stored cannot be reached for now; try again.", "cause": ""}
    body = json.dumps({"detail": detail, "code": "storage_unavailable"})

    def refuse(route: Route) -> None:
        route.fulfill(status=503, body=body)

    live_tab.page.route("**/v1/conversations?**", refuse)
    live_tab.ask(NODE)
    live_tab.wait_for_text("#conversations-notice", "cannot be reached for now")
    live_tab.wait_for("end")
    live_tab.page.unroute("**/v1/conversations?**")
    live_tab.page.click("#conversations-notice button")

    live_tab.wait_for_text(f"{LIST} .title", NODE)
    assert titles(live_tab) == [NODE, POD]


class TestOnAPhone:
    """The list is a drawer over the page."""

    @pytest.fixture
    def viewport(self) -> dict[str, int]:
        return PHONE

    def test_it_opens_over_the_page_and_closes_again(self, live_tab: Tab) -> None:
        converse(live_tab, POD)
        before = live_tab.shows("#conversations")

        live_tab.page.press(TOGGLE, "Enter")
        inert = live_tab.page.evaluate("() => document.querySelector('main').inert")
        inside = live_tab.page.evaluate(
            "() => document.activeElement.closest('aside')?.id === 'conversations'"
        )
        live_tab.page.keyboard.press("Escape")

        assert (before, inert, inside) == (False, True, True)
        assert not live_tab.shows("#conversations")
        assert live_tab.page.evaluate("() => document.activeElement.id") == TOGGLE[1:]

    def test_a_conversation_that_is_picked_has_the_page_for_itself(self, live_tab: Tab) -> None:
        converse(live_tab, POD, NODE)
        live_tab.page.click(TOGGLE)

        live_tab.page.locator(f"{LIST} .open", has_text=POD).click()
        live_tab.wait_for_text(".question", POD)

        assert not live_tab.shows("#conversations")
        assert live_tab.page.is_enabled("#query")
        assert (
            live_tab.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
        )
