"""A real headless Chromium before the real service."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.recordings import demonstrations
from tests.support.server import served

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000


def answer_of(recording: str) -> str:
    """Return what the model said in a recorded agent turn, joined from the raw chunks."""
    (stream,) = [each for each in demonstrations() if each.path.stem == recording]
    payloads: list[Any] = [chunk["event"]["payload"] for chunk in stream.chunks]
    deltas = [payload["delta"] for payload in payloads if "delta" in payload]
    return "".join(delta["text"] for delta in deltas if delta["type"] == "text")


@dataclass(slots=True)
class Tab:
    """One page of the browser; `complaints` is what its console said."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def ask(self, query: str) -> None:
        """Type a question and send it with the keyboard."""
        self.page.fill("#query", query)
        self.page.press("#query", "Enter")

    def wait_for(self, turn: str) -> None:
        """Wait until the turn has come to this."""
        self.page.wait_for_selector(f"body[data-turn={turn}]", timeout=PATIENCE_MS)

    def wait_for_text(self, selector: str, text: str) -> None:
        """Wait until an element holds a text."""
        self.page.locator(selector, has_text=text).first.wait_for(timeout=PATIENCE_MS)

    def text(self, selector: str) -> str:
        """Return the exact text of an element."""
        return self.page.locator(selector).first.text_content() or ""

    def turn(self, name: str) -> str | None:
        """Return what the page says of the turn."""
        return self.page.get_attribute("body", f"data-{name}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        pytest.fail("Chromium is not installed; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def service_at() -> Iterator[Callable[[str], str]]:
    """Return the address of a service that plays its recordings at a speed."""
    with ExitStack() as running:

        @cache
        def start(speed: str) -> str:
            return running.enter_context(served("--speed", speed)).url

        yield start


@pytest.fixture
def speed() -> str:
    return "5"


@pytest.fixture
def viewport() -> dict[str, int]:
    return {"width": 1280, "height": 860}


@pytest.fixture
def tab(
    chromium: Browser, service_at: Callable[[str], str], speed: str, viewport: dict[str, int]
) -> Iterator[Tab]:
    service = service_at(speed)
    context = chromium.new_context(viewport=viewport)
    tab = Tab(context.new_page(), service)
    tab.page.on("console", lambda message: tab.complaints.append(f"{message.type}: {message.text}"))
    tab.page.on("pageerror", lambda error: tab.complaints.append(f"pageerror: {error}"))
    tab.page.goto(service)
    tab.page.wait_for_selector(".session-pick")
    tab.page.wait_for_selector("#diagram svg", state="attached")
    yield tab
    context.close()
