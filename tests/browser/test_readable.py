"""What is easy to read, and to hear read: directions, headings, names, bounds, keys."""

from itertools import pairwise
from typing import Any

import pytest

from tests.browser.conftest import Tab
from tests.support import agents_chunks as agents
from tests.support.upstreams import NEVER, Script, Step, answer, opening_chunk, says

pytestmark = pytest.mark.browser

TOOL = "tool_execution"
ARABIC = "مرحبا بالعالم\n- عنصر\n1. بند\n> اقتباس\nEnglish\n```\ncode\n```\n"
IN_A_LIST = "1. Drain:\n   ```bash\n   kubectl drain\n     --force\n   ```\nDone."
LONG_NAME = "😀" + "name " * 1_000
LOOKUP = agents.call("c1", "knowledge_search", '{"query": "pods"}')
FOUND = agents.tool_complete("t1", agents.response("c1", "Two pods.", "knowledge_search"))


def calls(call: object, *then: Step) -> Script:
    """Return a turn that says something and calls a tool."""
    said = opening_chunk(), says("I look."), agents.whole_call("s1", call)
    executed = agents.step_start("t1", TOOL), agents.whole_call("t1", call, TOOL)
    return Script((*said, agents.inference_complete("s1"), *executed, *then))


def shown_lines(tab: Tab) -> list[dict[str, Any]]:
    """Return the kind of each line of the answer, and from which edge of it the text begins."""
    lines: list[dict[str, Any]] = tab.page.locator("#answer .line").evaluate_all(
        """(lines) => lines.map((line) => {
            const words = document.createRange();
            words.selectNodeContents(line);
            const [box, text] = [line, words].map((each) => each.getBoundingClientRect());
            const left = text.left - box.left < box.right - text.right;
            return { kind: line.className, from: left ? "left" : "right" };
        })"""
    )
    return lines


@pytest.mark.parametrize("scripts", [(Script(answer(ARABIC)),)])
def test_each_line_is_written_in_its_own_direction(live_tab: Tab) -> None:
    live_tab.ask("In Arabic, please.")

    live_tab.wait_for("end")

    lines = [each for each in shown_lines(live_tab) if each["kind"] not in ("line", "line blank")]
    right = ["line plain", "line item", "line numbered", "line quote"]
    assert [each["kind"] for each in lines[:4]] == right
    assert [each["from"] for each in lines[:4]] == ["right"] * 4
    assert [each["from"] for each in lines[4:]] == ["left"] * 4
    style = (
        "(line) => [getComputedStyle(line).paddingRight, getComputedStyle(line).borderRightWidth]"
    )
    assert live_tab.page.locator(".line.item").evaluate(style)[0] == "24px"
    assert live_tab.page.locator(".line.quote").evaluate(style)[1] == "3px"
    assert live_tab.text("#answer") == ARABIC


@pytest.mark.parametrize("scripts", [(Script(answer(IN_A_LIST)),)])
def test_code_in_a_list_is_not_indented_by_the_list(live_tab: Tab) -> None:
    live_tab.ask("How?")

    live_tab.wait_for("end")

    seen = live_tab.page.locator(".line.code").all_inner_texts()
    assert [line.rstrip("\n") for line in seen] == ["kubectl drain", "  --force"]
    assert live_tab.text("#answer") == IN_A_LIST


@pytest.mark.parametrize(
    "viewport", [{"width": 390, "height": 844}, {"width": 1280, "height": 800}]
)
@pytest.mark.parametrize("scripts", [(calls(agents.call("c1", LONG_NAME), NEVER),)])
def test_a_tool_with_a_long_name_leaves_the_page_as_it_is(live_tab: Tab) -> None:
    live_tab.ask("Look.")

    live_tab.wait_for_text("#status", "Running 😀name")

    assert len(live_tab.text("#status")) < 100
    height = "(element) => element.getBoundingClientRect().height"
    assert live_tab.page.locator(".tool-card").evaluate(height) < 200
    assert live_tab.page.locator("#conversation").evaluate(height) > 300
    assert live_tab.text(".tool-name") == LONG_NAME
    live_tab.page.click("#stop")
    live_tab.wait_for("interrupted")


@pytest.mark.parametrize("scripts", [(calls(LOOKUP, FOUND, *answer("Two.")),)])
def test_what_is_shown_has_a_heading_or_a_name(live_tab: Tab) -> None:
    live_tab.ask("How many pods?")

    live_tab.wait_for("end")

    page = live_tab.page
    assert page.get_by_role("heading", level=2, name="How many pods?").count() == 1
    assert page.get_by_role("heading", level=3, name="Result").count() == 1
    assert page.get_by_role("group", name="Arguments").text_content() == '{\n  "query": "pods"\n}'
    assert page.get_by_role("group", name="States passed through").count() == 1
    levels = "(all) => all.filter((each) => each.checkVisibility()).map((each) => +each.tagName[1])"
    found = page.locator("h1, h2, h3, h4, h5, h6").evaluate_all(levels)
    assert all(below <= above + 1 for above, below in pairwise(found))


@pytest.mark.parametrize("scripts", [(Script(answer("Hello.")),)])
def test_who_opens_the_page_can_write_at_once(live_tab: Tab) -> None:
    live_tab.page.wait_for_selector("#query:focus")

    live_tab.page.keyboard.type("What is a pod?")
    live_tab.page.keyboard.press("Enter")
    live_tab.wait_for("end")

    assert live_tab.text("#answer") == "Hello."


@pytest.mark.parametrize("scripts", [(calls(LOOKUP, FOUND, *answer("Two.")),)])
def test_the_way_through_the_states_is_seen_as_a_whole(live_tab: Tab) -> None:
    live_tab.ask("How many pods?")

    live_tab.wait_for("end")

    hidden = (
        "(path) => [path.scrollWidth - path.clientWidth, path.scrollHeight - path.clientHeight]"
    )
    assert live_tab.text("#path").count("→") > 5
    assert live_tab.page.locator("#path").evaluate(hidden) == [0, 0]
