"""The page of the OpenAPI document, as a person reads it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Locator, Page

from service.routes import ROUTES
from statemachine import EVENT_NAMES
from tests.browser.conftest import PATIENCE_MS
from tests.support.described import described

pytestmark = pytest.mark.browser

START = "#streaming_query_start"
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


@dataclass(slots=True)
class Docs:
    """The page; `complaints` is what its console said, `asked` what it has asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def shown(self, selector: str) -> Locator:
        """Return what can be seen of a selector."""
        return self.page.locator(selector).locator("visible=true")

    def open_all(self) -> None:
        """Open all that can be opened."""
        self.page.evaluate("for (const each of document.querySelectorAll('details')) each.open = 1")

    @property
    def focused(self) -> str | None:
        """The text of what has the focus."""
        return self.page.evaluate("document.activeElement.textContent")


@pytest.fixture
def viewport() -> dict[str, int]:
    return WIDE


@pytest.fixture
def scheme() -> str:
    return "light"


@pytest.fixture
def place() -> str:
    return ""


@pytest.fixture
def docs(
    chromium: Browser,
    service_at: Callable[[str], str],
    viewport: dict[str, int],
    scheme: str,
    place: str,
) -> Iterator[Docs]:
    context = chromium.new_context(viewport=viewport, color_scheme=scheme)
    docs = Docs(context.new_page())
    docs.page.on("console", lambda each: docs.complaints.append(f"{each.type}: {each.text}"))
    docs.page.on("pageerror", lambda error: docs.complaints.append(f"pageerror: {error}"))
    docs.page.on("request", lambda request: docs.asked.append(request.url))
    docs.page.goto(f"{service_at('5')}/docs{place}")
    docs.page.wait_for_selector("body[data-document=shown]", timeout=PATIENCE_MS)
    yield docs
    context.close()


def test_every_route_event_and_schema_is_there(docs: Docs) -> None:
    labels = docs.page.locator("#links li").all_text_contents()

    assert {f"{each.method} {each.path}" for each in ROUTES} <= set(labels)
    assert {*EVENT_NAMES.values(), "gap", "unavailable", "the text dialect"} <= set(labels)
    assert set(described()["components"]["schemas"]) <= set(labels)
    assert docs.page.locator(".card").count() == len(labels)


def test_it_needs_nothing_from_elsewhere(docs: Docs) -> None:
    here = docs.page.url.removesuffix("/docs")

    assert docs.complaints == []
    assert [each for each in docs.asked if not each.startswith(here)] == []


def test_every_route_can_be_opened(docs: Docs) -> None:
    for operations in described()["paths"].values():
        for operation in operations.values():
            card = f"#{operation['operationId']}"
            docs.page.click(f"{card} > summary")
            docs.shown(f"{card} .answer .status").first.wait_for()

            statuses = docs.shown(f"{card} .answer .status").all_text_contents()
            assert statuses == list(operation["responses"])


def test_a_status_tells_its_codes_with_what_they_mean_and_an_example(docs: Docs) -> None:
    docs.page.click(f"{START} > summary")
    busy = docs.page.locator(f"{START} .answer", has_text="conversation_busy").first

    busy.locator("summary").first.click()
    busy.get_by_text("Example of conversation_busy").click()

    assert "A turn of the conversation is running" in (busy.text_content() or "")
    assert '"code": "conversation_busy"' in busy.locator("pre").locator("visible=true").inner_text()


def test_an_event_shows_its_fields_and_a_recorded_example(docs: Docs) -> None:
    docs.page.click("#event-end > summary")

    assert docs.shown("#event-end dt").all_text_contents()[0] == "idalways"
    assert '"finish_reason"' in docs.shown("#event-end pre").inner_text()


@pytest.mark.parametrize("place", ["#schema-TurnBody"])
def test_an_address_leads_to_what_it_names(docs: Docs) -> None:
    assert docs.page.locator("#schema-TurnBody").get_attribute("open") is not None
    assert docs.focused == "TurnBody"


def test_a_schema_that_is_named_is_one_click_away(docs: Docs) -> None:
    docs.page.click(f"{START} > summary")

    docs.page.locator(f"{START} a[href='#schema-AttachmentBody']").first.click()

    assert "content_type" in (docs.shown("#schema-AttachmentBody").text_content() or "")


def test_the_contents_can_be_narrowed_down(docs: Docs) -> None:
    docs.page.fill("#filter", "feedback")

    assert docs.shown("#links li").all_text_contents() == [
        "POST /v1/feedback",
        "FeedbackAnswer",
        "FeedbackBody",
    ]
    assert docs.shown(".card").count() == 3


def test_everything_can_be_reached_with_the_keyboard(docs: Docs) -> None:
    keyboard = docs.page.keyboard
    keyboard.press("Tab")
    skip = docs.focused
    keyboard.press("Enter")
    docs.page.wait_for_function("document.activeElement.id === 'document'")
    keyboard.press("Tab")
    first = docs.focused

    keyboard.press("Enter")
    docs.shown(f"{START} .answer").first.wait_for()

    assert skip == "Skip to the routes"
    assert (first or "").startswith("POST/v1/streaming_query")
    assert docs.page.locator(START).get_attribute("open") is not None


@pytest.mark.parametrize("viewport", [PHONE])
@pytest.mark.parametrize("place", [START, "#event-end", "#schema-TurnBody"])
def test_a_phone_shows_it_without_scrolling_aside(docs: Docs, place: str) -> None:
    docs.open_all()

    assert docs.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@pytest.mark.parametrize("viewport", [PHONE])
def test_a_phone_has_the_contents_folded_away(docs: Docs) -> None:
    folded = docs.shown("#links").count() == 0

    docs.page.click("#contents > summary")
    docs.page.click("#links a[href='#event-token']")

    assert folded
    assert docs.shown("#links").count() == 0
    assert docs.page.locator("#event-token").get_attribute("open") is not None


CONTRAST = """() => {
  const channel = (value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) =>
    0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const rgba = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const color = rgba(getComputedStyle(each).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim());
    if (!own || !node.checkVisibility()) continue;
    const [a, b] = [light(rgba(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push(`${ratio.toFixed(2)} ${node.className}: ${node.textContent}`);
  }
  return weak;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", [START])
def test_all_text_can_be_read(docs: Docs) -> None:
    docs.shown(f"{START} .answer").first.wait_for()
    docs.open_all()

    assert docs.page.evaluate(CONTRAST) == []
