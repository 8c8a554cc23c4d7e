"""The browser's own EventSource, which reads turns without a line of ours."""

from typing import Any

import pytest
from anyio.from_thread import BlockingPortal
from playwright.sync_api import Browser

from tests.support.cutting_proxy import UNHEARD, cutting_proxy
from tests.support.left_turns import RESTLESS, started, undisturbed
from tests.support.server import served
from tests.support.sse import Message

pytestmark = pytest.mark.browser

SOME_CUTS = [700, UNHEARD, 2_000, 60, 0, 5_000, 900, 901, 1_500]
EVERYWHERE = [300, *range(0, 450, 7)]

READ = """(address) => new Promise((resolve) => {
    const source = new EventSource(address), told = [];
    source.onmessage = ({ data, lastEventId }) => told.push([data, lastEventId]);
    source.onerror = () => {
        if (source.readyState === EventSource.CLOSED) resolve(told);
    };
})"""


@pytest.fixture(scope="module")
def service() -> Any:
    """Return the address of a service that breaks every silence."""
    with served("--speed", "10", **RESTLESS) as process:
        yield process.url


@pytest.mark.parametrize("cuts", [[], SOME_CUTS, EVERYWHERE], ids=["none", "some", "everywhere"])
def test_it_reads_a_turn_over_every_cut_and_stops_by_itself(
    chromium: Browser, elsewhere: BlockingPortal, service: str, cuts: list[int]
) -> None:
    with elsewhere.wrap_async_context_manager(cutting_proxy(service, cuts)) as proxy:
        page = chromium.new_page()
        page.goto(f"{proxy.url}/v1/info")
        path = started(service).path
        told = page.evaluate(READ, path)
        page.close()

    assert [Message(data, last_id=last) for data, last in told] == undisturbed(service, path)
    # After the last one it was told that there is no more.
    assert len(proxy.passages) == len(cuts) + 2
    assert proxy.heartbeats > 0
