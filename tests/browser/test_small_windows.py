"""Windows in which there is little room: low ones, narrow ones, and those that change."""

from typing import Any

import pytest

from tests.browser.conftest import TWO_FRAMES, Tab
from tests.support.upstreams import NEVER, Script, opening_chunk, says

pytestmark = pytest.mark.browser

LINES = "".join(f"Line {number} of a long answer\n" for number in range(200))
LONG = Script((opening_chunk(), says(LINES), says("The last line"), NEVER))
BOX = "(element) => { const box = element.getBoundingClientRect(); return [box.top, box.bottom]; }"


@pytest.fixture
def scripts() -> tuple[Script, ...]:
    return (LONG,)


def ask_for_much(tab: Tab) -> None:
    """Ask, and wait until the last line of a long answer is drawn, which does not end."""
    tab.ask("Tell me all.")
    tab.wait_for_text("#answer", "The last line")
    tab.page.evaluate(TWO_FRAMES)


def box(tab: Tab, selector: str) -> Any:
    """Return the upper and the lower edge of the last of these elements, in the window."""
    return tab.page.locator(selector).last.evaluate(BOX)


def last_line_is_in_sight(tab: Tab) -> bool:
    """Return whether it stands above what is written in."""
    top, bottom = box(tab, "#answer .line")
    upper, lower = box(tab, "#composer")
    height = tab.page.evaluate("() => innerHeight")
    return bool(0 <= top < bottom <= upper < lower <= height)


@pytest.mark.parametrize(
    "viewport",
    [{"width": 844, "height": 390}, {"width": 640, "height": 400}, {"width": 320, "height": 256}],
)
class TestALowWindow:
    """The page scrolls as a whole: a phone held sideways, a page that is enlarged."""

    def test_follows_the_answer_and_keeps_the_buttons_in_sight(self, live_tab: Tab) -> None:
        ask_for_much(live_tab)

        assert last_line_is_in_sight(live_tab)
        live_tab.page.click("#stop")
        live_tab.wait_for("interrupted")
        width = live_tab.page.viewport_size or {}
        assert (
            live_tab.page.evaluate("() => document.documentElement.scrollWidth") == width["width"]
        )

    def test_leaves_a_reader_alone_who_has_gone_up(self, live_tab: Tab) -> None:
        ask_for_much(live_tab)

        live_tab.page.evaluate("() => scrollBy(0, -500)")
        live_tab.page.evaluate(TWO_FRAMES)
        before = live_tab.page.evaluate("() => scrollY")
        live_tab.page.click("#stop")
        live_tab.wait_for("interrupted")
        live_tab.page.evaluate(TWO_FRAMES)

        assert live_tab.page.evaluate("() => scrollY") == before


@pytest.mark.parametrize("viewport", [{"width": 320, "height": 568}, {"width": 390, "height": 844}])
def test_a_phone_shows_the_answer_above_the_open_diagram(live_tab: Tab) -> None:
    live_tab.page.click("#diagram-fold > summary")

    ask_for_much(live_tab)

    upper, lower = box(live_tab, "#conversation")
    assert lower - upper > 100
    assert last_line_is_in_sight(live_tab)
    assert box(live_tab, "#composer")[1] <= box(live_tab, "#machine")[0]
    lit, edge = box(live_tab, ".state.lit"), box(live_tab, "#machine")
    assert edge[0] <= lit[0] < lit[1] <= edge[1]
    buttons = live_tab.page.locator("#composer .actions button")
    assert len({each.evaluate(BOX)[0] for each in buttons.all()}) == 1


@pytest.mark.parametrize("viewport", [{"width": 844, "height": 700}])
@pytest.mark.parametrize("then", [(390, 600), (844, 390), (1280, 800)])
def test_the_end_stays_in_sight_when_the_window_changes(
    live_tab: Tab, then: tuple[int, int]
) -> None:
    ask_for_much(live_tab)

    live_tab.page.set_viewport_size({"width": then[0], "height": then[1]})
    live_tab.page.evaluate(TWO_FRAMES)

    assert last_line_is_in_sight(live_tab)


@pytest.mark.parametrize("viewport", [{"width": 844, "height": 390}])
def test_a_new_conversation_begins_at_the_top(live_tab: Tab) -> None:
    ask_for_much(live_tab)
    live_tab.page.click("#stop")
    live_tab.wait_for("interrupted")

    live_tab.page.click("#new-conversation")
    live_tab.page.evaluate(TWO_FRAMES)

    assert live_tab.page.evaluate("() => scrollY") == 0
