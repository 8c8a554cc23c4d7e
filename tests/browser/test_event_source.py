"""The browser's own EventSource, which reads turns without a line of ours."""

import json
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal
from playwright.sync_api import Browser

from tests.browser.conftest import Tab, key_of
from tests.support.answers_in_turn import answer, answering_in_turn, frame, payload, stream
from tests.support.cutting_proxy import UNHEARD, cutting_proxy
from tests.support.left_turns import RESTLESS, started, undisturbed
from tests.support.people import ALICE, keys
from tests.support.server import served
from tests.support.sse import Message
from tests.support.upstreams import Script
from tests.support.upstreams import answer as said

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
BY_TICKET = """async (token) => {
    const { ask, eventSourceUrl } = await import("/web/client.js");
    const turn = ask({ query: "What is a pod?" }, { token });
    for await (const { kind } of turn) if (kind === "open") break;
    return eventSourceUrl(turn.requestId, { ticket: turn.ticket });
}"""


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


def test_it_comes_back_when_a_body_without_an_event_has_told_it_to(
    chromium: Browser, elsewhere: BlockingPortal
) -> None:
    page_of_ours = answer(200, b"<link rel=icon href='data:,'>", {"content-type": "text/html"})
    sent_away = stream(b"retry: 1\n", frame(1), b": rotated\nretry: 300\n")
    rest = stream(b"retry: 1\n", frame(2))
    answers = page_of_ours, sent_away, rest, answer(204)

    with elsewhere.wrap_async_context_manager(answering_in_turn(*answers)) as server:
        page = chromium.new_page()
        page.goto(server.url)
        told = page.evaluate(READ, "/turn")
        page.close()

    assert told == [[payload(number).decode(), str(number)] for number in (1, 2)]
    assert [each.header("Last-Event-ID") for each in server.asked[1:]] == [None, "1", "2"]
    assert server.pauses_s()[1] >= 0.3 > server.pauses_s()[2]


@pytest.mark.parametrize("settings", [keys()])
@pytest.mark.parametrize("scripts", [(Script(said("Hel", "lo.")),)])
def test_it_reads_a_turn_of_somebody_by_the_address_that_our_client_makes(live_tab: Tab) -> None:
    address = live_tab.page.evaluate(BY_TICKET, key_of(ALICE))
    without = live_tab.page.evaluate(READ, address.partition("?")[0])

    told = live_tab.page.evaluate(READ, address)

    names = [json.loads(data)["event"] for data, _ in told]
    assert names == ["start", "token", "token", "turn_complete", "end"]
    assert without == []
