"""A real headless Chromium before the real service."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from playwright.sync_api import Browser, Page, Route, sync_playwright

from service.domain import Answers, PausedTurn, UpstreamInfo
from service.settings import Settings
from service.wiring import services_on
from statemachine import CallStatus, ToolCallCompleted, TurnResumed
from tests.support.fixtures import no_settings_of_the_developer
from tests.support.people import credential
from tests.support.recordings import demonstrations
from tests.support.server import served, served_here
from tests.support.upstreams import Script, ScriptedTurn, ScriptedUpstream

__all__ = ["no_settings_of_the_developer"]

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
PLAIN_HOST = "turnstile.test"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Only localhost is a secure context without TLS: this name has the other pages.
    f"--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1",
]
PATIENCE_MS = 20_000
TWO_FRAMES = """() => new Promise((drawn) =>
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(drawn))))"""


def answer_of(recording: str) -> str:
    """Return what the model said in a recorded agent turn, joined from the raw chunks."""
    (stream,) = [each for each in demonstrations() if each.path.stem == recording]
    payloads: list[Any] = [chunk["event"]["payload"] for chunk in stream.chunks]
    deltas = [payload["delta"] for payload in payloads if "delta" in payload]
    return "".join(delta["text"] for delta in deltas if delta["type"] == "text")


def key_of(name: str) -> str:
    """Return the key of a name, as somebody would paste it."""
    return credential(name)["Authorization"].removeprefix("Bearer ")


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

    def shows(self, selector: str) -> bool:
        """Return whether one of these elements can be seen."""
        return self.page.locator(selector).locator("visible=true").count() > 0

    def sign_in(self, name: str) -> None:
        """Give the key of a name, with the keyboard; see `tests.support.people`."""
        self.page.fill("#credential", key_of(name))
        self.page.press("#credential", "Enter")
        self.page.wait_for_selector("#sign-in", state="hidden", timeout=PATIENCE_MS)

    def asks_who(self) -> None:
        """Wait until the page asks for a credential."""
        self.page.wait_for_selector("#sign-in", timeout=PATIENCE_MS)

    def visit_anew(self) -> None:
        """Load the page as a tab does that was opened just now."""
        self.page.evaluate("() => sessionStorage.clear()")
        self.page.reload()

    def turn(self, name: str) -> str | None:
        """Return what the page says of the turn."""
        return self.page.get_attribute("body", f"data-{name}")


class Held:
    """Keeps one request waiting until it is let go, also when whoever has sent it has left."""

    def __init__(self, page: Page, pattern: str) -> None:
        self._page = page
        self._routes: list[Route] = []
        page.route(pattern, self._hold, times=1)

    def _hold(self, route: Route) -> None:
        self._routes.append(route)

    def let_go(self) -> None:
        """Let the service answer, and the page draw what it makes of that."""
        (route,) = self._routes
        with self._page.expect_event("requestfinished", lambda each: each == route.request):
            route.continue_()
        self._page.evaluate(TWO_FRAMES)


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


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[BlockingPortal]:
    """Return an event loop in a thread: Playwright occupies that of the tests."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def speed() -> str:
    return "5"


@pytest.fixture
def viewport() -> dict[str, int]:
    return {"width": 1280, "height": 860}


class AnsweredUpstream(ScriptedUpstream):
    """Goes on as servers do: results are told by responses, and approvals are none."""

    def resume(self, paused: PausedTurn, answers: Answers) -> ScriptedTurn:
        """See `Upstream.resume`."""
        turn = super().resume(paused, answers)
        calls = tuple(each for each in paused.calls if each.call_id not in paused.approvals)
        told = turn.script.dialect == "responses"
        results = [
            ToolCallCompleted(call.call_id, call.tool_name, CallStatus.OK, "Told by the client.")
            for call in calls
            if told
        ]
        turn.opening = TurnResumed(paused.turn_id, calls, tuple(results))
        return turn


@contextmanager
def opened(chromium: Browser, url: str, viewport: dict[str, int]) -> Iterator[Tab]:
    """Open the page of a service."""
    context = chromium.new_context(viewport=viewport)
    tab = Tab(context.new_page(), url)
    tab.page.on("console", lambda message: tab.complaints.append(f"{message.type}: {message.text}"))
    tab.page.on("pageerror", lambda error: tab.complaints.append(f"pageerror: {error}"))
    tab.page.goto(url)
    tab.page.wait_for_selector("#upstream:not([hidden]), #sign-in:not([hidden])")
    tab.page.wait_for_selector("#diagram svg", state="attached")
    yield tab
    context.close()


@pytest.fixture
def tab(
    chromium: Browser, service_at: Callable[[str], str], speed: str, viewport: dict[str, int]
) -> Iterator[Tab]:
    """The page of a service that plays its recordings."""
    with opened(chromium, service_at(speed), viewport) as tab:
        tab.page.wait_for_selector(".session-pick")
        yield tab


@pytest.fixture
def scripts() -> tuple[Script, ...]:
    return ()


@pytest.fixture
def settings() -> dict[str, Any]:
    return {}


@pytest.fixture
def upstream(scripts: tuple[Script, ...]) -> ScriptedUpstream:
    upstream = AnsweredUpstream(*scripts)
    upstream.info = UpstreamInfo("live", recorded=False, notice="Answers come from a script")
    return upstream


@pytest.fixture
def live_tab(
    chromium: Browser,
    elsewhere: BlockingPortal,
    upstream: ScriptedUpstream,
    settings: dict[str, Any],
    viewport: dict[str, int],
) -> Iterator[Tab]:
    """The page of a service on a scripted upstream."""
    services = services_on(upstream, Settings(**settings))
    with (
        elsewhere.wrap_async_context_manager(served_here(services)) as url,
        opened(chromium, url, viewport) as tab,
    ):
        yield tab
